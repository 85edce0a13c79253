"""Fetch which posts somebody marked as favorites on the site: page by page, politely.

`GET /users/NAME.json` gives the person's number, and
`GET /favorites.json?user_id=ID&limit=320&page=N` their favorites, the newest first. A
page may be empty between two that are not, where the site filters them after it has
cut them, and the limit may be ignored. So it goes on until as many came as the person
has, or several pages in a row bring nothing new.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from ..errors import BadInput, DownloadError, E6GraphError
from ..store.files import write_atomic
from .client import Client, check_address, make_user_agent

DOWNLOADS = Path("db_export")  # where pages are kept until the last one came
PAGE_POSTS = 320  # the site gives no more
MOST_PAGES = 750  # the site counts no further
EMPTY_PAGES = 5  # in a row that end the list
RESUMED_WITHIN = 3600.0  # seconds; later, pages hold other posts than they did
PAGE_LIMIT = 16 << 20  # bytes of a page; a post has about 3 kB
USER_LIMIT = 1 << 20  # bytes

Progress = Callable[[int, int | None], None]
"""(favorites so far, number of all if the site says it)."""


class Stopped(E6GraphError):
    """A fetch that was told to end; its pages are kept for the next one."""


class Dropped(Stopped):
    """A fetch that nobody wants any more; its pages are removed."""


def fetch_favorites(
    name: str,
    site: str,
    into: str | Path = DOWNLOADS,
    user_agent: str | None = None,
    client: Client | None = None,
    own: bool = False,
    progress: Progress = lambda so_far, of: None,
) -> list[int]:
    """Fetch the ids of somebody's favorites, the newest first.

    Pages that came are kept in `into/favorites`, and are not asked for again when the
    run was broken off. They are removed when the list is whole, or an hour old.

    Parameters
    ----------
    name : the person's name on the site.
    site : its address, as `https://host`.
    user_agent : see `make_user_agent`; None takes it from the environment.
    client : with another pace or patience.
    own : whether E6GRAPH_LOGIN and E6GRAPH_API_KEY may be sent, where the name is that
        of E6GRAPH_LOGIN. The site then shows favorites that are hidden from others, so
        they are for whoever set them alone.
    progress : called after each page; what it raises ends the fetch.

    Raises
    ------
    BadInput : no contact, no site, or no such person; or they show no favorites.
    DownloadError : the site does not answer, or not as it should.
    """
    name = check_name(name)
    if not site:
        raise BadInput("this board has no site to fetch favorites from: give them as a file")
    check_address(site)
    client = client or Client(make_user_agent(user_agent))
    reader = _Reader(client, site.rstrip("/"), credentials(name, site) if own else {})
    user, total = reader.user(name)

    kept = Path(into) / "favorites"
    _remove_old(kept)
    host = re.sub(r"[^\w.-]", "_", urlsplit(site).netloc)
    pages = kept / f"{host}-{user}{'-own' if reader.headers else ''}"
    found: dict[int, None] = {}
    idle = 0
    try:
        for number in range(1, MOST_PAGES + 1):
            path = pages / f"{number:03}.json"
            post_ids = _read_page(path)
            if post_ids is None:
                post_ids = reader.page(name, user, number)
                _keep_page(path, post_ids)
            before = len(found)
            found |= dict.fromkeys(post_ids)
            idle = 0 if len(found) > before else idle + 1
            progress(len(found), total)
            if idle == EMPTY_PAGES or (total and len(found) >= total):
                break
    except Dropped:
        shutil.rmtree(pages, ignore_errors=True)
        raise
    shutil.rmtree(pages, ignore_errors=True)
    if not found:
        raise BadInput(_no_favorites(name))
    return [*found]


def check_name(name: str) -> str:
    """Return a name without spaces around it. Raises BadInput where it cannot be one."""
    name = name.strip()
    if not 1 <= len(name) <= 100 or re.search(r"[\s/?#%\\\x00-\x1f\x7f\ud800-\udfff]", name):
        raise BadInput(f"got {name[:100]!r}, expected the name of somebody on the site")
    if name in (".", ".."):
        raise BadInput(f"got {name!r}, expected the name of somebody on the site")
    return name


def credentials(name: str, site: str) -> dict[str, str]:
    """Return the header that shows one's own hidden favorites; none for anybody else's.

    Raises
    ------
    BadInput : the key would be sent unencrypted to another machine.
    """
    login = os.environ.get("E6GRAPH_LOGIN", "").strip()
    key = os.environ.get("E6GRAPH_API_KEY", "").strip()
    if not (login and key) or login.lower() != name.lower():
        return {}
    parts = urlsplit(site)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise BadInput(f"E6GRAPH_API_KEY is not sent to {site}: expected an https address")
    told = base64.b64encode(os.fsencode(f"{login}:{key}")).decode()
    return {"Authorization": f"Basic {told}"}


class _Reader:
    """Reads what the site says about favorites."""

    def __init__(self, client: Client, site: str, headers: dict[str, str]) -> None:
        self._client, self._site, self.headers = client, site, headers

    def user(self, name: str) -> tuple[int, int | None]:
        """Return somebody's number, and how many favorites they have if the site says it."""
        status, told = self._read(f"/users/{quote(name)}.json", USER_LIMIT)
        if status == 404:
            raise BadInput(f"the site knows nobody called {name}: check the name")
        self._check(status, name)
        about = told if isinstance(told, dict) else {}
        number = _number(about.get("id"))
        if number is None:
            raise DownloadError(f"{self._site}: what it says about {name} has no id")
        return number, _number(about.get("favorite_count"))

    def page(self, name: str, user: int, number: int) -> list[int]:
        """Return the post ids of one page of favorites."""
        query = f"user_id={user}&limit={PAGE_POSTS}&page={number}"
        status, told = self._read(f"/favorites.json?{query}", PAGE_LIMIT)
        self._check(status, name)
        posts = told.get("posts") if isinstance(told, dict) else told
        if not isinstance(posts, list):
            raise DownloadError(f"{self._site}: page {number} of favorites holds no posts")
        ids = [_number(post.get("id")) if isinstance(post, dict) else None for post in posts]
        return [post_id for post_id in ids if post_id is not None]

    def _read(self, path: str, limit: int) -> tuple[int, Any]:
        page = self._client.read(f"{self._site}{path}", limit, self.headers)
        if page.status != 200:
            return page.status, None
        try:
            return 200, json.loads(page.body)
        except (ValueError, RecursionError):
            raise DownloadError(f"{self._site}{path}: the answer is not JSON") from None

    def _check(self, status: int, name: str) -> None:
        if status == 401:
            who = (
                "refuses E6GRAPH_LOGIN with E6GRAPH_API_KEY"
                if self.headers
                else "wants a login"
            )
            raise BadInput(f"the site {who}")
        if status in (403, 404):
            raise BadInput(_no_favorites(name))
        if status != 200:
            raise DownloadError(f"{self._site}: status {status}: try again later")


def _no_favorites(name: str) -> str:
    return (
        f"{name} shows no favorites: they have none, or hide them. Your own hidden ones come "
        "with E6GRAPH_LOGIN and E6GRAPH_API_KEY, or as a file"
    )


def _number(value: object) -> int | None:
    """Return a number of a post or a person, or of how many there are; None for all else."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**18:
        return value
    return None


# -- pages that are kept until the list is whole
def _read_page(path: Path) -> list[int] | None:
    try:
        post_ids = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    whole = isinstance(post_ids, list) and None not in map(_number, post_ids)
    return post_ids if whole else None


def _keep_page(path: Path, post_ids: list[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):  # another run ended with the same list meanwhile
        write_atomic(path, json.dumps(post_ids).encode())


def _remove_old(kept: Path) -> None:
    """Remove lists that were broken off long ago."""
    for pages in kept.iterdir() if kept.is_dir() else ():
        since = time.time() - RESUMED_WITHIN
        times = [file.stat().st_mtime for file in pages.glob("*.json")]
        if min(times, default=since) < since:
            shutil.rmtree(pages, ignore_errors=True)
