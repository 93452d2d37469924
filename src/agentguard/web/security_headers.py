"""Response headers that tell browsers what pages may not do with responses."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "frame-ancestors 'none'; base-uri 'none'; object-src 'none'",
}
"""WHATWG Fetch and Referrer Policy; Content Security Policy Level 3. A route may set stricter ones.
"""


class SecurityHeaders:
    """ASGI middleware that adds the headers to every response, errors included.

    `hsts_seconds`: over TLS, browsers then use TLS only for so long (RFC 6797); 0: not told.
    """

    def __init__(self, app: ASGIApp, *, hsts_seconds: int) -> None:
        self._app, self._hsts_seconds = app, hsts_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers(scope).items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _headers(self, scope: Scope) -> dict[str, str]:
        if not self._hsts_seconds or scope.get("scheme") != "https":
            return ALWAYS
        return ALWAYS | {"Strict-Transport-Security": f"max-age={self._hsts_seconds}"}
