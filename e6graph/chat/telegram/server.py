"""What the Bot API server sends, read with care: one bad answer must not end the bot.

python-telegram-bot parses all updates of an answer or none, and reads a file from
this machine if its path exists here. So each update is tried first, and files are
fetched here.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any
from urllib.parse import quote

import httpx
from telegram import Update
from telegram.error import BadRequest, NetworkError, TelegramError
from telegram.request import HTTPXRequest

LAST_UPDATE = 2**31 - 1  # the server counts updates in 32 bits
FILE_SECONDS = 120.0  # for a whole file
READ_SECONDS = 20.0  # of silence
log = logging.getLogger(__name__)


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
        NetworkError : there are none among those sent, so that nothing moves on.
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
    path : of the file on the server, whatever is at that path on this machine.
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
