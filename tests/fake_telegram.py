"""A Bot API server on 127.0.0.1: real JSON in and out, the real limits, faults on cue.

Source of names, limits and error texts: https://core.telegram.org/bots/api
"""

from __future__ import annotations

import contextlib
import email.parser
import email.policy
import json
import re
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote

TOKEN = "123456789:AAH-planted_secret_of_the_tests0123"
BOT = {"id": 123456789, "is_bot": True, "first_name": "Demo", "username": "demo_fox_bot"}
ME = {
    **BOT,
    "can_join_groups": True,
    "can_read_all_group_messages": False,
    "supports_inline_queries": False,
}
GROUP = -1001234567890
FILE_LIMIT = 20 * 1024**2


@dataclass
class Fault:
    """Instead of an answer: an HTTP status and body, or a dropped connection (status 0).

    handled: the call takes effect all the same, and only its answer is lost.
    """

    status: int = 0
    body: bytes = b""
    handled: bool = False
    headers: dict[str, str] = field(default_factory=dict)


def refusal(code: int, description: str, **parameters: Any) -> Fault:
    """The JSON with which the real server refuses."""
    told = {"ok": False, "error_code": code, "description": description}
    return Fault(
        code, json.dumps(told | ({"parameters": parameters} if parameters else {})).encode()
    )


def flood(seconds: int) -> Fault:
    return refusal(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)


