"""The talk in a browser: one static page and a small JSON API.

Starlette and uvicorn install 7 packages, Gradio 54; and Gradio's page has
inline scripts, which a strict Content-Security-Policy forbids, and asks outside
hosts.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import errno
import json
import re
import socket
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ...cli import ended_by_sigterm
from ...errors import E6GraphError
from ...pictures.reading import WAITING_PICTURES, WAITING_SLOW
from ...tags.categories import RATING_TAGS
from ..commands import COMMANDS, COSTLY, button, command_in, complete_command, is_list
from ..messages import (
    FAVORITES_BYTES,
    LIST_BYTES,
    PICTURE_LIMIT,
    TAGS_ON_CARD,
    Picture,
    Reply,
    TextFile,
    clean,
    title,
)
from .access import LOOPBACK, AccessControl
from .connections import IDLE_SECONDS, AnswerAtTheEnd, Server, limited
from .turns import Arriving, Share, Turns

if TYPE_CHECKING:
    from ...recommend import PostInfo
    from ..sessions import Sessions

PAGE = Path(__file__).with_name("page")
NO_PREVIEW = "no-preview.svg"
FILES = {
    "index.html": "text/html",
    "page.css": "text/css",
    "page.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
PAGE_COMMANDS = {
    name: COMMANDS[name] for name in COMMANDS if name not in ("picture", "start", "quit")
}
"""Commands that /help and the completion list; the page has buttons for the others."""

MESSAGE_BYTES = 32 * 1024  # of JSON: a longest message with every character escaped
LIST_MESSAGE_BYTES = 2 << 20  # of JSON: a message with a longest blacklist, likewise
PREFIX_LIMIT = 100  # characters of a word to complete
SWITCH_SECONDS = 0.0005  # that the event loop waits for a thread that computes; usually 5 ms
BODY_SECONDS = 60  # for a body to arrive
ARRIVING_BYTES = 8 * PICTURE_LIMIT  # of all bodies that are arriving
LATEST_POSTS = 24  # thumbnails of liked and of disliked posts
THREADS_FOR_PICTURES = WAITING_PICTURES + WAITING_SLOW + 4  # the reader refuses more
NEWCOMERS_SHARE = 0.2  # of a core, for all who have no cookie yet, as a flood has none
THREADS_FOR_ANSWERS = 3  # more would only make the event loop wait for them
PLACE_SECONDS = 1.0  # that an answer keeps its place among those; a slow one goes on without
THREADS_FOR_COSTLY = 2  # long lists, and users who were costly of late
THREADS_FOR_COMPLETION = 8
COSTLY_SECONDS = 1.0  # of processor time, for one answer
COSTLY_FOR = 600.0  # seconds that it is remembered
COSTLY_USERS = 1000  # that are remembered
_SIGNATURES = {
    "image/jpeg": rb"\xff\xd8\xff",
    "image/png": rb"\x89PNG\r\n\x1a\n",
    "image/gif": rb"GIF8[79]a",
    "image/webp": rb"(?s:RIFF.{4}WEBP)",
}
_Result = TypeVar("_Result")


def listen(host: str = "127.0.0.1", port: int = 7860) -> socket.socket:
    """Listen at an address; port 0 takes a free one.

    Raises
    ------
    E6GraphError : nothing can listen there.
    """
    try:
        family, _, _, _, place = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
        return socket.create_server((str(place[0]), port), family=family)
    except (OSError, OverflowError, UnicodeError) as error:
        problem = f"cannot listen on {host}, port {port}: {_reason(error, host)}"
        raise E6GraphError(problem) from None


def _reason(error: Exception, host: str) -> str:
    """Say in our words why nothing can listen at an address, and what to do."""
    no_address = f"{host!r} is not an address of this machine; give another --host"
    if isinstance(error, OverflowError):
        return "expected a port of 0 to 65535"
    if not isinstance(error, OSError) or isinstance(error, socket.gaierror):
        return no_address
    known = {
        errno.EADDRINUSE: "another program uses it; give another --port",
        errno.EACCES: "this user may not listen there; give a --port above 1023",
        errno.EADDRNOTAVAIL: no_address,
    }
    return known.get(error.errno or 0, str(error.strerror or error))


def serve(sessions: Sessions, listening: socket.socket, host: str) -> None:
    """Serve the page until Ctrl-C or SIGTERM.

    Parameters
    ----------
    host : by which name browsers call this server; see `make_app`.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    server = make_server(make_app(sessions, [host]))
    shown = f"[{host}]" if ":" in host else host
    print(f"http://{shown}:{listening.getsockname()[1]}/  (Ctrl-C ends it)", flush=True)
    if host not in LOOPBACK:
        print("Whoever reaches this address may use it, and nothing is encrypted.", flush=True)
    # uvicorn ends well at either signal and then raises it again, for the handler that
    # was there before: by default SIGTERM would end the process with the files open.
    with suppress(KeyboardInterrupt), ended_by_sigterm():
        server.run(sockets=[listening])


