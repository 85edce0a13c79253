"""The talk in Telegram: long polling of the Bot API by python-telegram-bot (an extra).

- A typed `/stop` means `/forget`, which asks before it deletes: who says so there wants to be left
  alone. The button 🛑 of a post ends the tour and nothing else.
- A button carries its message, so those of old posts and of earlier runs work; a choice of more
  than 64 bytes gets none, the text names it.
- A group is answered only after `/command@its_name`, a mention or a reply to the bot; channels,
  edited messages, other bots and messages older than `STALE` are not answered. In a group too the
  profile is the person's, and a file with what is kept of them is not sent there.
- A message is answered once in a run, however often the server repeats it; an answer that a broken
  connection leaves in doubt is sent again.

Source: core.telegram.org/bots/api (methods, sizes), core.telegram.org/bots/faq (flood limits).
"""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import telegram

from ...errors import BadInput, E6GraphError
from ..messages import COMMANDS, PICTURE_LIMIT, Picture, Reply, button
from .logs import keep_from_logs

if TYPE_CHECKING:
    from telegram import Message, Update

    from ..sessions import Sessions

API = "https://api.telegram.org"
TEXT, CAPTION, DESCRIPTION, BUTTON = 4096, 1024, 256, 64  # characters; bytes of a button
GAP, GROUP_GAP = 1.0, 3.0  # seconds between messages to one chat
TRIES, BACKOFF, LONGEST_WAIT = 4, 1.0, 300.0  # of a call; seconds: the first wait, the longest
POLL, POLL_BACKOFF = 30, 30.0  # seconds: a request for updates stays open; between failed ones
STALE, GRACE = 3600.0, 5.0  # seconds: age of a message; for the last answers before the end
WAITING = 20  # messages of one user in hand
UNLISTED = ("start", "quit", "picture")  # commands for which Telegram has its own ways
TOLD = {name: words for name, words in COMMANDS.items() if name not in UNLISTED} | {
    "stop": ("", "end here and delete what is kept of you (asks first); 🛑 only ends the tour")
}  # what /help and the menu tell of
THUMBNAIL, LOOK = 1.5, 0.1  # seconds: for a preview that is being fetched; between two looks
SORRY = "Something is wrong here: try again later."
NO_PICTURE = "Expected a picture of at most 20 MB: a photo, or an image sent as a file."
log = logging.getLogger(__name__)


def serve(sessions: Sessions, token: str | None, api_base: str | None = None) -> None:
    """Answer in Telegram until Ctrl-C or SIGTERM; answers under way are finished first.

    Nothing that is logged from here on, by whatever module, holds the token. `api_base` is the
    address of the Bot API server, `API` by default.

    Raises
    ------
    BadInput : the token is missing or malformed, or the server refuses it.
    E6GraphError : the server cannot be reached at the start.
    """
    token, base = (token or "").strip(), (api_base or API).rstrip("/")
    if not re.fullmatch(r"[0-9]+:[A-Za-z0-9_-]{10,}", token):
        got = "is not a token" if token else "is not set"
        raise BadInput(f"BOT_TOKEN {got}: expected the token that BotFather gave")
    keep_from_logs(secret := token.partition(":")[2])
    try:
        with suppress(KeyboardInterrupt):  # where event loops know no signals
            asyncio.run(Front(sessions, token, base).run())
    except telegram.error.InvalidToken:
        refused = "BOT_TOKEN was refused by the server: expected the token that BotFather gave"
        raise BadInput(refused) from None
    except telegram.error.TelegramError as error:
        said = f"{base} does not answer as a Bot API server ({_line(error)}): check --api-base"
        raise E6GraphError(said.replace(secret, "<BOT_TOKEN>")) from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def split(text: str, limit: int) -> list[str]:
    r"""Pieces of at most `limit`, then `TEXT` UTF-16 units, cut at a line's end or a space if any.

    >>> split("one two\nthree four", 10)
    ['one two', 'three four']
    """
    head = text.encode("utf-16-le")[: 2 * limit].decode("utf-16-le", "ignore")
    if head == text:
        return [text]
    cut = max(head.rfind("\n"), 0) or max(head.rfind(" "), 0) or len(head)
    return [text[:cut], *split(text[cut:].lstrip(), TEXT)]


def rows(choices: Sequence[str]) -> list[list[str]]:
    """The choices that fit a button: those with the shortest labels in one row, others in pairs.

    >>> rows(["/like 7", "/skip", "/why 7", "/more 7", "/enjoy owl", "/enjoy " + "x" * 60])
    [['/like 7', '/skip'], ['/why 7', '/more 7'], ['/enjoy owl']]
    """
    fit = [choice for choice in choices if len(choice.encode()) <= BUTTON]
    short = [choice for choice in fit if len(button(choice)) <= 3]
    others = [choice for choice in fit if choice not in short]
    return [
        row for row in (short, *(others[i : i + 2] for i in range(0, len(others), 2))) if row
    ]


