"""Replies as Telegram shows them: texts in pieces, buttons, pictures with captions.

Source: core.telegram.org/bots/api (methods, sizes).
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, Message
from telegram.error import BadRequest

from ..commands import button
from ..messages import PREVIEW_PATIENCE, PREVIEW_POLL, Reply
from .server import Calls, one_line

if TYPE_CHECKING:
    from ...recommend import PostInfo
    from ..sessions import Sessions

TEXT_LIMIT = 4096  # UTF-16 units
CAPTION_LIMIT = 1024  # UTF-16 units
BUTTON_BYTES = 64  # of what a button sends
log = logging.getLogger(__name__)


def split_text(text: str, limit: int) -> list[str]:
    r"""Cut a text into pieces, at the end of a line or at a space where there is one.

    The first piece has at most `limit` UTF-16 units, the others `TEXT_LIMIT`.

    >>> split_text("one two\nthree four", 10)
    ['one two', 'three four']
    """
    head = text.encode("utf-16-le")[: 2 * limit].decode("utf-16-le", "ignore")
    if head == text:
        return [text]
    cut = max(head.rfind("\n"), 0) or max(head.rfind(" "), 0) or len(head)
    return [text[:cut], *split_text(text[cut:].lstrip(), TEXT_LIMIT)]


def button_rows(choices: Sequence[str]) -> list[list[str]]:
    """Arrange choices as buttons: the shortest in one row, others in pairs.

    >>> button_rows(["/like 7", "/skip", "/why 7", "/more 7", "/enjoy owl", "/enjoy " + "x" * 60])
    [['/like 7', '/skip'], ['/why 7', '/more 7'], ['/enjoy owl']]
    """
    fitting = [choice for choice in choices if len(choice.encode()) <= BUTTON_BYTES]
    short = [choice for choice in fitting if len(button(choice)) <= 3]
    others = [choice for choice in fitting if choice not in short]
    rows = [short, *(others[i : i + 2] for i in range(0, len(others), 2))]
    return [row for row in rows if row]


def _key(choice: str) -> InlineKeyboardButton:
    return InlineKeyboardButton(button(choice), callback_data=choice)


class Sender:
    """Sends replies, at the server's pace.

    Parameters
    ----------
    sessions : has the previews of posts.
    """

    def __init__(self, bot: Bot, call: Calls, sessions: Sessions) -> None:
        self._bot, self._call, self._sessions = bot, call, sessions

    async def send(self, reply: Reply, where: dict[str, Any]) -> None:
        """Send a picture or file with the text that fits under it, then the rest."""
        # Telegram does not align columns.
        text = re.sub(r"(?m)^(\S+(?: \S+)*) {2,}", r"\1: ", reply.text)
        to = dict(where)
        if rows := button_rows(reply.choices):
            to["reply_markup"] = InlineKeyboardMarkup([list(map(_key, row)) for row in rows])

        send: Callable[..., Awaitable[Message]] = self._bot.send_photo
        media: dict[str, Any] = {}
        if reply.document and reply.is_drawing:
            media = {"photo": reply.document[1]}
        elif reply.document and where["chat_id"] < 0:
            text += "\nThe file is for you alone: ask me for it in a private talk."
        elif reply.document:
            send = self._bot.send_document
            media = {"filename": reply.document[0], "document": reply.document[1]}
        elif reply.post and (data := await self._thumbnail(reply.post, reply.coming)):
            media = {"photo": data}

        parts = split_text(text, CAPTION_LIMIT if media else TEXT_LIMIT)
        if media:
            try:
                await self._call(send, caption=parts[0], **media, **to)
                parts, to = parts[1:], where
            except BadRequest as error:
                log.warning("sent without its picture or file: %s", one_line(error))
        for part in parts:
            # Telegram's own preview of an address may show what we would not.
            await self._call(
                self._bot.send_message, text=part, disable_web_page_preview=True, **to
            )
            to = where

    async def _thumbnail(self, post: PostInfo, coming: bool) -> bytes | None:
        """Return a post's preview; wait a moment for it if it is coming."""
        until = time.monotonic() + PREVIEW_PATIENCE * coming
        while not (data := await asyncio.to_thread(self._sessions.thumbnail, post)):
            if time.monotonic() >= until:
                return None
            await asyncio.sleep(PREVIEW_POLL)
        return data