def make_server(app: Starlette) -> uvicorn.Server:
    """Make a server for HTTP alone, without an access log or a header that names it."""
    config = uvicorn.Config(
        app,
        http=limited(),
        timeout_keep_alive=IDLE_SECONDS,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=3,
    )
    return Server(config)


def make_app(sessions: Sessions, hosts: Iterable[str] = ()) -> Starlette:
    """Make the page and its API over `sessions`.

    Parameters
    ----------
    hosts : names besides the loopback's by which browsers may call this server;
        0.0.0.0 and :: allow every literal address (which cannot be pointed
        elsewhere, as a name can).
    """
    sessions.on_trust = False  # a cookie is easily made up
    site = _Site(sessions)
    return Starlette(
        routes=[
            *(Route("/" if name == "index.html" else f"/{name}", site.file) for name in FILES),
            Route("/preview/{post_id}", site.preview),
            Route("/api/message", site.message, methods=["POST"]),
            Route("/api/picture", site.picture, methods=["POST"]),
            Route("/api/blacklist", site.blacklist, methods=["POST"]),
            Route("/api/favorites", site.favorites, methods=["POST"]),
            Route("/api/taste", site.taste),
            Route("/api/complete", site.complete),
            Route("/api/export", site.export),
        ],
        middleware=[Middleware(AnswerAtTheEnd), Middleware(AccessControl, hosts=hosts)],
        exception_handlers={HTTPException: _refusal},
    )