class Front:
    """Answers one user's messages in order, different users at once."""

    def __init__(self, sessions: Sessions, token: str, base: str = API) -> None:
        self._api = telegram
        self._error, self._sessions = self._api.error, sessions
        calls = self._api.request.HTTPXRequest(256, read_timeout=20)  # connections, seconds
        self._bot = self._api.Bot(token, f"{base}/bot", f"{base}/file/bot", calls)
        self._offset: int | None = None  # the update after the last one
        self._known: deque[int] = deque(maxlen=1000)  # update ids
        self._mail: dict[
            int, deque[tuple[Update, str]]
        ] = {}  # user id: the one in hand, others
        self._workers: set[asyncio.Task] = set()
        self._slots: dict[int, float] = {}  # chat id: when its next message may go

    async def run(self) -> None:
        """Answer until a signal; raises TelegramError if the bot cannot start or lost its token."""
        polling = asyncio.create_task(self._poll())
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError, RuntimeError, ValueError):  # Windows; a thread
                asyncio.get_running_loop().add_signal_handler(number, polling.cancel)
        try:
            with suppress(asyncio.CancelledError):
                await polling
            await asyncio.wait({polling, *self._workers}, timeout=GRACE)
            with suppress(self._error.TelegramError):  # tells what was heard: it comes no more
                await self._bot.get_updates(offset=self._offset, limit=1, timeout=0)
        finally:
            await self._bot.shutdown()

    async def _poll(self) -> None:
        told = {name: ": ".join(words).strip(": ") for name, words in TOLD.items()}
        await self._call(self._bot.initialize)
        await self._call(self._bot.delete_webhook)  # with one, the server gives no updates
        await self._call(self._bot.set_my_commands, [(c, told[c][:DESCRIPTION]) for c in told])
        log.info("%s answers in Telegram until Ctrl-C", self._bot.name)
        wait, ask = 0.0, {"timeout": POLL, "allowed_updates": ["message", "callback_query"]}
        while True:
            try:
                updates = await self._bot.get_updates(offset=self._offset, **ask)
            except self._error.InvalidToken:
                raise
            except self._error.TelegramError as error:
                log.warning("no messages from the server, trying on: %s", _line(error))
                wait = min(POLL_BACKOFF, max(BACKOFF, 2 * wait))
                await asyncio.sleep(getattr(error, "retry_after", wait))
                continue
            wait = 0.0
            self._hear(updates)
            self._slots = {
                chat: at for chat, at in self._slots.items() if at > time.monotonic()
            }

    def _hear(self, updates: Sequence[Update]) -> None:
        stale = dropped = 0
        for update in updates:
            self._offset = update.update_id + 1
            text = None if update.update_id in self._known else self._meant(update)
            self._known.append(update.update_id)
            if text is None:
                continue
            user, message = update.effective_user.id, update.message
            if message and time.time() - message.date.timestamp() > STALE:
                stale += 1
            elif len(self._mail.get(user, ())) >= WAITING:
                dropped += 1
            elif user in self._mail:
                self._mail[user].append((update, text))
            else:
                self._mail[user] = deque([(update, text)])
                self._workers.add(worker := asyncio.create_task(self._work(user)))
                worker.add_done_callback(self._workers.discard)
        if stale or dropped:
            log.info("dropped %d messages older than an hour, %d sent too fast", stale, dropped)

    def _meant(self, update: Update) -> str | None:
        """A text without the bot's name ("" with a file), or None where it is not for the bot."""
        query, message, who = update.callback_query, update.message, update.effective_user
        if who is None or who.is_bot:
            return None
        if query:
            return query.data if query.message else None
        if (
            not message
            or message.sender_chat
            or not (message.text or message.effective_attachment)
        ):
            return None
        text, name = (message.text or message.caption or "").strip(), self._bot.username
        if re.match(rf"/\w+@(?!{name}\b)", text, re.IGNORECASE):  # for another bot
            return None
        said = re.sub(rf"@{name}\b", "", text, flags=re.IGNORECASE).strip()
        earlier = message.reply_to_message and message.reply_to_message.from_user
        ours = message.chat.id > 0 or said != text or (earlier and earlier.id == self._bot.id)
        return said if ours else None

    async def _work(self, user: int) -> None:
        while box := self._mail[user]:
            try:
                await self._answer(user, *box[0])
            except self._error.TelegramError as error:  # such as: blocked by the user
                log.warning("an answer could not be sent: %s", _line(error))
            except Exception:
                log.exception("an answer failed")
            box.popleft()
        del self._mail[user]

    async def _answer(self, user: int, update: Update, text: str) -> None:
        message, query = update.message, update.callback_query
        try:
            said = text if query else await self._said(message, text)
            replies = await asyncio.to_thread(self._sessions.reply, f"telegram:{user}", said)
        except Exception as error:  # or a defect, which ends no other talk
            known = isinstance(error, (E6GraphError, self._error.TelegramError))
            log.error("a message was not answered: %s", _line(error), exc_info=not known)
            replies = [Reply(SORRY)]
        if query:  # a mere line before other replies shows for a moment over the chat
            mere = len(replies) > 1 and not (replies[0].post or replies[0].choices)
            with suppress(
                self._error.BadRequest
            ):  # pressed too long ago, or the line is too long
                toast = replies[0].text if mere else None
                await self._call(self._bot.answer_callback_query, query.id, toast)
                replies = replies[mere:]
        place = message or query.message
        where = {"chat_id": place.chat.id}
        if place.chat.id < 0:  # in a group, say what is answered
            where |= dict(
                reply_to_message_id=place.message_id, allow_sending_without_reply=True
            )
        for reply in replies:
            await self._send(reply, where)

    async def _said(self, message: Message, text: str) -> str | Picture:
        if not message.effective_attachment:
            word = text.lower().split()[0] if text else "/start"  # links put more behind /start
            own = {
                "/start": "/start",
                "/stop": "/forget",
                "/picture": Picture(problem=NO_PICTURE),
            }
            return own.get(word, text)
        sent = [message.document] if message.document else []
        files = message.photo or [file for file in sent if "image/" in (file.mime_type or "")]
        fit = {
            f.file_id: f.file_size or 0 for f in files if (f.file_size or 0) <= PICTURE_LIMIT
        }
        if not fit:
            return Picture(problem=NO_PICTURE)
        found = await self._call(self._bot.get_file, max(fit, key=fit.get))
        return Picture(bytes(await self._call(found.download_as_bytearray)))

    async def _send(self, reply: Reply, where: dict[str, Any]) -> None:
        """A preview or file, the text under it as far as that goes, and the buttons."""
        text = re.sub(r"(?m)^(\S+(?: \S+)*) {2,}", r"\1: ", reply.text)  # columns do not align
        key, markup = self._api.InlineKeyboardButton, self._api.InlineKeyboardMarkup
        keys = [[key(button(c), callback_data=c) for c in row] for row in rows(reply.choices)]
        to = where | ({"reply_markup": markup(keys)} if keys else {})
        send, media = self._bot.send_photo, {}
        if reply.document and where["chat_id"] < 0:
            text += "\nThe file is for you alone: ask me for it in a private talk."
        elif reply.document:
            send = self._bot.send_document
            media = {"filename": reply.document[0], "document": reply.document[1]}
        elif reply.post and (data := await self._thumbnail(reply)):
            media = {"photo": data}
        parts = split(text, CAPTION if media else TEXT)
        if media:
            try:
                await self._call(send, caption=parts[0], **media, **to)
                parts, to = parts[1:], where
            except self._error.BadRequest as error:
                log.warning("sent without its picture or file: %s", _line(error))
        for part in parts:  # Telegram's own preview of an address may show what we would not
            await self._call(
                self._bot.send_message, text=part, disable_web_page_preview=True, **to
            )
            to = where

    async def _thumbnail(self, reply: Reply) -> bytes | None:
        """A post's preview, waited for a moment if it is coming."""
        until = time.monotonic() + THUMBNAIL * reply.coming
        while not (data := await asyncio.to_thread(self._sessions.thumbnail, reply.post)):
            if time.monotonic() >= until:
                return None
            await asyncio.sleep(LOOK)
        return data

    async def _call(self, method: Callable, *args: Any, **kwargs: Any) -> Any:
        """A call of the Bot API in its chat's turn, tried again after floods and network faults."""
        chat, wait, kinds = kwargs.get("chat_id"), 0.0, self._error
        for left in reversed(range(TRIES)):
            now = time.monotonic()
            slot = max(now + wait, self._slots.get(chat, now))
            if chat:
                self._slots[chat] = slot + (GAP if chat > 0 else GROUP_GAP)
            await asyncio.sleep(slot - now)
            try:
                return await method(*args, **kwargs)
            except kinds.TelegramError as error:
                final = isinstance(
                    error, (kinds.BadRequest, kinds.Forbidden, kinds.InvalidToken)
                )
                wait = getattr(error, "retry_after", max(BACKOFF, 2 * wait))
                if final or not left or wait > LONGEST_WAIT:
                    raise
