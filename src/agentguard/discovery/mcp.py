"""Role passes for the Model Context Protocol: pairs client and server spans, removes wrappers."""

from __future__ import annotations

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import normalized
from agentguard.discovery.partial import Proof
from agentguard.discovery.span_state import (
    TRANSPARENT,
    AssignedRole,
    SpanState,
    nearest_ancestor,
    nodes,
)


def pair_mcp_spans(s: SpanState) -> None:
    """Merge each MCP server span into its client span; spans in between are transport.

    The server span provides the names of the server and the tool.
    """
    _demote_outer_clients(s)
    for row in s.rows(Role.MCP_SERVER).tolist():
        between, above = [], int(s.parent[row])
        while above >= 0 and s.role[above] in (*TRANSPARENT, Role.CLIENT, Role.SERVER):
            between.append(above)
            above = int(s.parent[above])
        if above >= 0 and s.role[above] == Role.MCP_CLIENT and above not in s.server:
            s.role[between] = Role.STEP
            _merge(s, row, above)
        else:
            s.server[row] = s.classification(row).service
    for row in s.rows(Role.MCP_CLIENT).tolist():
        server = s.classification(row).server
        if row not in s.server and server:
            s.server[row] = server


def _merge(s: SpanState, server: int, client: int) -> None:
    """Make the server span a part of the client span, with the server's names and its failure."""
    s.role[server] = Role.STEP
    s.merged_servers.add(server)
    s.failed[client] |= s.failed[server]
    s.server[client] = s.classification(server).service
    s.assigned[client] = AssignedRole(
        s.name(server) or s.name(client), s.classification(server).rule, Proof.ATTRIBUTE
    )


def _demote_outer_clients(s: SpanState) -> None:
    """Demote the outer of two nested client spans of one call, recorded by a client library."""
    calls = s.rows(Role.MCP_CLIENT)
    above = nearest_ancestor(s.parent, nodes(s))
    for row in sorted(calls[above[calls] >= 0].tolist(), key=lambda row: -int(s.start[row])):
        outer = int(above[row])
        if s.role[outer] == Role.MCP_CLIENT and normalized(s.name(outer) or "") == normalized(
            s.name(row) or s.name(outer) or ""
        ):
            s.role[outer] = Role.STEP
            s.failed[row] |= s.failed[outer]


def demote_mcp_wrappers(s: SpanState) -> None:
    """Demote a framework's tool span around the MCP call of the same tool.

    The MCP call has the server's name.
    """
    calls = s.rows(Role.MCP_CLIENT, Role.MCP_SERVER)
    above = nearest_ancestor(s.parent, nodes(s))
    for row in calls[above[calls] >= 0].tolist():
        wrapper = int(above[row])
        if s.role[wrapper] == Role.TOOL and normalized(s.name(wrapper) or "") == normalized(
            s.name(row) or "-"
        ):
            s.role[wrapper] = Role.STEP
            s.failed[row] |= s.failed[wrapper]
