"""Finds a trace among the stored spans, and describes each of its spans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from agentguard.discovery.classification import Classifier
from agentguard.discovery.dialects.conditions import KIND_NAMES
from agentguard.discovery.dialects.loading import Dialects, Role
from agentguard.discovery.explanation import Caller, DiscoveredTrace, discovered
from agentguard.discovery.failing_path import SpanOutcomes
from agentguard.discovery.prescan import prescan
from agentguard.discovery.span_state import TRANSPARENT
from agentguard.graph.documents import Document
from agentguard.graph.evidence_links import TraceLinks
from agentguard.graph.storage.store import LIVE
from agentguard.ingest.spans import SPAN_SCHEMA
from agentguard.kernel.clock import milliseconds, timestamp
from agentguard.scan.explaining import WantedTrace, identity_document
from agentguard.scan.trace_view import TraceView, trace_document
from agentguard.traces.store import SpanSource

MOST_READ = 200_000
"""Spans of a trace that are read; discovery of more would take too long for one answer."""
_MORE = (
    f"The trace has more than {MOST_READ:,} spans; the others were not read, so parents may be"
    " missing and the failing path may be longer."
)


def stored_trace(
    dialects: Dialects, sources: Sequence[SpanSource], trace_id: str, limit: int, links: TraceLinks
) -> Document | None:
    """Return the document of a trace among these sources; None: no span of it is there.

    Reads the ids of all stored spans, and the other columns only where the trace is. CPU-bound.
    """
    spans, more = _read(sources, WantedTrace(trace_id))
    if not len(spans):
        return None
    return trace_document(span_view(dialects, spans, more=more), limit, links)


def span_view(dialects: Dialects, spans: pa.Table, *, more: bool = False) -> TraceView:
    """Return the view of a trace's spans (SPAN_SCHEMA); `more`: not all were read."""
    classifier = Classifier(dialects)
    found = discovered(spans, dialects, classifier, prescan(spans, classifier))
    return _SpanDescriptions(found).view(more=more)


def _read(sources: Sequence[SpanSource], wanted: WantedTrace) -> tuple[pa.Table, bool]:
    """Return the spans of the trace, and whether there are more than are read."""
    found, number = [SPAN_SCHEMA.empty_table()], 0
    for source in sources:
        for table in source.tables(wanted.lower_half):
            if number >= MOST_READ and len(table):
                return pa.concat_tables(found), True
            found.append(wanted.of(table)[: MOST_READ - number])
            number += len(found[-1])
    return pa.concat_tables(found), False


class _SpanDescriptions:
    """Describes the spans of a discovered trace."""

    def __init__(self, found: DiscoveredTrace) -> None:
        self._found, self._spans = found, found.tree.spans
        self._labels = self._written_ids()

    def view(self, *, more: bool) -> TraceView:
        tree = self._found.tree
        start, end = (self._spans.column(name).to_numpy() for name in ("start", "end"))
        roles = self._found.roles
        outcomes = SpanOutcomes(
            tree.parent,
            tree.orphan,
            self._found.failed,
            start,
            np.maximum(start, end),
            _codes(self._spans, "name"),
            roles.astype(np.int64),
            np.isin(roles, TRANSPARENT),
        )
        return TraceView(
            self._trace_id(),
            {"source": "spans", "dataset": LIVE, "graph_version": None},
            outcomes,
            frozenset(tree.parent_cycles.tolist()),
            end > 0,
            self.describe,
            tree.duplicates,
            (_MORE,) if more else (),
        )

    def describe(self, row: int, depth: int) -> Document:
        """Return the members of a span."""
        explained, tree = self._found.span(row, depth), self._found.tree
        parent_id = self._value("parent_id", row)
        start, end = self._value("start", row), self._value("end", row)
        return {
            "span_id": self._id(row),
            "parent_id": self._parent_id(int(tree.parent[row]), parent_id),
            "name": self._value("name", row),
            "kind": KIND_NAMES[self._value("kind", row)],
            "service": orjson.loads(self._value("resource", row)).get("service.name"),
            "start": timestamp(start),
            "duration_ms": milliseconds(end - start) if end else None,
            "failed": bool(self._found.failed[row]),
            "role": None if explained.role is Role.NONE else explained.role.name.lower(),
            "component": explained.component and identity_document(explained.component),
            "owner": explained.caller and self._owner(explained.caller),
        }

    def _owner(self, caller: Caller) -> Document:
        return {
            "span_id": self._labels.get(caller.span_id, caller.span_id),
            "component": identity_document(caller.component),
            "type": caller.type,
            "via": caller.via,
            "why": caller.why,
        }

    def _value(self, column: str, row: int) -> Any:
        return self._spans.column(column)[row].as_py()

    def _trace_id(self) -> str:
        return str(self._value("trace_label", 0) or self._value("trace_id", 0).hex())

    def _id(self, row: int) -> str:
        return str(self._value("span_label", row) or self._value("span_id", row).hex())

    def _parent_id(self, parent: int, recorded: bytes) -> str | None:
        if parent >= 0:
            return self._id(parent)
        return recorded.hex() if any(recorded) else None

    def _written_ids(self) -> dict[str, str]:
        """Return, of spans whose ids are not hex, the id as stored → as written."""
        rows = np.flatnonzero(self._spans.column("span_label").is_valid().to_numpy())
        return {
            self._value("span_id", row).hex(): self._value("span_label", row)
            for row in rows.tolist()
        }


def _codes(spans: pa.Table, column: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    array = spans.column(column).combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    codes: np.ndarray[tuple[int], np.dtype[np.int64]] = array.indices.to_numpy().astype(np.int64)
    return codes
