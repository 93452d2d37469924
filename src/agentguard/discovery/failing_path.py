"""Where a trace failed: the path from its entry down to the first cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from agentguard.discovery.partial import I64, Mask


class TraceOutcome(StrEnum):
    """What became of a trace, as far as its spans are stored."""

    SUCCEEDED = "succeeded"
    """No span failed."""
    ABSORBED = "absorbed"
    """A span failed, and the entry succeeded."""
    PARTLY_FAILED = "partly_failed"
    """The entry succeeded, and another part without a stored parent failed."""
    FAILED = "failed"
    """The entry failed."""


@dataclass(frozen=True, slots=True)
class SpanOutcomes:
    """A tree of n spans with what failed in it."""

    parent: I64
    """(n,) row of the parent; -1: none. Without cycles."""
    orphan: Mask
    """(n,) whether a parent is missing, or was cut."""
    failed: Mask
    start: I64
    end: I64
    """(n,) ns; the start where it is unknown."""
    callee: I64
    """(n,) equal codes: attempts at the same call."""
    kind: I64
    """(n,) code of what kind of call it is; a later one of the same kind may be a fallback."""
    transparent: Mask
    """(n,) spans that only wrap others, and often record no status of their own."""


@dataclass(frozen=True, slots=True)
class FailingPath:
    """How a failure spread, from the top down to its first cause."""

    outcome: TraceOutcome
    rows: tuple[int, ...] = ()
    """From the span at the top to the first cause, by recorded parents; empty: nothing failed."""
    absorbed_by: int | None = None
    """The span that succeeded although a call below it failed."""


def failing_path(spans: SpanOutcomes) -> FailingPath:
    """Return the path from the entry to the first cause of its failure.

    The entry is the root that started first. Below a failed span the path continues with the call
    that failed first; attempts that a later one of the same callee or kind made good come last.
    Where the entry succeeded, the path leads to the cause of the failure that ended first.
    Takes time linear in the number of spans.
    """
    top = entry(spans)
    if top is None or not spans.failed.any():
        return FailingPath(TraceOutcome.SUCCEEDED)
    children = _children(spans)
    if spans.failed[top]:
        return FailingPath(TraceOutcome.FAILED, _above(spans, _cause(spans, children, top)))
    first = _first(spans, np.flatnonzero(spans.failed).tolist())
    failing, absorbing = _failing_top(spans, first)
    path = _above(spans, _cause(spans, children, failing))
    if absorbing is not None:
        return FailingPath(TraceOutcome.ABSORBED, path, absorbing)
    return FailingPath(TraceOutcome.PARTLY_FAILED, path)


def entry(spans: SpanOutcomes) -> int | None:
    """Return the root that started first, else the first span whose parent is missing."""
    tops = np.flatnonzero(spans.parent < 0)
    if not len(tops):
        return None
    order = np.lexsort((tops, spans.start[tops], spans.orphan[tops]))
    return int(tops[order[0]])


def _children(spans: SpanOutcomes) -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for row, above in enumerate(spans.parent.tolist()):
        if above >= 0:
            children.setdefault(above, []).append(row)
    return children


def _cause(spans: SpanOutcomes, children: dict[int, list[int]], top: int) -> int:
    """Return the first cause at or below a failed span."""
    row = top
    while (below := _failed_calls(spans, _calls(spans, children, row))) is not None:
        row = below
    return row


def _calls(spans: SpanOutcomes, children: dict[int, list[int]], row: int) -> list[int]:
    """Return the nearest spans below that failed or are no mere wrappers."""
    found, waiting = [], list(children.get(row, ()))
    while waiting:
        each = waiting.pop()
        if spans.failed[each] or not spans.transparent[each]:
            found.append(each)
        else:
            waiting += children.get(each, ())
    return found


def _failed_calls(spans: SpanOutcomes, calls: Sequence[int]) -> int | None:
    """Return the failed call that failed first, of those that nothing made good if there are."""
    failed = [row for row in calls if spans.failed[row]]
    if not failed:
        return None
    again: dict[tuple[int, int], int] = {}
    for row in calls:
        if not spans.failed[row]:
            for key in ((0, int(spans.callee[row])), (1, int(spans.kind[row]))):
                again[key] = max(again.get(key, 0), int(spans.start[row]))
    lasting = [row for row in failed if not _made_good(spans, row, again)]
    return _first(spans, lasting or failed)


def _made_good(spans: SpanOutcomes, row: int, again: dict[tuple[int, int], int]) -> bool:
    keys = ((0, int(spans.callee[row])), (1, int(spans.kind[row])))
    return any(again.get(key, -1) >= spans.end[row] for key in keys)


def _first(spans: SpanOutcomes, rows: Sequence[int]) -> int:
    return min(rows, key=lambda row: (int(spans.end[row]), int(spans.start[row]), row))


def _failing_top(spans: SpanOutcomes, row: int) -> tuple[int, int | None]:
    """Return the highest failed span of this chain, and the span that absorbed it."""
    top, above = row, int(spans.parent[row])
    while above >= 0:
        if spans.failed[above]:
            top = above
        elif not spans.transparent[above]:
            return top, above
        above = int(spans.parent[above])
    root = _above(spans, top)[0]
    return top, None if spans.failed[root] else root


def _above(spans: SpanOutcomes, row: int) -> tuple[int, ...]:
    """Return the span with all its ancestors, the highest first."""
    path = [row]
    while (above := int(spans.parent[path[-1]])) >= 0:
        path.append(above)
    return tuple(reversed(path))
