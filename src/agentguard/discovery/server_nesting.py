"""Role passes for server spans that stand beside or below others of the same request."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.partial import I64
from agentguard.discovery.span_state import SpanState, encloses, nearest_ancestor, nodes


def nest_beside_server_spans(s: SpanState) -> None:
    """Move spans below the server span of their service that stands beside them and encloses them.

    Where two SDKs in one process do not share a context, all spans of a called service hang on the
    caller's client span.
    """
    services = s.services()
    entering = np.flatnonzero((s.parent >= 0) & (services[s.parent] != services))
    doors = _servers_by_place(s, entering, services)
    for row in entering.tolist() if doors else ():
        beside = doors.get((int(s.parent[row]), int(services[row])), ())
        outer = [door for door in beside if _serves(s, door, row)]
        if outer:
            s.parent[row] = min(outer, key=lambda door: (int(s.start[door]), door))


def _serves(s: SpanState, door: int, row: int) -> bool:
    """Return whether the span is a part of the server span's request.

    Two server spans of one instrumentation are two requests, such as a retry.
    """
    if door == row or not encloses(s, door, row):
        return False
    again = s.classification(door).scope == s.classification(row).scope
    return s.role[row] != Role.SERVER or not (again or encloses(s, row, door))


def _servers_by_place(
    s: SpanState, entering: I64, services: I64
) -> dict[tuple[int, int], list[int]]:
    """Return the server spans by parent and service."""
    doors: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row in entering[s.role[entering] == Role.SERVER].tolist():
        doors[int(s.parent[row]), int(services[row])].append(row)
    return doors


def demote_inner_server_spans(s: SpanState) -> None:
    """Demote a server span directly below or beside another one of its service: one request."""
    services, serving = s.services(), s.role == Role.SERVER
    above = nearest_ancestor(s.parent, nodes(s))
    inner = np.flatnonzero(serving & (above >= 0))
    outer = above[inner]
    same = serving[outer] & (services[inner] == services[outer])
    np.logical_or.at(s.failed, outer[same], s.failed[inner[same]])
    s.role[inner[same]] = Role.STEP
