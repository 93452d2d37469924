"""Forwarding headers, believed from the proxies that the settings name and from nobody else."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TypeAlias

from starlette.types import ASGIApp, Receive, Scope, Send

from agentguard.kernel.addresses import parsed_address
from agentguard.web.headers import listed_values

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_FOR, _PROTO, _HOST = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"
_TAKEN = frozenset({_FOR, _PROTO, _HOST})


def networks_of(texts: Sequence[str]) -> tuple[Network, ...]:
    """Return addresses and networks (CIDR) as networks. Raises ValueError."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


class TrustedProxies:
    """ASGI middleware that replaces the client, scheme and host by those that proxies forward.

    The client is the last address in X-Forwarded-For that is no trusted proxy's: what stands before
    it the client could have written. Headers of others stay as they are, and make nobody local.
    """

    def __init__(self, app: ASGIApp, *, networks: Sequence[Network]) -> None:
        self._app, self._networks = app, networks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._is_trusted(_peer(scope)):
            scope = self._forwarded(scope)
        await self._app(scope, receive, send)

    def _forwarded(self, scope: Scope) -> Scope:
        clients = listed_values(scope, [_FOR])
        client = self._client(clients)
        if client is None:  # nothing that could be believed
            return scope
        headers = [(name, value) for name, value in scope["headers"] if name not in _TAKEN]
        if hosts := listed_values(scope, [_HOST]):
            others = [(name, value) for name, value in headers if name != b"host"]
            headers = [(b"host", hosts[-1].encode("latin-1")), *others]
        schemes = [each for each in listed_values(scope, [_PROTO]) if each in ("http", "https")]
        scheme = schemes[-1] if schemes else scope.get("scheme", "http")
        return {**scope, "client": (client, 0), "scheme": scheme, "headers": headers}

    def _client(self, clients: Sequence[str]) -> str | None:
        """Return the last address that is no trusted proxy's; None if one before it is none."""
        for address in reversed(clients):
            if parsed_address(address) is None:
                return None
            if not self._is_trusted(address):
                return address
        return clients[0] if clients else None

    def _is_trusted(self, address: str | None) -> bool:
        found = None if address is None else parsed_address(address)
        return found is not None and any(found in network for network in self._networks)


def _peer(scope: Scope) -> str | None:
    client = scope.get("client")
    return None if client is None else str(client[0])
