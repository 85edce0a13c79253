"""The talk in a browser: one static page and a small JSON API, on this machine unless told so.

Starlette and uvicorn (7 packages, 5 MB installed), not Gradio 6.31 (54 packages, 341 MB): its page
of 64 files has 5 inline scripts, which a strict Content-Security-Policy forbids, names two outside
hosts, and has neither a box that completes tags nor keys for the ratings.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import socket
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ...errors import E6GraphError
from ...tags.categories import RATING_TAGS
from ..messages import CATEGORIES, COMMANDS, PICTURE_LIMIT, Picture, Reply, button, clean, title
from .guard import LOOPBACK, Guard

if TYPE_CHECKING:
    from ...recommend.board import PostInfo
    from ..sessions import Sessions

PAGE, NO_PREVIEW = Path(__file__).with_name("page"), "no-preview.svg"
FILES = {
    "index.html": "text/html",
    "page.css": "text/css",
    "page.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
MESSAGE_BYTES = 32 * 1024  # of JSON: a longest message with every character escaped
TOLD = {
    name: words for name, words in COMMANDS.items() if name not in ("picture", "start", "quit")
}
"""What /help and the completion tell of; for the others a page has its own ways."""
PREFIX = 100  # characters of a word to complete
BODY_SECONDS = 60  # for a body to arrive
LATEST = 24  # thumbnails of liked and of disliked posts
AT_ONCE, UPLOADS = 512, 8  # connections, more get a 503; pictures in memory, more wait
_SIGNATURES = {
    "image/jpeg": rb"\xff\xd8\xff",
    "image/png": rb"\x89PNG\r\n\x1a\n",
    "image/gif": rb"GIF8[79]a",
    "image/webp": rb"(?s:RIFF.{4}WEBP)",
}


def serve(sessions: Sessions, host: str = "127.0.0.1", port: int = 7860) -> None:
    """Serve the page until Ctrl-C; port 0 takes a free one.

    Raises
    ------
    E6GraphError : nothing can listen there.
    """
    server = _server(app(sessions, [host]))
    try:
        family, _, _, _, place = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server((place[0], port), family=family)
    except (OSError, OverflowError, UnicodeError) as error:
        raise E6GraphError(
            f"cannot listen on {host}, port {port} ({error}): expected a free port of this machine"
        ) from None
    with listening:
        shown = f"[{host}]" if ":" in host else host
        print(f"http://{shown}:{listening.getsockname()[1]}/  (Ctrl-C ends it)", flush=True)
        if host not in LOOPBACK:
            print(
                "Whoever reaches this address may use it, and nothing is encrypted.", flush=True
            )
        with suppress(KeyboardInterrupt):  # uvicorn hands it on once it has closed everything
            server.run(sockets=[listening])


def _server(application: Starlette) -> Any:
    """A uvicorn server: HTTP only, no access log, no word about itself."""
    options = dict(
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=3,
    )
    return uvicorn.Server(uvicorn.Config(application, limit_concurrency=AT_ONCE, **options))


def app(sessions: Sessions, hosts: Iterable[str] = ()) -> Starlette:
    """The page and its API over `sessions`.

    Parameters
    ----------
    hosts : names besides the loopback's by which browsers may call this server; 0.0.0.0 and ::
        allow every literal address (which cannot be pointed elsewhere, as a name can).
    """
    site = _Site(sessions)
    return Starlette(
        routes=[
            *(Route("/" if name == "index.html" else f"/{name}", site.file) for name in FILES),
            Route("/preview/{post_id}", site.preview),
            Route("/api/message", site.message, methods=["POST"]),
            Route("/api/picture", site.picture, methods=["POST"]),
            Route("/api/taste", site.taste),
            Route("/api/complete", site.complete),
            Route("/api/export", site.export),
        ],
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={HTTPException: site.refused},
    )


class _Site:
    """What is served."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions, self._uploads = sessions, asyncio.Semaphore(UPLOADS)
        self._files = {name: (PAGE / name).read_bytes() for name in (*FILES, NO_PREVIEW)}

    async def file(self, request: Request) -> Response:
        name = request.url.path[1:] or "index.html"
        return Response(self._files[name], 200, {"cache-control": "no-cache"}, FILES[name])

    async def message(self, request: Request) -> Response:
        body = await self._body(request, "application/json", MESSAGE_BYTES)
        text = None
        with suppress(ValueError, TypeError, KeyError, RecursionError):
            text = json.loads(body)["text"]
        if not isinstance(text, str):
            raise HTTPException(400, 'expected JSON such as {"text": "/help"}')
        return await self._talk(request, text)

    async def picture(self, request: Request) -> Response:
        async with self._uploads:
            data = await self._body(request, "image/", PICTURE_LIMIT)
            return await self._talk(request, Picture(data))

    async def taste(self, request: Request) -> Response:
        told = dataclasses.asdict(await self._ask(self._sessions.taste, request.state.user))
        for feeling in ("liked", "disliked"):
            latest = told[feeling][: -LATEST - 1 : -1]
            posts = await self._ask(lambda ids: [*map(self._sessions.visible, ids)], latest)
            told[feeling] = {
                "count": len(told[feeling]),
                "latest": [_card(p) for p in posts if p],
            }
        return self._json(told)

    async def complete(self, request: Request) -> Response:
        """[name, category, how many posts or what the command does], the best first."""
        prefix, found = request.query_params.get("q", "").strip()[:PREFIX], []
        if prefix.startswith("/"):
            found = [
                (f"/{name}", "command", what)
                for name, (_, what) in TOLD.items()
                if name.startswith(prefix[1:].lower())
            ]
        elif prefix:
            tags = await self._ask(self._sessions.complete, prefix)
            found = [(tag.name, tag.category, f"{tag.posts:,}") for tag in tags]
        return self._json(found)

    async def export(self, request: Request) -> Response:
        replies = await self._ask(self._sessions.reply, request.state.user, "/export")
        for name, data in (reply.document for reply in replies if reply.document):
            name = re.sub(r"[^A-Za-z0-9._-]", "_", name)
            headers = {"content-disposition": f'attachment; filename="{name}"'}
            return Response(data, 200, headers, "application/octet-stream")
        raise HTTPException(
            404, " ".join(reply.text for reply in replies) or "nothing to export"
        )

    async def preview(self, request: Request) -> Response:
        number = re.fullmatch("[0-9]{1,18}", request.path_params["post_id"])
        post = await self._ask(self._sessions.visible, int(number[0])) if number else None
        if post is None:
            raise HTTPException(404, "no such post, or it may not be shown here")
        data = await self._ask(self._sessions.thumbnail, post) or b""
        kinds = [kind for kind, signature in _SIGNATURES.items() if re.match(signature, data)]
        kept = {
            "cache-control": "private, max-age=600" if kinds else "no-cache"
        }  # it may come yet
        if not kinds:
            data, kinds = self._files[NO_PREVIEW], ["image/svg+xml"]
        return Response(data, 200, kept, kinds[0])

    async def refused(self, request: Request, error: Any) -> Response:
        return self._json({"error": error.detail}, error.status_code)

    async def _talk(self, request: Request, message: str | Picture) -> Response:
        replies = await self._ask(self._sessions.reply, request.state.user, message)
        return self._json({"replies": [_told(reply) for reply in replies]})

    async def _ask(self, call: Callable, *arguments: object) -> Any:
        """Call what blocks in a thread; what only the operator can mend is theirs to read."""
        try:
            return await run_in_threadpool(call, *arguments)
        except E6GraphError as error:
            print(f"web: {' '.join(clean(str(error)).split())}", file=sys.stderr, flush=True)
            raise HTTPException(503, "Something is wrong here: try again later.") from None

    async def _body(self, request: Request, kind: str, limit: int) -> bytes:
        """The body, read no further than the limit."""
        given = request.headers.get("content-type", "").lower()
        if not (given.startswith(kind) if kind.endswith("/") else given.split(";")[0] == kind):
            raise HTTPException(415, f"got content of type {given!r}, expected {kind}")
        body, size = bytearray(), int(request.headers.get("content-length", 0))
        try:
            async with asyncio.timeout(BODY_SECONDS):
                pieces = request.stream()
                while size <= limit and (piece := await anext(pieces, b"")):
                    body += piece
                    size = max(size, len(body))
        except (TimeoutError, ClientDisconnect):
            raise HTTPException(408, "the rest did not arrive: try again") from None
        if size > limit:
            raise HTTPException(413, f"too large: expected {limit / 2**20:.3g} MB at most")
        return bytes(body)

    def _json(self, value: object, status: int = 200) -> Response:
        return Response(json.dumps(value), status, media_type="application/json")


def _told(reply: Reply) -> dict[str, object]:
    """A reply as the page takes it."""
    return {
        "text": reply.text,
        "why": reply.why,
        "post": _card(reply.post) if reply.post is not None else None,
        "coming": reply.coming,
        "choices": [(choice, button(choice)) for choice in reply.choices],
        "document": reply.document[0] if reply.document else None,
        "ended": reply.ended,
    }


def _card(post: PostInfo) -> dict[str, object]:
    """A post with its telling tags: of each category the rarest."""
    tags = []
    for category, most in CATEGORIES.items():
        names = [name for name in post.tags.get(category, []) if name not in RATING_TAGS]
        tags += [(category, name) for name in names[::-1][:most]]
    url = post.url if re.match("https?://", post.url) else ""
    return {"id": int(post.post_id), "url": url, "title": title(post), "tags": tags}
