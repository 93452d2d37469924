"""Tools named with their MCP server: the parts, where other spans name the server."""

from __future__ import annotations

from collections.abc import Container, Iterator

import numpy as np

from agentguard.discovery.classification import Classification
from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import BETWEEN
from agentguard.discovery.partial import Proof
from agentguard.discovery.span_state import AssignedRole, SpanState

RULE = "named-with-server"
_CALLS = (Role.MCP_CLIENT, Role.MCP_SERVER)
_SERVERS = ("mcp.server.name", "fastmcp.server.name")


def split_server_tools(s: SpanState, known: Container[object]) -> None:
    """Turn tools whose names begin with that of an MCP server of the window into calls of it.

    `known` has the servers and, in pairs with them, their tools, see `mcp_parts`. After `_` or `-`,
    which are part of many names, the rest must be a tool of the server.
    """
    rows = s.rows(Role.TOOL)
    shapes = np.unique(s.classifications.shape[rows]).tolist()
    found = {n: _parts(s.classifications.by_shape[n], known) for n in shapes}
    split = [n for n, parts in found.items() if parts is not None]
    for row in rows[np.isin(s.classifications.shape[rows], split)].tolist():
        parts = found[int(s.classifications.shape[row])]
        if parts is None or row in s.assigned:
            continue
        s.role[row], s.server[row] = Role.MCP_CLIENT, parts[0]
        spelling = s.classification(row).spelling
        s.assigned[row] = AssignedRole(parts[1], RULE, Proof.ATTRIBUTE, spelling)


def mcp_parts(seen: Classification) -> Iterator[object]:
    """Yield the MCP server that a span names, and with it its tool, both as keys."""
    for server in filter(None, _servers(seen)):
        yield server.casefold()
        if seen.name and seen.role in _CALLS:
            yield server.casefold(), seen.name.casefold()


def _servers(seen: Classification) -> set[str | None]:
    servers = {value for key, value in seen.attributes if key in _SERVERS}
    if seen.role is Role.MCP_CLIENT:
        return {*servers, seen.server}
    return {*servers, seen.service} if seen.role is Role.MCP_SERVER else {*servers}


def _parts(tool: Classification, known: Container[object]) -> tuple[str, str] | None:
    name = tool.name or ""
    if tool.server:
        return None
    for at in (n for n, char in enumerate(name) if char in BETWEEN and n):
        server, rest = name[:at], name[at:].lstrip(BETWEEN)
        if rest and server.casefold() in known and _tells(name[at:], server, rest, known):
            return server, rest
    return None


def _tells(after: str, server: str, rest: str, known: Container[object]) -> bool:
    """Return whether the separator tells the parts, or the rest is a known tool of the server."""
    return after.startswith((".", "/", ":", "__")) or (server.casefold(), rest.casefold()) in known
