"""A trace among the recorded runs of a graph version: its calls, where its spans are not stored."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from agentguard.discovery.failing_path import SpanOutcomes
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.documents import Document
from agentguard.graph.model import Component, Graph
from agentguard.graph.selection import SelectedGraph
from agentguard.kernel.clock import milliseconds, timestamp
from agentguard.scan.trace_view import TraceView

_NOTE = (
    "The spans of this trace are not stored. These are its calls among the recorded runs of graph"
    " version {version}; spans that are no calls are not in it."
)


def recorded_view(selected: SelectedGraph, calls: pa.Table) -> TraceView:
    """Return the view of one trace's calls (CALL_SCHEMA), at least one.

    Parents are rows of this table; -2: the caller's invocation is in another trace.
    """
    return _CallDescriptions(selected, calls).view()


class _CallDescriptions:
    """Describes the calls of a trace as spans."""

    def __init__(self, selected: SelectedGraph, calls: pa.Table) -> None:
        self._selected = selected
        self._calls = calls.unify_dictionaries().combine_chunks()
        self._components = {c.id: c for c in selected.graph.components}

    def view(self) -> TraceView:
        start = self._numbers("start")
        duration = self._numbers("duration")
        parent = self._numbers("parent")
        targets = self._calls.column("target").to_pylist()
        kinds = [self._kind(each) for each in targets]
        outcomes = SpanOutcomes(
            np.maximum(parent, -1),
            parent < -1,
            self._calls.column("failed").to_numpy(zero_copy_only=False),
            start,
            start + np.maximum(duration, 0),
            _codes(targets),
            _codes(kinds),
            np.zeros(len(start), np.bool_),
        )
        version = self._selected.version
        return TraceView(
            str(self._value("trace_id", 0)),
            {"source": "runs", "dataset": self._selected.dataset, "graph_version": version},
            outcomes,
            frozenset(),
            duration >= 0,
            self.describe,
            notes=(_NOTE.format(version=version),),
        )

    def describe(self, row: int, _depth: int) -> Document:
        """Return the members of a call."""
        parent, duration = self._value("parent", row), self._value("duration", row)
        target, source = self._value("target", row), self._value("source", row)
        return {
            "span_id": self._value("span_id", row),
            "parent_id": self._value("span_id", parent) if parent >= 0 else None,
            "name": self._name(target),
            "kind": None,
            "service": None,
            "start": timestamp(self._value("start", row)),
            "duration_ms": milliseconds(duration) if duration >= 0 else None,
            "failed": self._value("failed", row),
            "role": self._kind(target),
            "component": self._component(target),
            "owner": None
            if source is None
            else {
                "span_id": self._value("span_id", parent) if parent >= 0 else None,
                "component": self._component(source),
                "type": self._value("type", row),
                "via": None,
                "why": "the recorded runs",
            },
        }

    def _component(self, component_id: str) -> Document:
        known = self._components.get(component_id)
        return {
            "id": component_id,
            "kind": self._kind(component_id),
            "name": self._name(component_id),
            "identified": known is None or known.identified,
        }

    def _name(self, component_id: str) -> str:
        known = self._components.get(component_id)
        return component_id if known is None else known.name or component_id

    def _kind(self, component_id: str) -> str:
        known: Component | None = self._components.get(component_id)
        return ComponentKind.EXTERNAL.value if known is None else known.kind.value

    def _value(self, column: str, row: int) -> Any:
        return self._calls.column(column)[row].as_py()

    def _numbers(self, column: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        found: np.ndarray[tuple[int], np.dtype[np.int64]] = (
            self._calls.column(column).to_numpy().astype(np.int64)
        )
        return found


def cited_at(graph: Graph, trace_id: str) -> int | None:
    """Return when (ns) a span of this trace was recorded, if the graph cites it as evidence."""
    cited = chain(
        (c.evidence for c in graph.components),
        (d.evidence for d in graph.dependencies),
        (f.evidence for f in graph.fallbacks),
        (w.evidence for w in graph.workflows),
    )
    times = (e.time for evidence in cited for e in evidence if e.trace_id == trace_id)
    return next(times, None)


def _codes(values: list[str]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    codes: dict[str, int] = {}
    return np.array([codes.setdefault(each, len(codes)) for each in values], np.int64)
