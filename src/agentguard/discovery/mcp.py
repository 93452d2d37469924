"""Calls of the Model Context Protocol: the halves paired, the wrappers taken off."""

from __future__ import annotations

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import folded
from agentguard.discovery.partial import Proof
from agentguard.discovery.span_state import PLAIN, Given, SpanState, nearest, nodes


def pair_mcp(s: SpanState) -> None:
    """The server half of an MCP call names the server and the tool.

    What lies between the halves is transport.
    """
    _unwrap_clients(s)
    for row in s.rows(Role.MCP_SERVER).tolist():
        between, above = [], int(s.parent[row])
        while above >= 0 and s.role[above] in (*PLAIN, Role.CLIENT, Role.SERVER):
            between.append(above)
            above = int(s.parent[above])
        if above >= 0 and s.role[above] == Role.MCP_CLIENT and above not in s.server:
            s.role[between] = Role.STEP
            s.role[row] = Role.STEP
            s.failed[above] |= s.failed[row]
            s.server[above] = s.reading(row).service
            s.given[above] = Given(
                s.name(row) or s.name(above), s.reading(row).rule, Proof.ATTRIBUTE
            )
        else:
            s.server[row] = s.reading(row).service
    for row in s.rows(Role.MCP_CLIENT).tolist():
        told = s.reading(row).server
        if row not in s.server and told:
            s.server[row] = told


def _unwrap_clients(s: SpanState) -> None:
    """Two client halves of one call, a client library's around the protocol's own.

    The inner one stands next to the server.
    """
    calls = s.rows(Role.MCP_CLIENT)
    above = nearest(s.parent, nodes(s))
    for row in sorted(calls[above[calls] >= 0].tolist(), key=lambda row: -int(s.start[row])):
        outer = int(above[row])
        if s.role[outer] == Role.MCP_CLIENT and folded(s.name(outer) or "") == folded(
            s.name(row) or s.name(outer) or ""
        ):
            s.role[outer] = Role.STEP
            s.failed[row] |= s.failed[outer]


def unwrap_tools(s: SpanState) -> None:
    """A framework's tool span around the MCP call of the same tool is a wrapper.

    The MCP call knows the server.
    """
    calls = s.rows(Role.MCP_CLIENT, Role.MCP_SERVER)
    above = nearest(s.parent, nodes(s))
    for row in calls[above[calls] >= 0].tolist():
        wrapper = int(above[row])
        if s.role[wrapper] == Role.TOOL and folded(s.name(wrapper) or "") == folded(
            s.name(row) or "-"
        ):
            s.role[wrapper] = Role.STEP
            s.failed[row] |= s.failed[wrapper]