HTML = Fault(502, b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>")


@dataclass
class Call:
    """A method that was called; `sent` is the message that it made."""

    method: str
    params: dict[str, Any]
    files: dict[str, bytes]
    when: float
    sent: dict[str, Any] | None = None

    @property
    def chat(self) -> int:
        return int(self.params["chat_id"])

    @property
    def text(self) -> str:
        return self.params.get("text", self.params.get("caption", ""))

    @property
    def buttons(self) -> dict[str, str]:
        """data -> label, in the order shown."""
        rows = self.params.get("reply_markup", {}).get("inline_keyboard", [])
        return {key["callback_data"]: key["text"] for row in rows for key in row}


@dataclass
class FakeTelegram:
    """`faults[method]` are used up in turn; `blocked` are users who will not hear the bot."""

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    faults: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    blocked: set[int] = field(default_factory=set)
    updates: list[dict] = field(default_factory=list)
    confirmed: list[dict] = field(default_factory=list)
    repeat: int = 0  # confirmed updates that come again with the next ones
    files: dict[str, bytes] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)  # of files that are elsewhere
    asked: list[str] = field(default_factory=list)  # paths of files that were asked for
    endless: set[str] = field(default_factory=set)  # files without an end
    streamed: int = 0  # bytes of those
    polls: int = 0
    closed: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)
    ids: Iterator[int] = field(default_factory=lambda: iter(range(1000, 10**6)))

    # -- what people do --------------------------------------------------------------------------
    def say(self, user: int, text: str, chat: int | None = None, **more: Any) -> dict:
        """A message of a user, in private or in a chat."""
        entities = [
            {
                "type": "bot_command" if found[0][0] == "/" else "mention",
                "offset": len(text[: found.start()].encode("utf-16-le")) // 2,
                "length": len(found[0]),
            }
            for found in re.finditer(r"/\w+(?:@\w+)?|(?<!\w)@\w+", text)
        ]
        return self.message(user, chat, **{"text": text, "entities": entities} | more)

    def message(
        self, user: int, chat: int | None = None, kind: str = "message", **more
    ) -> dict:
        who = {"id": user, "is_bot": False, "first_name": f"User {user}", "language_code": "en"}
        told = {
            "message_id": next(self.ids),
            "date": int(time.time()),
            "from": who,
            "chat": self.chat(chat or user),
        }
        return self.put({kind: told | more})[kind]

    def photo(self, user: int, *sizes: bytes, **more: Any) -> dict:
        """A photo in several sizes, as the server makes of each."""
        return self.message(
            user,
            photo=[
                {**self.keep(data), "width": 90 * n, "height": 60 * n}
                for n, data in enumerate(sizes, 1)
            ],
            **more,
        )

    def document(self, user: int, data: bytes, mime: str, **more: Any) -> dict:
        file = {**self.keep(data), "file_name": "it", "mime_type": mime}
        caption = {"caption": more.pop("caption")} if "caption" in more else {}
        return self.message(user, document=file | more, **caption)

    def press(self, user: int, call: Call, data: str) -> None:
        """A button under a message of the bot."""
        assert data in call.buttons
        self.put(
            {
                "callback_query": {
                    "id": str(next(self.ids)),
                    "from": {"id": user, "is_bot": False, "first_name": "U"},
                    "message": call.sent,
                    "chat_instance": "1",
                    "data": data,
                }
            }
        )

    def put(self, update: dict) -> dict:
        with self.changed:
            self.updates.append({"update_id": next(self.ids), **update})
            self.changed.notify_all()
        return update

    def keep(self, data: bytes) -> dict:
        name = f"file{next(self.ids)}"
        self.files[name] = data
        return {"file_id": name, "file_unique_id": name, "file_size": len(data)}

    @staticmethod
    def chat(chat: int) -> dict:
        if chat < 0:
            return {"id": chat, "type": "supergroup", "title": "Foxes"}
        return {"id": chat, "type": "private", "first_name": f"User {chat}"}

    # -- what the tests look at ------------------------------------------------------------------
    def sent(self, chat: int | None = None) -> list[Call]:
        """Messages that arrived, in order."""
        with self.changed:
            return [call for call in self.calls if call.sent and chat in (None, call.chat)]

    def wait(self, number: int, chat: int | None = None, seconds: float = 60.0) -> list[Call]:
        """Messages, once so many have arrived."""
        self.until(lambda: len(self.sent(chat)) >= number, seconds)
        return self.sent(chat)

    def until(self, happened, seconds: float = 60.0) -> None:
        with self.changed:
            assert self.changed.wait_for(happened, seconds), [
                (call.method, call.text[:200]) for call in self.calls[-12:]
            ]

    def called(self, method: str) -> list[Call]:
        with self.changed:
            return [call for call in self.calls if call.method == method]

    # -- what the server does --------------------------------------------------------------------
    def answer(self, call: Call) -> Any:
        """The result of a call, or a Fault."""
        with self.changed:
            self.calls.append(call)
            fault = self.faults[call.method].popleft() if self.faults[call.method] else None
            result = None
            if fault is None or fault.handled:
                do = getattr(self, f"do_{call.method}", None)
                result = do(call) if do else refusal(404, "Not Found: method not found")
            self.changed.notify_all()
            return fault or result

    def do_getMe(self, call: Call) -> dict:
        return ME

    def do_deleteWebhook(self, call: Call) -> bool:
        return True

    def do_answerCallbackQuery(self, call: Call) -> Any:
        long = len(call.params.get("text", "")) > 200
        return refusal(400, "Bad Request: MESSAGE_TOO_LONG") if long else True

    def do_setMyCommands(self, call: Call) -> Any:
        for told in call.params["commands"]:
            if not re.fullmatch("[a-z0-9_]{1,32}", told["command"]):
                return refusal(400, "Bad Request: BOT_COMMAND_INVALID")
            if not 1 <= len(told["description"]) <= 256:
                return refusal(400, "Bad Request: BOT_COMMAND_DESCRIPTION_INVALID")
        return True

    def do_getUpdates(self, call: Call) -> Any:
        offset, self.polls = int(call.params.get("offset", 0)), self.polls + 1
        mine = self.polls
        self.confirmed += [one for one in self.updates if one["update_id"] < offset]
        self.updates = [one for one in self.updates if one["update_id"] >= offset]
        self.changed.notify_all()

        def over() -> bool:
            return bool(self.updates or self.closed or self.polls != mine)

        self.changed.wait_for(over, float(call.params.get("timeout", 0)))
        if self.polls != mine:
            return refusal(
                409,
                "Conflict: terminated by other getUpdates request; make sure that "
                "only one bot instance is running",
            )
        again = self.confirmed[-self.repeat :] if self.updates and self.repeat else []
        self.repeat = 0 if again else self.repeat
        return [*again, *self.updates][: int(call.params.get("limit", 100))]

    def do_sendMessage(self, call: Call) -> Any:
        return self.send(call, call.params.get("text", ""), 4096, "text")

    def do_sendPhoto(self, call: Call) -> Any:
        if not call.files["photo"].startswith((b"\xff\xd8", b"\x89PNG", b"RIFF")):
            return refusal(400, "Bad Request: IMAGE_PROCESS_FAILED")
        size = {**self.keep(b""), "width": 150, "height": 150}
        return self.send(call, call.params.get("caption", ""), 1024, "caption", photo=[size])

    def do_sendDocument(self, call: Call) -> Any:
        file = self.keep(call.files["document"])
        return self.send(call, call.params.get("caption", ""), 1024, "caption", document=file)

    def send(self, call: Call, text: str, limit: int, kind: str, **more: Any) -> Any:
        if call.chat in self.blocked:
            return refusal(403, "Forbidden: bot was blocked by the user")
        if len(text.encode("utf-16-le")) > 2 * limit:
            return refusal(400, f"Bad Request: message {kind} is too long")
        if kind == "text" and not text.strip():
            return refusal(400, "Bad Request: message text is empty")
        keys = call.params.get("reply_markup", {"inline_keyboard": [[]]})["inline_keyboard"]
        for key in (key for row in keys for key in row):
            if not 1 <= len(key["callback_data"].encode()) <= 64 or not key["text"]:
                return refusal(400, "Bad Request: BUTTON_DATA_INVALID")
        call.sent = {
            "message_id": next(self.ids),
            "date": int(time.time()),
            "from": BOT,
            "chat": self.chat(call.chat),
            kind: text,
            **more,
        }
        return call.sent

    def do_getFile(self, call: Call) -> Any:
        name = call.params["file_id"]
        if len(self.files[name]) > FILE_LIMIT:
            return refusal(400, "Bad Request: file is too big")
        return {
            "file_id": name,
            "file_unique_id": name,
            "file_size": len(self.files[name]),
            "file_path": self.paths.get(name, f"photos/{name}.jpg"),
        }


