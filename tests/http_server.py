"""A web server on 127.0.0.1 that misbehaves on cue, and a clock that tests can rely on."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from conftest import PATIENCE


@dataclass
class Answer:
    """An answer to one request.

    Attributes
    ----------
    ranges : False ignores Range.
    blind : ignore If-Range.
    stop_after : bytes of the body after which the connection is dropped.
    length : the Content-Length to claim; "" for none.
    pause : seconds before each byte of the body.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    etag: str | None = None
    ranges: bool = True
    blind: bool = False
    stop_after: int | None = None
    length: int | str | None = None
    pause: float = 0.0


@dataclass
class Asked:
    """A request that came, and how many bytes of a body it got."""

    path: str
    headers: dict[str, str]
    when: float
    sent: int = 0
    done: threading.Event = field(default_factory=threading.Event)


class Site:
    """The answers of a server and the requests it got.

    `answers[path]` is a list that is used up in turn; its last answer stays.
    """

    def __init__(self, url: str = "") -> None:
        self.url = url
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[Asked] = []
        self.lock = threading.Lock()

    def put(self, path: str, *answers: Answer) -> None:
        self.answers[path] = list(answers)

    def requests(self, path: str) -> list[Asked]:
        """Return the requests for a path; wait until each is answered in full."""
        found = [asked for asked in self.asked if asked.path == path]
        assert all(asked.done.wait(PATIENCE) for asked in found)
        return found

    def sent(self, path: str) -> int:
        """Return how many bytes of bodies were written for a path."""
        return sum(asked.sent for asked in self.requests(path))

    def next_answer(self, path: str) -> Answer:
        queue = self.answers.get(path)
        if not queue:
            return Answer(b"not here", 404)
        return queue.pop(0) if len(queue) > 1 else queue[0]


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or each answer costs a delayed ACK of 40 ms

        def log_message(self, *args: object) -> None:
            """Print nothing: tests read `site.asked`."""

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):  # a client may leave at any time
                super().handle()

        def do_GET(self) -> None:
            asked = Asked(self.path, dict(self.headers), time.monotonic())
            with site.lock:
                site.asked.append(asked)
                answer = site.next_answer(self.path)
            try:
                self._give(answer, asked)
            finally:
                asked.done.set()

        def _give(self, answer: Answer, asked: Asked) -> None:
            status, body, headers = answer.status, answer.body, dict(answer.headers)
            if answer.etag:
                headers["ETag"] = answer.etag
            wanted = self.headers.get("Range", "")
            condition = self.headers.get("If-Range")
            fits = answer.blind or condition in (
                None,
                answer.etag,
                headers.get("Last-Modified"),
            )
            if status == 200 and answer.ranges and fits and wanted.startswith("bytes="):
                first = int(wanted[6:].rstrip("-"))
                if first >= len(body):
                    status, body = 416, b""
                    headers["Content-Range"] = f"bytes */{len(answer.body)}"
                else:
                    status, body = 206, body[first:]
                    end = len(answer.body)
                    headers["Content-Range"] = f"bytes {first}-{end - 1}/{end}"
            length = len(body) if answer.length is None else answer.length
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if length != "":
                self.send_header("Content-Length", str(length))
            self.end_headers()
            if answer.stop_after is not None:
                body = body[: answer.stop_after]
            for piece in (
                [body] if not answer.pause else [body[i : i + 1] for i in range(len(body))]
            ):
                time.sleep(answer.pause)
                self.wfile.write(piece)
                asked.sent += len(piece)
            if answer.stop_after is not None or answer.length is not None:
                self.close_connection = True

    return Handler


@contextlib.contextmanager
def serving() -> Iterator[Site]:
    """Serve a site on a free port until the end of the block."""
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(site))
    server.daemon_threads = True
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()


class Clock:
    """A stand-in for a client's `time` module: nothing is slept through, every sleep is noted.

    Parameters
    ----------
    frozen : sleeping does not move the clock; then each sleep is the time at which a request
        would start, in whatever order threads ask.
    """

    def __init__(self, frozen: bool = False) -> None:
        self.frozen = frozen
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        if not self.frozen:
            self.now += seconds
