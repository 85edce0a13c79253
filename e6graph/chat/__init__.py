"""The bot: one conversation without I/O, and a thin front end for each place."""

from __future__ import annotations

from argparse import Action, ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from ..errors import BadInput

if TYPE_CHECKING:
    from .room import Room

AddOption = Callable[..., Action]  # works as `add_argument` of argparse


class Front(Protocol):
    """A place to talk: a folder of this package with these names, a line in bot.py.

    A new one is a folder such as `terminal/` and its name in `FRONTS` of
    bot.py, which makes the option `--FOLDER` that chooses it. Put code that
    needs an optional package into a second module, and import that module
    inside `run`, under `with needs("PACKAGE")`. All fronts share one set of
    options, so a new option needs a name that no other front has taken.

    Attributes
    ----------
    HELP : what `--help` says about the option that chooses it.
    """

    __name__: str
    HELP: str

    def add_options(self, add: AddOption) -> None:
        """Add the options of this front end alone."""

    def run(self, args: Namespace, room: Room) -> None:
        """Talk until somebody ends it.

        Check your own options first. Then open `room.conversation` for one user
        or `room.sessions` for many: they load the board, hand messages in and
        give replies back.
        """


def name_of(front: Front) -> str:
    """Return the name of a front end's folder, which is that of its option."""
    return front.__name__.rpartition(".")[2]


def check_options(args: Namespace, fronts: Sequence[Front]) -> None:
    """Refuse options of a front end that was not chosen: they would do nothing.

    Raises
    ------
    BadInput : there is one.
    """
    for front in fronts:
        alone = ArgumentParser()
        front.add_options(alone.add_argument)
        for name, default in vars(alone.parse_args([])).items():
            if front is not args.front and getattr(args, name) != default:
                option, chosen = name.replace("_", "-"), name_of(args.front)
                raise BadInput(
                    f"--{option} does nothing with --{chosen}: it is for --{name_of(front)}"
                )
