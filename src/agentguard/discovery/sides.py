"""Describes one side of a call between services from what its span records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agentguard.discovery.call_sides import Side
from agentguard.discovery.classification import Classification
from agentguard.discovery.dialects.loading import Role
from agentguard.ingest.spans import KIND_CONSUMER, KIND_PRODUCER, KIND_SERVER, id_digest

HTTP, RPC, MCP, MESSAGING = "http", "rpc", "mcp", "messaging"
_METHODS = ("http.request.method", "http.method")
_STATUSES = ("http.response.status_code", "http.status_code")
_PATHS = ("url.path", "http.target")
_QUEUES = ("messaging.destination.name", "messaging.destination")
_HOSTS = (("server.address", "server.port"), ("net.host.name", "net.host.port"))
_PEERS = (("server.address", "server.port"), ("net.peer.name", "net.peer.port"))
_URLS = ("url.full", "http.url", "http.host")
_SERVERS = ("mcp.server.name", "server.name", "fastmcp.server.name")
_DEFAULT_PORTS = (":80", ":443")
MESSAGE_IDS = ("messaging.message.id", "messaging.message_id")


def side(of: Classification, kind: int, *, outgoing: bool) -> Side:
    """Return the side of a call that the span of this shape is."""
    a = dict(of.attributes)
    protocol = _protocol(of, kind, a)
    return Side(
        outgoing,
        kind in (KIND_SERVER, KIND_CONSUMER),
        of.service,
        of.environment,
        protocol,
        _peers(protocol, a, outgoing=outgoing),
        _operation(of, protocol, a),
        _first(a, _PATHS) or "",
        _first(a, _STATUSES) or "",
        of.route or of.span_name,
    )


def message_digest(of: Classification) -> int:
    """Return the digest of the id of the message that both sides of its call record; 0: none."""
    message = _first(dict(of.attributes), MESSAGE_IDS)
    return id_digest(f"message {message}") if message else 0


def _protocol(of: Classification, kind: int, a: Mapping[str, str]) -> str:
    if "mcp.method.name" in a or of.role in (Role.MCP_CLIENT, Role.MCP_SERVER):
        return MCP
    if kind in (KIND_PRODUCER, KIND_CONSUMER) or of.role in (Role.PRODUCER, Role.CONSUMER):
        return MESSAGING
    if "rpc.system" in a or "rpc.system.name" in a or "rpc.service" in a:
        return RPC
    return HTTP if _first(a, _METHODS) else ""


def _operation(of: Classification, protocol: str, a: Mapping[str, str]) -> str:
    if protocol == MCP:
        return " ".join(filter(None, (a.get("mcp.method.name"), of.name)))
    if protocol == RPC:
        method = a.get("rpc.method", "")
        return f"{a['rpc.service']}/{method}" if "rpc.service" in a else method
    return (_first(a, _METHODS) or "") if protocol == HTTP else ""


def _peers(protocol: str, a: Mapping[str, str], *, outgoing: bool) -> tuple[str, ...]:
    """Return the names of the callee that this side records, in lower case."""
    if protocol == MESSAGING:
        return tuple(filter(None, [(_first(a, _QUEUES) or "").lower()]))
    hosts = [_with_port(a, pair) for pair in (_PEERS if outgoing else _HOSTS)]
    named = [a[key] for key in _URLS if key in a]
    own = [a[key] for key in (("peer.service",) if outgoing else ()) if key in a]
    servers = [a[key] for key in _SERVERS if key in a] if protocol == MCP else []
    every = (_plain(host) for host in (*hosts, *named, *own, *servers))
    return tuple(sorted({host for host in every if host}))


def _with_port(a: Mapping[str, str], pair: tuple[str, str]) -> str:
    address, port = a.get(pair[0], ""), a.get(pair[1], "")
    return f"{address}:{port}" if address and port and ":" not in address else address


def _plain(host: str) -> str:
    text = host.lower()
    return next((text.removesuffix(p) for p in _DEFAULT_PORTS if text.endswith(p)), text)


def _first(a: Mapping[str, str], keys: tuple[str, ...]) -> str | None:
    return next(_known(a, keys), None)


def _known(a: Mapping[str, str], keys: tuple[str, ...]) -> Iterator[str]:
    return (a[key] for key in keys if a.get(key))
