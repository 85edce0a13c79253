"""The line at the keyboard, edited and completed by prompt_toolkit (an extra)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from .completing import last_word


class _WordCompleter(Completer):
    def __init__(self, complete: Callable[[str], Iterable[tuple[str, str]]]) -> None:
        self._complete = complete

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        text = document.text_before_cursor
        for name, said in self._complete(text):
            yield Completion(name, -len(last_word(text)), display_meta=said)


def asker(
    prompt: str, complete: Callable[[str], Iterable[tuple[str, str]]]
) -> Callable[[str], str]:
    """Return a function that asks for a line, given what the line begins with.

    Parameters
    ----------
    complete : line before the cursor → (completion of its last word, what it
        is).
    """
    session: PromptSession[str] = PromptSession(
        prompt, completer=_WordCompleter(complete), complete_in_thread=True
    )
    return lambda begun: session.prompt(default=begun) if begun else session.prompt()
