"""Decides who may ask the page's server, and tells it which user asks.

Browsers may call the server by an allowed name only (against DNS rebinding).
Apart from opening the page, a request must come from the page itself (Fetch
Metadata; Origin where a browser does not send it). A user is a random cookie;
the profiles know only its SHA-256.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import secrets
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")
COOKIE_SECONDS = 365 * 24 * 3600
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


class AccessControl:
    """ASGI middleware that refuses foreign pages, finds the user, adds headers."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self.app = app
        self.hosts = {*LOOPBACK, *(host.lower() for host in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        cookie = _COOKIE.search(headers.get("cookie", ""))
        token = cookie[1] if cookie else secrets.token_hex(16)
        digest = hashlib.sha256(token.encode()).hexdigest()
        scope.setdefault("state", {}).update(user=f"web:{digest}", returned=bool(cookie))
        scheme = _scheme_in_browser(scope, headers)

        added = dict(_HEADERS)
        if scope["path"].startswith("/api/"):
            added["cache-control"] = "no-store"

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                new = [(name.encode(), value.encode()) for name, value in added.items()]
                message = {**message, "headers": [*message["headers"], *new]}
            await send(message)

        if problem := self._problem(scope, headers, scheme):
            refusal = PlainTextResponse(f"{problem}\n", 403)
            return await refusal(scope, receive, answer)

        # A GET sets no cookie: a link from elsewhere comes without the (strict)
        # cookie that the browser may well have, and a new one would replace it.
        if not cookie and scope["method"] == "POST":
            attributes = f"HttpOnly; SameSite=Strict; Path=/; Max-Age={COOKIE_SECONDS}"
            attributes += "; Secure" if scheme == "https" else ""
            added["set-cookie"] = f"e6graph={token}; {attributes}"
        return await self.app(scope, receive, answer)

    def _problem(self, scope: Scope, headers: Headers, scheme: str) -> str:
        """Say why a request is refused; "" if it is not."""
        host, site = headers.get("host", ""), headers.get("sec-fetch-site")
        if not self._is_own_name(host):
            return "this server does not go by that name"
        if scope["path"] == "/" or site in ("same-origin", "none"):
            return ""
        from_page = headers.get("origin") == f"{scheme}://{host}"
        if site is None and (scope["method"] != "POST" or from_page):
            return ""
        return "expected to be asked by the page itself"

    def _is_own_name(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            if name in self.hosts:
                return True
            ipaddress.ip_address(name)
        except ValueError:  # neither an allowed name nor an address
            return False
        return not self.hosts.isdisjoint({"0.0.0.0", "::"})  # noqa: S104 (compared, not bound)


def _scheme_in_browser(scope: Scope, headers: Headers) -> str:
    """Return "https" where the browser's end of the connection is encrypted.

    A reverse proxy that ends TLS says so (X-Forwarded-Proto; RFC 7239), and a browser
    does, in the Origin of a POST. Who says so without TLS gets a cookie that their
    browser will not send back, and harms nobody else.
    """
    said = headers.get("x-forwarded-proto", ""), headers.get("forwarded", "")
    forwarded = re.search(r"(^|,\s*)https\b", said[0], re.IGNORECASE)
    forwarded = forwarded or re.search(r'\bproto="?https\b', said[1], re.IGNORECASE)
    if forwarded or headers.get("origin", "").startswith("https://"):
        return "https"
    return str(scope["scheme"])
