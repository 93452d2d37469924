"""One trace as a tree of spans: which of them are shown, and the failing path, as a document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from agentguard.discovery.failing_path import FailingPath, SpanOutcomes, entry, failing_path
from agentguard.graph.documents import Document
from agentguard.graph.evidence_links import TraceLinks
from agentguard.kernel.clock import milliseconds, timestamp

MOST_SPANS = 5_000
"""Spans of one answer, at most."""
USUAL_SPANS = 1_000
"""Spans of one answer where nothing else is asked for."""
_MOST_PATH = 100
"""Spans of the failing path; of a longer one the first and the last half."""

Describe = Callable[[int, int], Document]
"""Row and depth → the span's members; see SpanMembers in web.schemas.traces."""


@dataclass(frozen=True, slots=True)
class TraceView:
    """A trace whose n spans are described one by one."""

    trace_id: str
    origin: Document
    """Where it was found: `source`, `dataset`, `graph_version`."""
    outcomes: SpanOutcomes
    cut: frozenset[int]
    """Rows whose parents were cut, because they formed a cycle."""
    known_end: np.ndarray[tuple[int], np.dtype[np.bool_]]
    """(n,) whether the end is known."""
    describe: Describe
    duplicates: int = 0
    notes: Sequence[str] = ()


def trace_document(view: TraceView, limit: int, links: TraceLinks) -> Document:
    """Return the trace with at most `limit` spans: the failing path, then those nearest to the top.

    CPU-bound, linear in the number of spans.
    """
    spans, path = view.outcomes, failing_path(view.outcomes)
    depth, order = _walk(spans)
    shown_path = _without_middle(path.rows)
    chosen, on_path = _chosen(depth, spans.start, shown_path, limit), frozenset(path.rows)
    rows = [row for row in order if row in chosen]
    return {
        "trace_id": view.trace_id,
        "url": links.url(view.trace_id),
        **view.origin,
        **_summary(view, path, depth, links),
        "failing_path": [_span(view, row, int(depth[row]), links) for row in shown_path],
        "failing_path_length": len(path.rows),
        **_counts(view, len(rows)),
        "notes": [*view.notes, *_notes(view, len(depth), len(rows), limit)],
        "spans": [
            _span(view, row, int(depth[row]), links) | {"on_failing_path": row in on_path}
            for row in rows
        ],
    }


def _counts(view: TraceView, shown: int) -> Document:
    return {
        "spans_total": len(view.outcomes.parent),
        "spans_shown": shown,
        "duplicates": view.duplicates,
        "missing_parents": int(view.outcomes.orphan.sum()) - len(view.cut),
        "parent_cycles": len(view.cut),
    }


def _summary(
    view: TraceView,
    path: FailingPath,
    depth: np.ndarray[tuple[int], np.dtype[np.int64]],
    links: TraceLinks,
) -> Document:
    spans, top = view.outcomes, entry(view.outcomes)
    start, duration = _times(view)

    def span(row: int | None) -> Document | None:
        return None if row is None else _span(view, row, int(depth[row]), links)

    return {
        "outcome": path.outcome.value,
        "started_at": timestamp(start),
        "duration_ms": duration,
        "entry": span(top),
        "entry_is_root": top is not None and not bool(spans.orphan[top]),
        "failed_spans": int(spans.failed.sum()),
        "first_cause": span(path.rows[-1] if path.rows else None),
        "absorbed_by": span(path.absorbed_by),
    }


def _times(view: TraceView) -> tuple[int, float | None]:
    """Return when the trace starts (ns; 0: unknown), and how long it takes (ms)."""
    starts = view.outcomes.start[view.outcomes.start > 0]
    ends = view.outcomes.end[view.known_end]
    if not len(starts):
        return 0, None
    start = int(starts.min())
    return start, milliseconds(int(ends.max()) - start) if len(ends) else None


def _span(view: TraceView, row: int, depth: int, links: TraceLinks) -> Document:
    described = view.describe(row, depth)
    return {
        **described,
        "depth": depth,
        "parent": _parent(view, row),
        "url": links.url(view.trace_id, described["span_id"]),
    }


def _parent(view: TraceView, row: int) -> str:
    """Return what is known of the parent."""
    if row in view.cut:
        return "cut"
    if view.outcomes.orphan[row]:
        return "missing"
    return "none" if view.outcomes.parent[row] < 0 else "stored"


def _walk(spans: SpanOutcomes) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], list[int]]:
    """Return each span's depth, and all rows as a tree: parents first, siblings by start."""
    children: dict[int, list[int]] = {}
    parents = spans.parent.tolist()
    for row in np.lexsort((np.arange(len(parents)), spans.start)).tolist():
        children.setdefault(parents[row], []).append(row)
    depth, order = np.zeros(len(parents), np.int64), list[int]()
    waiting = [(row, 0) for row in reversed(children.get(-1, []))]
    while waiting:
        row, level = waiting.pop()
        depth[row] = level
        order.append(row)
        waiting += [(child, level + 1) for child in reversed(children.get(row, []))]
    return depth, order


def _without_middle(rows: Sequence[int]) -> Sequence[int]:
    half = _MOST_PATH // 2
    return rows if len(rows) <= _MOST_PATH else (*rows[:half], *rows[-half:])


def _chosen(
    depth: np.ndarray[tuple[int], np.dtype[np.int64]],
    start: np.ndarray[tuple[int], np.dtype[np.int64]],
    path: Sequence[int],
    limit: int,
) -> frozenset[int]:
    """Return the rows to show: each with all above it, except the middle of a long path."""
    first = frozenset(path[-limit:])
    nearest = np.lexsort((np.arange(len(depth)), start, depth))
    rest = [row for row in nearest[: limit + len(first)].tolist() if row not in first]
    return first | frozenset(rest[: limit - len(first)])


def _notes(view: TraceView, total: int, shown: int, limit: int) -> list[str]:
    notes = []
    missing = int(view.outcomes.orphan.sum()) - len(view.cut)
    if shown < total:
        notes.append(
            f"{shown:,} of {total:,} spans are shown: the failing path, then those nearest to the"
            f" entry. The limit is {limit:,}."
        )
    if missing:
        notes.append(
            f"The parents of {missing:,} span{'' if missing == 1 else 's'} are not stored; what"
            " called them is unknown here."
        )
    if view.cut:
        notes.append(
            f"The ancestors of {len(view.cut):,} span{'' if len(view.cut) == 1 else 's'} form a"
            " cycle, which was cut there."
        )
    if view.duplicates:
        notes.append(
            f"{view.duplicates:,} cop{'y' if view.duplicates == 1 else 'ies'} of spans with the"
            " same id count once."
        )
    return notes
