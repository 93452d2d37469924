"""The loopback rule: which requests come from this machine and are meant for it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.types import Scope

_FORWARDING_HEADERS = (b"x-forwarded-for", b"x-real-ip")
_FORWARDED_FOR = re.compile(r'for="?([^;,"]+)', re.IGNORECASE)  # RFC 7239


def violation(scope: Scope, origins: frozenset[str]) -> str | None:
    """Return why a request breaks the rule, as a sentence; None if it keeps it.

    The peer, the Host header, the Origin header (or one of `origins`) and every forwarding header
    must name this machine. A forwarding header never makes a remote request local.
    """
    hosts = header_values(scope, b"host")
    if not _is_local_peer(scope):
        return "The client's address is not a loopback address."
    if len(hosts) > 1 or not all(_is_local_host(host) for host in hosts):
        return "The Host header does not name this machine."
    if not all(each in origins or _is_local_origin(each) for each in _origins(scope)):
        return "The Origin header names a site that is not allowed."
    if not all(_is_loopback(hop) for hop in _forwarded_for(scope)):
        return "A forwarding header names a client that is not on this machine."
    return None


def header_values(scope: Scope, name: bytes) -> list[str]:
    """Return all values of a header, whose name is given in lower case."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _origins(scope: Scope) -> list[str]:
    return header_values(scope, b"origin")


def _forwarded_for(scope: Scope) -> list[str]:
    """Return the client addresses that proxies report."""
    lists = [value for name in _FORWARDING_HEADERS for value in header_values(scope, name)]
    named = [hop for value in lists for hop in value.split(",")]
    forwarded = header_values(scope, b"forwarded")
    return named + [hop for value in forwarded for hop in _FORWARDED_FOR.findall(value)]


def _is_local_peer(scope: Scope) -> bool:
    """Whether the peer has a loopback address or is the other end of a Unix socket."""
    client = scope.get("client")
    if client is not None:
        return _is_loopback(client[0])
    server: Iterable[object] | None = scope.get("server")
    return server is not None and tuple(server)[1] is None  # ASGI: a Unix socket is [path, None]


def _is_local_origin(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
        host = parts.hostname
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and host is not None and _is_local_name(host)


def _is_local_host(host: str) -> bool:
    """Whether a Host header (name or address, with or without a port) names this machine."""
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
