"""The Bot API server: calls to it keep a pace, and one bad answer does not end the bot.

python-telegram-bot parses all updates of an answer or none, and reads a file from
this machine if its path exists here. So each update is tried first, and files are
fetched here.

Source: core.telegram.org/bots/faq (flood limits).
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from telegram import Bot, Update
from telegram.error import BadRequest, Forbidden, InvalidToken, NetworkError, TelegramError
from telegram.request import HTTPXRequest

LAST_UPDATE = 2**31 - 1  # the server counts updates in 32 bits
FILE_SECONDS = 120.0  # for a whole file
READ_SECONDS = 20.0  # of silence
CHAT_DELAY = 1.0  # seconds between messages to one chat
GROUP_DELAY = 3.0  # seconds between messages to one group
TRIES = 4  # of a call
RETRY_DELAY = 1.0  # seconds before the second try; doubled each time
LONGEST_DELAY = 300.0  # seconds; a call that has to wait for longer is given up
log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


class TooLarge(TelegramError):
    """A file that is longer than it may be."""


class ApiRequest(HTTPXRequest):
    """Calls whose answers are JSON objects, and the results of those that went well."""

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        """Call the server: (status, body). Raises NetworkError for an answer without a result."""
        code, payload = await super().do_request(*args, **kwargs)
        try:
            answer = json.loads(payload)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            answer = {}
        if 200 <= code < 300:
            if "result" not in answer:
                raise NetworkError("the server's answer has no result")
            answer["result"] = self.readable(answer["result"])
        return code, json.dumps(answer).encode()

    def readable(self, result: Any) -> Any:
        """Return the result of a call, as far as it can be read."""
        return result


class UpdatesRequest(ApiRequest):
    """Calls of getUpdates; an update that cannot be parsed is answered as an empty one."""

    def readable(self, result: Any) -> list[dict[str, Any]]:
        """Return the updates that have a number.

        An empty update stands for one that cannot be parsed, so that the server is
        told that it came. The log gets no word of it, since it is a person's.

        Raises
        ------
        NetworkError : updates came, but none of them has a number.
        """
        updates = result if isinstance(result, list) else [result]
        numbered = [update for update in updates if _number(update) is not None]
        if len(numbered) < len(updates):
            count = len(updates) - len(numbered)
            log.warning("stepped over %d updates without a number", count)
        if updates and not numbered:
            raise NetworkError("the server's updates have no numbers")
        return [_parsable(update) for update in numbered]


def _number(update: object) -> int | None:
    """Return the id of an update; None if it has no usable one."""
    number = update.get("update_id") if isinstance(update, dict) else None
    fits = type(number) is int and 0 <= number <= LAST_UPDATE
    return number if fits else None


def _parsable(update: dict[str, Any]) -> dict[str, Any]:
    """Return an update, or an empty one of its number if it cannot be parsed."""
    try:
        Update.de_json(json.loads(json.dumps(update)), None)
    except Exception as error:  # the library raises whatever comes
        number = update["update_id"]
        log.warning("stepped over update %d: %s", number, type(error).__name__)
        return {"update_id": number}
    return update


async def download(base: str, path: str, limit: int) -> bytes:
    """Fetch a file from the server, and from nowhere else.

    Parameters
    ----------
    base : address of the server's files; redirects are not followed.
    path : of the file on the server; this machine's files are never read.
    limit : most bytes, however many the server says there are.

    Raises
    ------
    TooLarge : there are more.
    NetworkError : the server fails. BadRequest : it does not give the file.
    """
    url = f"{base}/{quote(path.lstrip('/'))}"
    made = bytearray()
    try:
        async with (
            asyncio.timeout(FILE_SECONDS),
            httpx.AsyncClient(timeout=READ_SECONDS, follow_redirects=False) as client,
            client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as answer,
        ):
            if answer.status_code >= 500:
                raise NetworkError(f"status {answer.status_code} for a file")
            if answer.status_code != 200 or "Content-Encoding" in answer.headers:
                raise BadRequest(f"status {answer.status_code} for a file")
            async for chunk in answer.aiter_raw():
                made += chunk
                if len(made) > limit:
                    raise TooLarge(f"a file of more than {limit:,} bytes")
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise NetworkError(f"a file did not come: {type(error).__name__}") from None
    return bytes(made)


class Calls:
    """Calls of a bot to its server; each chat gets its messages at the pace of the server."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._slots: dict[int, float] = {}  # chat id: when its next message may go

    def forget_past_slots(self) -> None:
        """Forget the chats that need not wait any more."""
        now = time.monotonic()
        self._slots = {chat: at for chat, at in self._slots.items() if at > now}

    async def __call__(
        self, method: Callable[..., Awaitable[_Result]], *args: Any, **kwargs: Any
    ) -> _Result:
        """Call the Bot API in its chat's turn; try again after faults."""
        chat, delay, tries = kwargs.get("chat_id", 0), 0.0, 0
        while True:
            now = time.monotonic()
            slot = max(now + delay, self._slots.get(chat, now))
            if chat:
                self._slots[chat] = slot + (CHAT_DELAY if chat > 0 else GROUP_DELAY)
            await asyncio.sleep(slot - now)
            try:
                return await method(*args, **kwargs)
            except TelegramError as error:
                tries += 1
                delay = getattr(error, "retry_after", max(RETRY_DELAY, 2 * delay))
                final = isinstance(error, (BadRequest, Forbidden, InvalidToken, TooLarge))
                if final or tries == TRIES or delay > LONGEST_DELAY:
                    raise
            except Exception as error:  # the library raises whatever comes
                kind = type(error).__name__
                raise TelegramError(f"an answer cannot be read: {kind}") from error

    async def file(self, file_id: str, limit: int, size: int = 0) -> bytes | None:
        """Fetch a file from the server; None if it is larger than the limit."""
        if size > limit:
            return None
        found = await self(self._bot.get_file, file_id)
        base = self._bot.base_file_url
        path = (found.file_path or "").removeprefix(f"{base}/")
        try:
            return await self(download, base, path, limit)
        except TooLarge:
            return None


def keep_from_logs(secret: str) -> None:
    """Remove a secret from all logs; quiet the libraries, which log addresses."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    for name, level in {
        "httpx": logging.WARNING,
        "httpcore": logging.WARNING,
        "telegram": logging.CRITICAL + 1,  # it raises what it logs, people's words included
    }.items():
        logging.getLogger(name).setLevel(level)
    make_record = logging.getLogRecordFactory()

    def make_clean_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make_record(*args, **kwargs)
        record.msg = logging.Formatter().format(record).replace(secret, "<BOT_TOKEN>")
        record.args = ()
        record.exc_info = record.exc_text = record.stack_info = None
        return record

    # A filter would miss the handlers that are added later.
    logging.setLogRecordFactory(make_clean_record)


def one_line(error: Exception) -> str:
    """Return the message of an error on one line; without one, the name of its class."""
    return " ".join(str(error).split())[:300] or type(error).__name__
