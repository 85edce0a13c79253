"""Who may ask the page's server, and as whom.

Browsers that call it by an allowed name (against DNS rebinding) and, but for opening the page, from
the page itself (Fetch Metadata; Origin where a browser does not send it).
A user is a random cookie; the profiles know only its SHA-256.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import secrets
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse

LOOPBACK = ("127.0.0.1", "localhost", "::1")
YEAR = 365 * 24 * 3600  # seconds
_COOKIE = re.compile(r"(?:^|; )e6graph=([0-9a-f]{32})(?=;|$)")
_HEADERS = {
    "content-security-policy": "default-src 'none'; img-src 'self' blob: data:; "
    "style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class Guard:
    """ASGI middleware: refuses foreign names and pages, knows the user, adds the headers."""

    def __init__(self, app: Callable, hosts: Iterable[str]) -> None:
        self.app, self.hosts = app, {*LOOPBACK, *(host.lower() for host in hosts)}

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        known = _COOKIE.search(headers.get("cookie", ""))
        token = known[1] if known else secrets.token_hex(16)
        user = hashlib.sha256(token.encode()).hexdigest()
        scope.setdefault("state", {})["user"] = f"web:{user}"
        added = dict(_HEADERS)
        if scope["path"].startswith("/api/"):
            added["cache-control"] = "no-store"

        async def answer(message: dict) -> None:
            if message["type"] == "http.response.start":
                new = [(name.encode(), value.encode()) for name, value in added.items()]
                message = {**message, "headers": [*message["headers"], *new]}
            await send(message)

        if problem := self._problem(scope, headers):
            refuse = PlainTextResponse(f"{problem}\n", 403)
            return await refuse(scope, receive, answer)
        if not known and scope["method"] == "POST":
            # not on GET: a link from elsewhere comes without the (strict) cookie that may be there
            kept = f"HttpOnly; SameSite=Strict; Path=/; Max-Age={YEAR}"
            added["set-cookie"] = f"e6graph={token}; {kept}"
        return await self.app(scope, receive, answer)

    def _problem(self, scope: dict, headers: dict[str, str]) -> str:
        """Why a request is refused, "" where it is not."""
        host, site = headers.get("host", ""), headers.get("sec-fetch-site")
        if not self._allowed(host):
            return "this server does not go by that name"
        if scope["path"] == "/" or site in ("same-origin", "none"):
            return ""
        asked_by_page = headers.get("origin") == f"{scope['scheme']}://{host}"
        if site is None and (scope["method"] != "POST" or asked_by_page):
            return ""
        return "expected to be asked by the page itself"

    def _allowed(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            if name in self.hosts:
                return True
            ipaddress.ip_address(name)
        except ValueError:  # neither an allowed name nor an address
            return False
        return not self.hosts.isdisjoint({"0.0.0.0", "::"})  # noqa: S104 (compared, not bound)
