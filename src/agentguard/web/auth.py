"""Who may ask: without a key only this machine, with a key whoever has it.

Pure ASGI, so it holds under any server.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from agentguard.web.problems import ProblemResponse

_OPEN_PATHS = frozenset({"/health", "/health/live", "/health/ready"})
_RELAYED = (b"x-forwarded-for", b"x-real-ip")
_FORWARDED_FOR = re.compile(r'for="?([^;,"]+)', re.IGNORECASE)  # RFC 7239


class LoopbackGuard:
    """Lets through only requests from this machine, to this machine's name, and from pages of this
    machine or of allowed origins.

    Forwarding headers never let anybody in; one that names a stranger keeps the request out.
    """

    def __init__(self, app: ASGIApp, *, origins: Sequence[str]) -> None:
        self._app, self._origins = app, frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or (reason := self._refusal(scope)) is None:
            await self._app(scope, receive, send)
            return
        detail = (
            f"{reason} Without AGENTGUARD_API_KEY, AgentGuard answers only its own machine; set a"
            " key to use it from elsewhere."
        )
        await _refuse(scope, receive, send, ProblemResponse(403, "not-local", detail))

    def _refusal(self, scope: Scope) -> str | None:
        if not _is_local_peer(scope):
            return "The request comes from another machine."
        if (
            not all(_is_local_host(host) for host in _values(scope, b"host"))
            or len(_values(scope, b"host")) > 1
        ):
            return "The request is for another host."
        if not all(self._is_allowed(origin) for origin in _values(scope, b"origin")):
            return "The request comes from a page of another origin."
        if not all(_is_loopback(hop) for hop in _hops(scope)):
            return "The request was passed on for another machine."
        return None

    def _is_allowed(self, origin: str) -> bool:
        return origin in self._origins or _is_local_origin(origin)


class KeyGuard:
    """Lets through only requests with the key, except for the health checks."""

    def __init__(self, app: ASGIApp, *, key: str) -> None:
        self._app, self._key = app, key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope.get("path") in _OPEN_PATHS or self._has_key(scope):
            await self._app(scope, receive, send)
            return
        detail = (
            "This needs the key that AGENTGUARD_API_KEY was set to. Send it as `Authorization:"
            " Bearer KEY`."
        )
        headers = {"WWW-Authenticate": 'Bearer realm="agentguard"'}
        await _refuse(
            scope, receive, send, ProblemResponse(401, "key-needed", detail, headers=headers)
        )

    def _has_key(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) != 1:
            return False
        scheme, _, token = given[0].partition(b" ")
        return hmac.compare_digest(token.strip(), self._key) and scheme.lower() == b"bearer"


async def _refuse(scope: Scope, receive: Receive, send: Send, response: ProblemResponse) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        await response(scope, receive, send)


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _hops(scope: Scope) -> list[str]:
    """Return the addresses that proxies say the request came from."""
    named = [hop for name in _RELAYED for value in _values(scope, name) for hop in value.split(",")]
    return named + [
        hop for value in _values(scope, b"forwarded") for hop in _FORWARDED_FOR.findall(value)
    ]


def _is_local_peer(scope: Scope) -> bool:
    """Whether the peer is on this machine.

    A loopback address, or the other end of a Unix socket.
    """
    client = scope.get("client")
    if client is not None:
        return _is_loopback(client[0])
    server: Iterable[object] | None = scope.get("server")
    return server is not None and tuple(server)[1] is None  # ASGI: a Unix socket is [path, None]


def _is_local_origin(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
        return (
            parts.scheme in ("http", "https")
            and parts.hostname is not None
            and _is_local_name(parts.hostname)
        )
    except ValueError:
        return False


def _is_local_host(host: str) -> bool:
    """Whether a Host header (name or address, port or none) means this machine."""
    if "@" in host or "/" in host:
        return False
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return False
    return parts.hostname is not None and _is_local_name(parts.hostname)


def _is_local_name(name: str) -> bool:
    plain = name.lower().removesuffix(".")
    return plain == "localhost" or plain.endswith(".localhost") or _is_loopback(plain)


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address.strip().strip("[]").partition("%")[0])
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback
