"""The talk in Telegram: long polling of the Bot API by python-telegram-bot (an extra).

- A typed `/stop` means `/forget`, which asks before it deletes: on Telegram,
  who types it wants to be left alone. The button 🛑 of a post ends the tour and
  nothing else.
- A button carries its message, so those of old posts and of earlier runs work.
  A choice of more than 64 bytes gets no button; the text names it.
- In a group the bot answers only `/command@its_name`, a mention or a reply to
  it. It does not answer channels, edited messages, other bots and messages
  older than `OLDEST_MESSAGE`. In a group, too, the profile is the person's, and
  a file with what is kept about them is not sent there.
- Those who asked for it with /daily are sent what is new, `DAILY_AT_ONCE` at a time. Who
  has blocked the bot is sent no more.
- A message is answered once in a run, however often the server repeats it. If a
  broken connection leaves open whether an answer arrived, it is sent again.

Source: core.telegram.org/bots/api (methods, sizes).
"""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from telegram import (
    Bot,
    Document,
    Message,
    Update,
)
from telegram.error import BadRequest, Forbidden, InvalidToken, TelegramError

from ...errors import BadInput, E6GraphError
from ..commands import COMMANDS, Command
from ..messages import (
    FAVORITES_BYTES,
    LIST_BYTES,
    PICTURE_LIMIT,
    Picture,
    Reply,
    TextFile,
)
from ..sessions import Sessions
from .sending import Sender
from .server import RETRY_DELAY, ApiRequest, Calls, UpdatesRequest, keep_from_logs, one_line

if TYPE_CHECKING:
    pass

API_BASE = "https://api.telegram.org"
DESCRIPTION_LIMIT = 256  # characters, of a command in the menu
SERVER_CONNECTIONS = 256  # to the server
POLL_SECONDS = 30  # that a request for updates stays open
LONGEST_POLL_DELAY = 30.0  # seconds between failed requests for updates
OLDEST_MESSAGE = 3600.0  # seconds
DAILY_CHECK = 60.0  # seconds between two looks at who is to be sent what is new
DAILY_AT_ONCE = 8  # users; each gets a message a second, and the server allows 30 in all
LAST_ANSWERS = 5.0  # seconds for answers under way when the bot is told to end
THREADS = 40  # for answers; pictures hold 9 of them at most
MAILBOX = 20  # messages of one user in hand; more are dropped
UNLISTED = ("start", "quit", "picture")  # commands for which Telegram has its own ways
TELEGRAM_COMMANDS = {name: COMMANDS[name] for name in COMMANDS if name not in UNLISTED}
TELEGRAM_COMMANDS["stop"] = Command(
    "", "end here and delete what I keep about you (asks first); 🛑 only ends the tour"
)
"""The commands that /help and the menu list."""

USER = "telegram:"  # before a user's number, in the profiles
FROM_BOTFATHER = "expected the token that BotFather gave"
SORRY = "Something is wrong here: try again later."
NO_PICTURE = "Expected a picture of at most 20 MB: a photo, or an image sent as a file."
TOO_LONG = (
    f"That file is too long: a blacklist has {LIST_BYTES // 1000} kB at most; favorites, sent "
    f"with the caption /favorites, {FAVORITES_BYTES >> 20} MB."
)
FAVORITES_ENDINGS = (".json", ".csv")
log = logging.getLogger(__name__)


def check_token(token: str | None) -> str:
    """Return the bot's token without spaces around it.

    Raises
    ------
    BadInput : it is missing or malformed.
    """
    token = (token or "").strip()
    if not re.fullmatch(r"[0-9]+:[A-Za-z0-9_-]{10,}", token):
        got = "is not a token" if token else "is not set"
        raise BadInput(f"BOT_TOKEN {got}: {FROM_BOTFATHER}")
    return token


def serve(sessions: Sessions, token: str, api_base: str | None = None) -> None:
    """Answer in Telegram until Ctrl-C or SIGTERM; answers under way are finished first.

    Nothing that any module logs from here on holds the token.

    Parameters
    ----------
    api_base : address of the Bot API server, `API_BASE` by default.

    Raises
    ------
    BadInput : the server refuses the token.
    E6GraphError : the server cannot be reached at the start.
    """
    base = (api_base or API_BASE).rstrip("/")
    secret = token.partition(":")[2]
    keep_from_logs(secret)
    try:
        with suppress(KeyboardInterrupt):  # on systems where event loops know no signals
            asyncio.run(TelegramBot(sessions, token, base).run())
    except InvalidToken:
        raise BadInput(f"BOT_TOKEN was refused by the server: {FROM_BOTFATHER}") from None
    except TelegramError as error:
        problem = one_line(error).replace(secret, "<BOT_TOKEN>")
        raise E6GraphError(
            f"{base} does not answer as a Bot API server ({problem}): check --api-base"
        ) from None


def _is_text(file: Document) -> bool:
    kind, name = file.mime_type or "", (file.file_name or "").lower()
    listed = kind.startswith("text/") or kind == "application/json"
    return listed or name.endswith((".txt", *FAVORITES_ENDINGS))