class _Site:
    """The answers to each address."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._turns = Turns()
        self._arriving = Arriving(ARRIVING_BYTES)
        self._sending_picture: set[str] = set()  # users
        # Of starlette's 40 threads, so that the others go on.
        self._for_pictures = asyncio.Semaphore(THREADS_FOR_PICTURES)
        self._for_newcomers = Share(NEWCOMERS_SHARE)
        self._for_costly = asyncio.Semaphore(THREADS_FOR_COSTLY)
        self._for_completion = asyncio.Semaphore(THREADS_FOR_COMPLETION)
        self._for_answers = asyncio.Semaphore(THREADS_FOR_ANSWERS)
        self._costly: OrderedDict[str, float] = OrderedDict()  # user: when they last were
        self._files = {name: (PAGE / name).read_bytes() for name in (*FILES, NO_PREVIEW)}

    async def file(self, request: Request) -> Response:
        name = request.url.path[1:] or "index.html"
        return Response(self._files[name], 200, {"cache-control": "no-cache"}, FILES[name])

    async def message(self, request: Request) -> Response:
        body = await self._body(request, "application/json", LIST_MESSAGE_BYTES)
        text = None
        with suppress(ValueError, TypeError, KeyError, RecursionError):
            text = json.loads(body)["text"]
        if not isinstance(text, str):
            raise HTTPException(400, 'expected JSON such as {"text": "/help"}')
        if len(body) > MESSAGE_BYTES and not is_list(text):
            raise HTTPException(413, f"too large: expected {MESSAGE_BYTES >> 10} kB at most")
        return await self._talk(request, text)

    async def picture(self, request: Request) -> Response:
        user = request.state.user
        if user in self._sending_picture:
            raise HTTPException(429, "One picture at a time: wait for my answer.")
        self._sending_picture.add(user)
        try:
            data = await self._body(request, "image/", PICTURE_LIMIT)
            return await self._talk(request, Picture(data))
        finally:
            self._sending_picture.discard(user)

    async def blacklist(self, request: Request) -> Response:
        data = await self._body(request, "text/plain", LIST_BYTES)
        return await self._talk(request, TextFile(data))

    async def favorites(self, request: Request) -> Response:
        data = await self._body(request, "text/plain", FAVORITES_BYTES)
        return await self._talk(request, TextFile(data, kind="favorites"))

    async def taste(self, request: Request) -> Response:
        user = request.state.user
        async with self._turns.of(user):
            known = await self._ask_in(self._room_of(user), user, self._sessions.taste)
        taste = dataclasses.asdict(known)
        for feeling in ("liked", "disliked"):
            latest = taste[feeling][: -LATEST_POSTS - 1 : -1]
            posts = await _ask(lambda ids: [*map(self._sessions.visible, ids)], latest)
            taste[feeling] = {
                "count": len(taste[feeling]),
                "latest": [_card(post) for post in posts if post],
            }
        return _json_response(taste)

    async def complete(self, request: Request) -> Response:
        """Answer [name, category, number of posts or what it does], the best first."""
        prefix = request.query_params.get("q", "").strip()[:PREFIX_LIMIT]
        found: list[tuple[str, str, str]] = []
        if prefix.startswith("/"):
            commands = complete_command(PAGE_COMMANDS, prefix)
            found = [(name, "command", does) for name, does in commands]
        elif prefix:
            async with self._for_completion:
                tags = await _ask(self._sessions.complete, prefix)
            found = [(tag.name, tag.category, f"{tag.posts:,}") for tag in tags]
        return _json_response(found)

    async def export(self, request: Request) -> Response:
        replies = await self._replies(request, "/export")
        for name, data in (reply.document for reply in replies if reply.document):
            name = re.sub(r"[^A-Za-z0-9._-]", "_", name)
            headers = {"content-disposition": f'attachment; filename="{name}"'}
            return Response(data, 200, headers, "application/octet-stream")
        said = " ".join(reply.text for reply in replies)
        raise HTTPException(404, said or "nothing to export")

    async def preview(self, request: Request) -> Response:
        number = re.fullmatch("[0-9]{1,18}", request.path_params["post_id"])
        post = await _ask(self._sessions.visible, int(number[0])) if number else None
        if post is None:
            raise HTTPException(404, "no such post, or it may not be shown here")
        data = await _ask(self._sessions.thumbnail, post) or b""
        for kind, signature in _SIGNATURES.items():
            if re.match(signature, data):
                return Response(data, 200, {"cache-control": "private, max-age=600"}, kind)
        drawn = self._files[NO_PREVIEW]
        headers = {"cache-control": "no-cache"}  # the preview may still come
        return Response(drawn, 200, headers, "image/svg+xml")

    async def _talk(self, request: Request, message: str | Picture | TextFile) -> Response:
        replies = await self._replies(request, message)
        return _json_response({"replies": [_reply(reply) for reply in replies]})

    async def _replies(
        self, request: Request, message: str | Picture | TextFile
    ) -> list[Reply]:
        """Answer in the user's turn, which is waited for here and not in a thread."""
        user = request.state.user
        async with self._turns.of(user):
            room = self._room_of(user)
            if isinstance(message, Picture):
                room = self._for_pictures
            elif isinstance(message, TextFile) or is_list(message):  # a short one costs, too
                room = self._for_costly
            elif not request.state.returned:
                room = self._for_newcomers
            elif command_in(message) in COSTLY:
                room = self._for_costly
            return await self._ask_in(room, user, self._sessions.reply, message)

    def _room_of(self, user: str) -> AbstractAsyncContextManager[None]:
        """Return what a user's request waits for: a long list of theirs makes each slow."""
        costly_until = self._costly.get(user, -COSTLY_FOR) + COSTLY_FOR
        return self._for_costly if time.monotonic() < costly_until else self._for_answers

    async def _ask_in(
        self,
        room: AbstractAsyncContextManager[object],
        user: str,
        call: Callable[..., _Result],
        *arguments: object,
    ) -> _Result:
        """Do as `_ask_for` when there is room.

        A slow answer does not keep the quick ones waiting: it gives its place away.
        """
        seconds = PLACE_SECONDS if room is self._for_answers else None
        timed = _Timed(partial(call, user, *arguments))
        async with room:
            asked = asyncio.ensure_future(self._ask_for(user, timed))
            await asyncio.wait([asked], timeout=seconds)
            if isinstance(room, Share):
                room.rest_after(timed.seconds)
        return await asked

    async def _ask_for(self, user: str, timed: _Timed[_Result]) -> _Result:
        """Do as `_ask`, and remember a user whose answer took much processor time."""
        try:
            return await _ask(timed)
        finally:
            if timed.seconds > COSTLY_SECONDS:
                self._costly[user] = time.monotonic()
                self._costly.move_to_end(user)
                if len(self._costly) > COSTLY_USERS:
                    self._costly.popitem(last=False)

    async def _body(self, request: Request, kind: str, limit: int) -> bytes:
        """Read the body of a request, no further than the limit."""
        given = request.headers.get("content-type", "").lower()
        if not (given.startswith(kind) if kind.endswith("/") else given.split(";")[0] == kind):
            raise HTTPException(415, f"got content of type {given!r}, expected {kind}")
        pieces, arrived = [], 0
        size = int(request.headers.get("content-length", 0))
        try:
            async with (
                self._turns.place(request.state.user),  # and its turn takes it from here
                self._arriving.within(BODY_SECONDS) as deadline,
            ):
                stream = request.stream()
                while size <= limit and (piece := await anext(stream, b"")):
                    pieces.append(piece)
                    arrived += len(piece)
                    await self._arriving.grew(deadline, len(piece))
                    size = max(size, arrived)
        except (TimeoutError, ClientDisconnect):
            raise HTTPException(408, "the rest did not arrive: try again") from None
        if size > limit:
            raise HTTPException(413, f"too large: expected {limit / 2**20:.3g} MB at most")
        return b"".join(pieces)


