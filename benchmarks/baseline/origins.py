"""Callers for services that make calls but have no server span, found by loops.

See agentguard.discovery.missing_server_spans.
"""

from __future__ import annotations

from dataclasses import replace

from agentguard.discovery.dialects.loading import Role
from benchmarks.baseline.trace import Node, Trace

CALLS = (Role.CLIENT, Role.DATASTORE, Role.PRODUCER)
DOORS = (Role.SERVER, Role.CONSUMER)
HOLDERS = (
    Role.AGENT,
    Role.DELEGATION,
    Role.TOOL,
    Role.MCP_CLIENT,
    Role.MCP_SERVER,
    Role.SERVER,
    Role.CONSUMER,
    Role.WORKFLOW,
)


def find_origins(trace: Trace, halves: list[Node]) -> None:
    """Add a caller above calls that no span of their service contains.

    `halves`: the client spans that were paired.
    """
    entered = [
        node.parent
        for node in trace.of(*DOORS)
        if node.parent and node.parent.classification.service != node.classification.service
    ]
    tops = {
        top for node in (*trace.of(*CALLS), *entered, *halves) if (top := _unheld(node)) is not None
    }
    for top in sorted(tops, key=lambda node: node.row):
        if top.role is Role.NONE:
            top.role = Role.SERVER
        else:
            trace.nodes.append(_stand_in(top, len(trace.nodes)))


def _unheld(node: Node) -> Node | None:
    """Return the uppermost ancestor in this service, or None if one below it can be a caller."""
    while node.role not in HOLDERS:
        above = node.parent
        if above is None or above.classification.service != node.classification.service:
            return node
        node = above
    return None


def _stand_in(top: Node, row: int) -> Node:
    classification = replace(top.classification, role=Role.SERVER, name=None)
    failed = top.failed and top.parent is None
    node = Node(
        top.span,
        classification,
        Role.SERVER,
        row,
        failed,
        top.start,
        top.start,
        0,
        0,
        parent=top.parent,
        orphan=top.orphan,
    )
    node.stands_in = True
    top.parent = node
    return node