def _kind_of(file: Document, caption: str) -> str:
    """Return the kind of a list: by its caption or its name, "" where its content tells."""
    if said := re.match(r"/(blacklist|favou?rites)\b", caption, re.IGNORECASE):
        return "blacklist" if said[1].lower() == "blacklist" else "favorites"
    name = (file.file_name or "").lower()
    says_so = "fav" in name or name.endswith(FAVORITES_ENDINGS)
    return "favorites" if says_so or file.mime_type == "application/json" else ""


class TelegramBot:
    """Answers the messages of one user in order, and different users at once."""

    def __init__(self, sessions: Sessions, token: str, base: str = API_BASE) -> None:
        self._sessions = sessions
        sessions.delivers = True
        calls = ApiRequest(SERVER_CONNECTIONS, read_timeout=20)  # seconds
        updates = UpdatesRequest(1, read_timeout=20)
        self._bot = Bot(token, f"{base}/bot", f"{base}/file/bot", calls, updates)
        self._call = Calls(self._bot)
        self._sender = Sender(self._bot, self._call, sessions)
        self._offset: int | None = None  # the update after the last one
        self._known: deque[int] = deque(maxlen=1000)  # update ids
        # By user id: the message in hand and those that wait.
        self._mail: dict[int, deque[tuple[Update, str]]] = {}
        self._workers: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Answer until a signal.

        Raises
        ------
        TelegramError : the bot cannot start, or has lost its token.
        """
        # The usual 6 threads (on 2 cores) would all wait for pictures at times.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
        polling = asyncio.create_task(self._poll())
        daily = asyncio.create_task(self._send_news())
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError, RuntimeError, ValueError):  # Windows; a thread
                asyncio.get_running_loop().add_signal_handler(number, polling.cancel)
        try:
            with suppress(asyncio.CancelledError):
                await polling
            daily.cancel()
            await asyncio.wait({polling, *self._workers}, timeout=LAST_ANSWERS)
            # This confirms the updates heard, so that none comes again.
            with suppress(Exception):
                await self._bot.get_updates(offset=self._offset, limit=1, timeout=0)
        finally:
            await self._bot.shutdown()

    async def _poll(self) -> None:
        menu = []
        for name, command in TELEGRAM_COMMANDS.items():
            described = ": ".join(filter(None, [command.argument, command.does]))
            menu.append((name, described[:DESCRIPTION_LIMIT]))
        await self._call(self._bot.initialize)
        await self._call(self._bot.delete_webhook)  # with one, the server gives no updates
        await self._call(self._bot.set_my_commands, menu)
        log.info("%s answers in Telegram until Ctrl-C", self._bot.name)
        delay = 0.0
        while True:
            try:
                updates = await self._bot.get_updates(
                    offset=self._offset,
                    timeout=POLL_SECONDS,
                    allowed_updates=["message", "callback_query"],
                )
            except InvalidToken:
                raise
            except Exception as error:  # nothing that the server says may end the bot
                known = isinstance(error, TelegramError)
                problem = one_line(error) if known else type(error).__name__
                log.warning("no messages from the server, trying on: %s", problem)
                delay = min(LONGEST_POLL_DELAY, max(RETRY_DELAY, 2 * delay))
                await asyncio.sleep(max(delay, getattr(error, "retry_after", delay)))
                continue
            delay = 0.0
            self._hear(updates)
            self._call.forget_past_slots()

    async def _send_news(self) -> None:
        """Send what is new to those who are due, for as long as the bot runs."""
        while True:
            await asyncio.sleep(DAILY_CHECK)
            try:
                due = await asyncio.to_thread(self._sessions.due)
            except Exception as error:
                log.error("what is new was sent to nobody: %s", one_line(error))
                continue
            for start in range(0, len(due), DAILY_AT_ONCE):
                users = due[start : start + DAILY_AT_ONCE]
                sending = {asyncio.create_task(self._send_news_to(user)) for user in users}
                self._workers |= sending  # so that they may end before the bot does
                await asyncio.wait(sending)
                self._workers -= sending

    async def _send_news_to(self, user: str) -> None:
        try:
            replies = await asyncio.to_thread(self._sessions.deliver, user)
            for reply in replies:
                await self._sender.send(reply, {"chat_id": int(user.removeprefix(USER))})
        except Forbidden as error:  # the bot was blocked, or never spoken to in private
            log.info("somebody is sent nothing more each day: %s", one_line(error))
            await asyncio.to_thread(self._sessions.end_daily, user)
        except Exception as error:
            known = isinstance(error, (E6GraphError, TelegramError))
            log.error("what is new was not sent: %s", one_line(error), exc_info=not known)

    def _hear(self, updates: Sequence[Update]) -> None:
        """Put each message that is for the bot into its user's mailbox."""
        dropped = {"stale": 0, "too fast": 0}
        for update in updates:
            self._offset = update.update_id + 1
            if update.update_id in self._known:
                continue
            self._known.append(update.update_id)
            try:
                why = self._deliver(update)
            except Exception as error:  # such as half of a surrogate pair in a text
                number, kind = update.update_id, type(error).__name__
                log.warning("stepped over update %d: %s", number, kind)
            else:
                if why:
                    dropped[why] += 1
        if any(dropped.values()):
            counts = tuple(dropped.values())
            log.info("dropped %d messages older than an hour, %d sent too fast", *counts)

    def _deliver(self, update: Update) -> str:
        """Put a message into its user's mailbox, or say why it is dropped; "" if it is not."""
        text = self._meant(update)
        if text is None or update.effective_user is None:
            return ""
        user, message = update.effective_user.id, update.message
        if message and time.time() - message.date.timestamp() > OLDEST_MESSAGE:
            return "stale"
        if len(self._mail.get(user, ())) >= MAILBOX:
            return "too fast"
        if user in self._mail:
            self._mail[user].append((update, text))
        else:
            self._mail[user] = deque([(update, text)])
            self._workers.add(worker := asyncio.create_task(self._work(user)))
            worker.add_done_callback(self._workers.discard)
        return ""

    def _meant(self, update: Update) -> str | None:
        """Return the text without the bot's name; None if it is not for the bot.

        The text of a picture or file may be "".
        """
        who = update.effective_user
        query, message = update.callback_query, update.message
        if who is None or who.is_bot:
            return None
        if query:
            return query.data if query.message else None
        if not message or message.sender_chat:
            return None
        if not (message.text or message.effective_attachment):
            return None

        name = self._bot.username
        text = (message.text or message.caption or "").strip()
        if re.match(rf"/\w+@(?!{name}\b)", text, re.IGNORECASE):  # for another bot
            return None
        said = re.sub(rf"@{name}\b", "", text, flags=re.IGNORECASE).strip()
        earlier = message.reply_to_message and message.reply_to_message.from_user
        private = message.chat.id > 0
        answers_us = earlier is not None and earlier.id == self._bot.id
        return said if private or said != text or answers_us else None

    async def _work(self, user: int) -> None:
        """Answer a user's messages until none is left."""
        while box := self._mail[user]:
            try:
                await self._answer(user, *box[0])
            except TelegramError as error:  # such as: blocked by the user
                log.warning("an answer could not be sent: %s", one_line(error))
            except Exception:
                log.exception("an answer failed")
            box.popleft()
        del self._mail[user]

    async def _answer(self, user: int, update: Update, text: str) -> None:
        message, query = update.message, update.callback_query
        try:
            said = await self._said(message, text) if message else text
            replies = await asyncio.to_thread(self._sessions.reply, f"{USER}{user}", said)
        except Exception as error:  # a defect must not end the talks of others
            known = isinstance(error, (E6GraphError, TelegramError))
            log.error("a message was not answered: %s", one_line(error), exc_info=not known)
            replies = [Reply(SORRY)]

        if query:
            # A plain line before other replies flashes over the chat.
            first = replies[0] if len(replies) > 1 else None
            flash = first.text if first and not (first.post or first.choices) else None
            with suppress(BadRequest):  # pressed too long ago, or the line is too long
                await self._call(self._bot.answer_callback_query, query.id, flash)
                replies = replies[1:] if flash is not None else replies

        place = message or (query and query.message)
        if not place:
            return
        where: dict[str, Any] = {"chat_id": place.chat.id}
        if place.chat.id < 0:  # in a group, show which message this answers
            where["reply_to_message_id"] = place.message_id
            where["allow_sending_without_reply"] = True
        for reply in replies:
            await self._sender.send(reply, where)

    async def _said(self, message: Message, text: str) -> str | Picture | TextFile:
        """Return what a message says to the talk: its text, its picture or its list."""
        if not message.effective_attachment:
            word = text.lower().split()[0] if text else "/start"
            if word == "/picture":
                return Picture(problem=NO_PICTURE)
            # Links put more words behind /start.
            return {"/start": "/start", "/stop": "/forget"}.get(word, text)

        sent = [message.document] if message.document else []
        if sent and _is_text(sent[0]):
            kind, size = _kind_of(sent[0], text), sent[0].file_size or 0
            most = FAVORITES_BYTES if kind == "favorites" else LIST_BYTES
            data = await self._call.file(sent[0].file_id, most, size)
            return TextFile(problem=TOO_LONG) if data is None else TextFile(data, kind=kind)
        images = [file for file in sent if "image/" in (file.mime_type or "")]
        sizes = {file.file_id: file.file_size or 0 for file in message.photo or images}
        fitting = [name for name, size in sizes.items() if size <= PICTURE_LIMIT]
        if not fitting:
            return Picture(problem=NO_PICTURE)
        largest = max(fitting, key=lambda name: sizes[name])
        data = await self._call.file(largest, PICTURE_LIMIT)
        return Picture(problem=NO_PICTURE) if data is None else Picture(data)
