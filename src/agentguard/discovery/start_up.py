"""Database calls that prepare a service and are no part of a run: schema creation, migrations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from agentguard.discovery.classification import Classification, Classifications
from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.facts import Facts
from agentguard.discovery.housekeeping import is_housekeeping
from agentguard.discovery.partial import I64, Mask
from agentguard.discovery.span_state import TRANSPARENT, SpanState, nearest_ancestor
from agentguard.kernel.patterns import Pattern

_SERVED = (Role.SERVER, Role.CONSUMER, Role.AGENT, Role.WORKFLOW, Role.MCP_SERVER)
_CALLS = (Role.DATASTORE, Role.CLIENT)
"""What a database call may contain."""
_LONGEST_START = 10 * 60 * 10**9
"""Nanoseconds between a service's first database call and the first request that it serves."""


def first_served(
    found: Classifications, start: I64, housekeeping: tuple[Pattern, ...]
) -> dict[str, int]:
    """Return, by service, when its first request or agent run started, except health checks."""
    by_shape = found.by_shape
    serves = [r.role in _SERVED and not is_housekeeping(r, housekeeping) for r in by_shape]
    first: dict[str, int] = {}
    for service, time in _times(found, start, np.array(serves, np.bool_)[found.shape]):
        first[service] = min(time, first.get(service, time))
    return first


def lone_calls(found: Classifications, start: I64, root: Mask) -> dict[str, tuple[int, int]]:
    """Return, by service, when its first and last database call without a parent started."""
    calls = np.array([r.role is Role.DATASTORE for r in found.by_shape], np.bool_)
    lone: dict[str, tuple[int, int]] = {}
    for service, time in _times(found, start, calls[found.shape] & root):
        first, last = lone.get(service, (time, time))
        lone[service] = min(first, time), max(last, time)
    return lone


def starting(served: Mapping[str, int], lone: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    """Yield the services that make database calls without a parent only before they first serve."""
    for service, (first, last) in lone.items():
        if last < served.get(service, 0) <= first + _LONGEST_START:
            yield service


def _times(found: Classifications, start: I64, rows: Mask) -> Iterator[tuple[str, int]]:
    """Yield service, and first and last start, of each shape among these rows."""
    shapes, start = found.shape[rows], start[rows]
    order = np.lexsort((start, shapes))
    changes = np.flatnonzero(np.diff(shapes[order]))
    for at in {0, *changes.tolist(), *(changes + 1).tolist(), len(order) - 1} if len(order) else ():
        yield found.by_shape[int(shapes[order[at]])].service, int(start[order[at]])


def demote_start_up_calls(s: SpanState, facts: Facts, names: Iterable[Pattern]) -> None:
    """Make database calls that prepare their service steps, and note them.

    They have no parent and their trace does no other work. Their service serves requests, and they
    are schema changes or the like by name, or all such calls of the service precede what it serves.
    """
    rows = np.flatnonzero((s.role == Role.DATASTORE) & (s.parent < 0) & ~s.tree.orphan)
    if not len(rows):
        return
    above = nearest_ancestor(s.parent, s.parent < 0)
    busy = np.unique(above[(above >= 0) & ~np.isin(s.role, (*TRANSPARENT, *_CALLS))])
    patterns = tuple(names)
    rows = rows[~np.isin(rows, busy)]
    shapes, inverse = np.unique(s.classifications.shape[rows], return_inverse=True)
    prepares = [_prepares(s.classifications.by_shape[n], facts, patterns) for n in shapes.tolist()]
    s.start_up = rows[np.array(prepares, np.bool_)[inverse]]
    s.role[s.start_up] = Role.STEP


def _prepares(call: Classification, facts: Facts, names: tuple[Pattern, ...]) -> bool:
    if call.service not in facts.serving:
        return False
    return any(p.found(call.span_name) for p in names) or call.service in facts.starting