def _handler(server: FakeTelegram) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or each answer costs a delayed ACK of 40 ms

        def log_message(self, *args: object) -> None:
            """Tests read `server.calls` instead."""

        def do_GET(self) -> None:
            found = re.fullmatch(rf"/file/bot{TOKEN}/photos/(\w+)\.jpg", unquote(self.path))
            with server.changed:
                server.asked.append(unquote(self.path))
                fault = server.faults["file"].popleft() if server.faults["file"] else None
            result = fault or (Fault(200, server.files[found[1]]) if found else Fault(404))
            if found and found[1] in server.endless:
                self.stream()
            else:
                self.give(result)

        def stream(self) -> None:
            """Send bytes until the client leaves, with no word of how many there are."""
            self.close_connection = True
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while server.streamed < 10**9:
                    self.wfile.write(bytes(1 << 16))
                    server.streamed += 1 << 16

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            _, bot, method = self.path.rsplit("/", 2)
            if bot != f"bot{TOKEN}":
                malformed = ":" not in bot
                self.give(
                    refusal(404, "Not Found") if malformed else refusal(401, "Unauthorized")
                )
                return
            params, files = _read(self.headers.get("Content-Type", ""), body)
            self.give(server.answer(Call(method, params, files, time.monotonic())))

        def give(self, result: Any) -> None:
            if not isinstance(result, Fault):
                result = Fault(200, json.dumps({"ok": True, "result": result}).encode())
            self.close_connection = self.close_connection or not result.status
            if not result.status:
                return
            self.send_response(result.status)
            for name, value in result.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(result.body)))
            self.end_headers()
            self.wfile.write(result.body)

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads, block_on_close = True, False

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client may leave
            super().handle_error(request, client_address)


def _read(kind: str, body: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Parameters, JSON decoded where it is, and files of a form."""
    files: dict[str, bytes] = {}
    if kind.startswith("multipart/form-data"):
        head = f"Content-Type: {kind}\r\n\r\n".encode()
        parsed = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        fields = {}
        for part in parsed.iter_parts():
            name = part.get_param("name", header="content-disposition")
            data = part.get_payload(decode=True)
            if part.get_filename():
                files[name] = data
                fields[f"{name}_name"] = part.get_filename()
            else:
                fields[name] = data.decode()
    else:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
    for name in {
        "reply_markup",
        "commands",
        "allowed_updates",
        "reply_parameters",
        "link_preview_options",
    } & fields.keys():
        fields[name] = json.loads(fields[name])
    return fields, files


@contextlib.contextmanager
def serving() -> Iterator[FakeTelegram]:
    """A server of its own port, gone at the end."""
    fake = FakeTelegram()
    server = _Server(("127.0.0.1", 0), _handler(fake))
    fake.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield fake
    finally:
        with fake.changed:
            fake.closed = True
            fake.changed.notify_all()
        server.shutdown()
        server.server_close()
