"""Span links between traces, as ends and starts for trace linking."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow.compute as pc

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.facts import Facts
from agentguard.discovery.ownership import Owners
from agentguard.discovery.partial import I64, LinkEnd, LinkStart
from agentguard.discovery.rows import Rows
from agentguard.discovery.span_state import SpanState
from agentguard.discovery.spantree import SpanTree


def span_links(
    s: SpanState, owned: Owners, rows: Rows, facts: Facts
) -> tuple[list[LinkEnd], list[LinkStart]]:
    """Return the linked spans of these traces, and their rows started by a link."""
    ends = (_link_end(s, owned, rows, row) for row in _linked_to(s.tree, facts))
    starts = [start for row in _linking(s).tolist() for start in _link_starts(s, owned, rows, row)]
    return [end for end in ends if end is not None], starts


def _link_end(s: SpanState, owned: Owners, rows: Rows, row: int) -> LinkEnd | None:
    holder = row if owned.holds[row] else int(owned.holder[row])
    if holder < 0 or rows.row_of[holder] < 0:
        return None
    via = f"queue:{s.name(row)}" if s.role[row] == Role.PRODUCER and s.name(row) else None
    trace = (int(s.tree.trace[row, 0]), int(s.tree.trace[row, 1]))
    return LinkEnd(trace, int(s.tree.span[row]), int(rows.row_of[holder]), via)


def _link_starts(s: SpanState, owned: Owners, rows: Rows, row: int) -> Iterator[LinkStart]:
    """Yield each run that a root span starts, once per link of the span to another trace."""
    messaging = bool(s.role[row] == Role.CONSUMER)
    started = [int(rows.row_of[span]) for span in _started_by(s, owned, row)]
    for link in s.tree.spans.column("links")[row].as_py():
        high, low, span = np.frombuffer(link, "<u8").tolist()
        for start in started:
            if start >= 0:
                yield LinkStart(start, (high, low), span, messaging)


def _started_by(s: SpanState, owned: Owners, row: int) -> list[int]:
    if s.role[row] == Role.WORKFLOW and row in s.assigned:
        return np.flatnonzero((owned.source == row) & (s.role == Role.AGENT)).tolist()
    own = row if s.parent[row] < 0 else int(s.parent[row])
    return [own, *np.flatnonzero(owned.pending == row).tolist()]


def _linked_to(tree: SpanTree, facts: Facts) -> list[int]:
    return np.flatnonzero(facts.are_link_targets(tree.span[: len(tree.spans)])).tolist()


def _linking(s: SpanState) -> I64:
    links = s.tree.spans.column("links")
    has = pc.fill_null(pc.greater(pc.list_value_length(links), 0), fill_value=False).to_numpy(
        zero_copy_only=False
    )
    roots = (s.parent < 0) & ~s.tree.orphan
    return np.flatnonzero(has & roots[: len(s.tree.spans)])
