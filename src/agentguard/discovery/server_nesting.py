"""Role passes for server spans that stand beside or below others of the same request."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict

import numpy as np

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.partial import I64
from agentguard.discovery.span_state import SpanState, by_time, encloses, nearest_ancestor, nodes

_MOST_CONCURRENT = 64
"""Server spans below one client span among which the enclosing one is searched."""


def nest_beside_server_spans(s: SpanState) -> None:
    """Move spans below the server span of their service that stands beside them and encloses them.

    Where two SDKs in one process do not share a context, all spans of a called service hang on the
    caller's client span.
    """
    services = s.services()
    entering = np.flatnonzero((s.parent >= 0) & (services[s.parent] != services))
    servers = _servers_by_place(s, entering, services)
    for row in entering.tolist() if servers else ():
        beside = servers.get((int(s.parent[row]), int(services[row])), ())
        started = bisect_right(beside, s.start[row], key=lambda server: s.start[server])
        recent = beside[max(started - _MOST_CONCURRENT, 0) : started]
        outer = next((server for server in recent if _serves(s, server, row)), None)
        if outer is not None:
            s.parent[row] = outer


def _serves(s: SpanState, server: int, row: int) -> bool:
    """Return whether the span is a part of the server span's request.

    Two server spans of one instrumentation are two requests, such as a retry.
    """
    if server == row or not encloses(s, server, row):
        return False
    again = s.classification(server).scope == s.classification(row).scope
    return s.role[row] != Role.SERVER or not (again or encloses(s, row, server))


def _servers_by_place(
    s: SpanState, entering: I64, services: I64
) -> dict[tuple[int, int], list[int]]:
    """Return the server spans by parent and service, in order of start."""
    servers: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row in by_time(s, entering[s.role[entering] == Role.SERVER]):
        servers[int(s.parent[row]), int(services[row])].append(row)
    return servers


def demote_inner_server_spans(s: SpanState) -> None:
    """Demote a server span directly below or beside another one of its service: one request."""
    services, serving = s.services(), s.role == Role.SERVER
    above = nearest_ancestor(s.parent, nodes(s))
    inner = np.flatnonzero(serving & (above >= 0))
    outer = above[inner]
    same = serving[outer] & (services[inner] == services[outer])
    np.logical_or.at(s.failed, outer[same], s.failed[inner[same]])
    s.role[inner[same]] = Role.STEP
