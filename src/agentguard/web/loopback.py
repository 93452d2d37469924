"""The loopback rule: which requests come from this machine and are meant for it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from starlette.types import Scope

from agentguard.kernel.addresses import parsed_address
from agentguard.web.headers import header_values, listed_values
from agentguard.web.pages import SAME_SITE, page_violation

_CLIENT_HEADERS = (
    b"x-forwarded-for",
    b"x-original-forwarded-for",
    b"x-vercel-forwarded-for",
    b"forwarded-for",
    b"x-real-ip",
    b"x-client-ip",
    b"x-cluster-client-ip",
    b"x-envoy-external-address",
    b"x-azure-clientip",
    b"x-appengine-user-ip",
    b"true-client-ip",
    b"cf-connecting-ip",
    b"cf-connecting-ipv6",
    b"fastly-client-ip",
    b"fly-client-ip",
)
"""Headers in which proxies name the client."""
_HOST_HEADERS = (b"x-forwarded-host", b"x-original-host", b"x-forwarded-server")
"""Headers in which proxies name the host that the client asked for."""
_MARKS = (
    b"via",
    b"cdn-loop",
    b"cf-ray",
    b"forwarded",
    b"x-forwarded",
    b"x-forwarded-proto",
    b"x-forwarded-port",
)
"""Headers by which a proxy shows that it forwarded the request, without naming the client."""
_FORWARDED_FOR = re.compile(r'for="?([^;,"]+)', re.IGNORECASE)  # RFC 7239
_FORWARDED_HOST = re.compile(r'host="?([^;,"]+)', re.IGNORECASE)
_AUTHORITY = re.compile(r"(?P<name>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
"""Host and port (RFC 3986 §3.2) with the characters that names and addresses have, no others."""
_ORIGIN = re.compile(rf"https?://{_AUTHORITY.pattern}")


def violation(scope: Scope, origins: frozenset[str]) -> str | None:
    """Return why a request breaks the rule, as a sentence; None if it keeps it.

    The peer, the Host header, the page that sends it (unless it is one of `origins`) and every
    forwarding header must name this machine. A forwarding header never makes a remote request
    local.
    """
    hosts = header_values(scope, b"host")
    if not _is_local_peer(scope):
        return "The client's address is not a loopback address."
    if len(hosts) > 1 or not all(_is_local_host(host) for host in hosts):
        return "The Host header does not name this machine."
    return page_violation(
        scope, origins, is_own=_is_local_origin, sites=SAME_SITE
    ) or _forwarding_violation(scope)


def stays_here(scope: Scope) -> bool:
    """Return whether a request of whatever page comes from this machine and is meant for it."""
    hosts = all(_is_local_host(host) for host in header_values(scope, b"host"))
    return _is_local_peer(scope) and hosts and _forwarding_violation(scope) is None


def is_local_name(name: str) -> bool:
    """Return whether a host name or an address, without a port, always means this machine."""
    plain = name.lower().removesuffix(".")
    return plain == "localhost" or plain.endswith(".localhost") or _is_loopback(plain)


def _forwarding_violation(scope: Scope) -> str | None:
    clients = listed_values(scope, _CLIENT_HEADERS) + _forwarded(scope, _FORWARDED_FOR)
    hosts = listed_values(scope, _HOST_HEADERS) + _forwarded(scope, _FORWARDED_HOST)
    if not all(_is_loopback(client) for client in clients):
        return "A forwarding header names a client that is not on this machine."
    if not all(_is_local_host(host) for host in hosts):
        return "A forwarding header names a host that is not this machine."
    if not clients and (hosts or any(header_values(scope, mark) for mark in _MARKS)):
        return "A proxy forwarded the request, but did not name the client."
    return None


def _forwarded(scope: Scope, parameter: re.Pattern[str]) -> list[str]:
    """Return what the Forwarded headers say for a parameter."""
    values = header_values(scope, b"forwarded")
    return [each.strip() for value in values for each in parameter.findall(value)]


def _is_local_peer(scope: Scope) -> bool:
    """Whether the peer has a loopback address or is the other end of a Unix socket."""
    client = scope.get("client")
    if client is not None:
        return _is_loopback(client[0])
    server: Iterable[object] | None = scope.get("server")
    return server is not None and tuple(server)[1] is None  # ASGI: a Unix socket is [path, None]


def _is_local_origin(origin: str) -> bool:
    found = _ORIGIN.fullmatch(origin)
    return found is not None and is_local_name(found["name"])


def _is_local_host(host: str) -> bool:
    """Whether a Host header (name or address, with or without a port) names this machine."""
    found = _AUTHORITY.fullmatch(host)
    return found is not None and is_local_name(found["name"])


def _is_loopback(address: str) -> bool:
    found = parsed_address(address.strip().strip("[]"))
    return found is not None and found.is_loopback