class _Timed(Generic[_Result]):
    """A call that notes how much processor time it took, 0 until it ends."""

    def __init__(self, call: Callable[[], _Result]) -> None:
        self._call = call
        self.seconds = 0.0

    def __call__(self) -> _Result:
        began = time.thread_time()
        try:
            return self._call()
        finally:
            self.seconds = time.thread_time() - began


async def _refusal(request: Request, error: Any) -> Response:
    return _json_response({"error": error.detail}, error.status_code)


async def _ask(call: Callable[..., _Result], *arguments: object) -> _Result:
    """Call in a thread what would block; log what only the operator can mend."""
    try:
        return await run_in_threadpool(call, *arguments)
    except E6GraphError as error:
        print(f"web: {' '.join(clean(str(error)).split())}", file=sys.stderr, flush=True)
        raise HTTPException(503, "Something is wrong here: try again later.") from None


def _json_response(value: object, status: int = 200) -> Response:
    return Response(json.dumps(value), status, media_type="application/json")


def _reply(reply: Reply) -> dict[str, object]:
    """Turn a reply into what the page reads."""
    drawn = reply.document[1] if reply.document and reply.is_drawing else b""
    image = f"data:image/png;base64,{base64.b64encode(drawn).decode()}"
    return ({"image": image} if drawn else {}) | {
        "text": reply.text,
        "why": reply.why,
        "post": _card(reply.post) if reply.post is not None else None,
        "coming": reply.coming,
        "choices": [(choice, button(choice)) for choice in reply.choices],
        "document": reply.document[0] if reply.document else None,
        "ended": reply.ended,
    }


def _card(post: PostInfo) -> dict[str, object]:
    """Turn a post into what the page reads, with the rarest tags of each category."""
    tags = []
    for category, most in TAGS_ON_CARD.items():
        names = [name for name in post.tags.get(category, []) if name not in RATING_TAGS]
        tags += [(category, name) for name in names[::-1][:most]]
    url = post.url if re.match("https?://", post.url) else ""
    return {"id": int(post.post_id), "url": url, "title": title(post), "tags": tags}
