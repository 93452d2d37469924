"""What the stored spans say of spans that are cited."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeAlias

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from agentguard.discovery.dialects.loading import Dialects
from agentguard.ingest.spans import id_bytes
from agentguard.traces.store import SpanSource

SpanId: TypeAlias = tuple[str, str]
"""Trace id and span id, as documents have them."""


def stored_spans(
    _dialects: Dialects, sources: Sequence[SpanSource], wanted: Collection[SpanId]
) -> dict[SpanId, dict[str, Any]]:
    """Return name, service and recorded status of those of these spans that are stored.

    Reads the ids of all stored spans, and the other columns only where the traces are. CPU-bound.
    """
    ids = {_bytes(*each): each for each in wanted}
    traces = np.array([np.frombuffer(trace, "<u8")[1] for trace, _ in ids], np.uint64)
    found: dict[SpanId, dict[str, Any]] = {}
    for source in sources:
        for table in source.tables(np.unique(traces)):
            found |= _of_table(table, ids)
    return found


def _of_table(table: pa.Table, ids: dict[tuple[bytes, bytes], SpanId]) -> dict[SpanId, Any]:
    spans = pa.array([span for _, span in ids], pa.binary(8))
    table = table.filter(pc.is_in(table.column("span_id"), value_set=spans))
    columns = (table.column(name).to_pylist() for name in ("trace_id", "span_id"))
    found = {}
    for row, place in enumerate(zip(*columns, strict=True)):
        if place in ids:
            found[ids[place]] = _facts(table, row)
    return found


def _facts(table: pa.Table, row: int) -> dict[str, Any]:
    resource = orjson.loads(table.column("resource")[row].as_py())
    return {
        "name": table.column("name")[row].as_py(),
        "service": resource.get("service.name"),
        "failed": table.column("failed")[row].as_py(),
        "stored": "spans",
    }


def _bytes(trace_id: str, span_id: str) -> tuple[bytes, bytes]:
    return id_bytes(trace_id, 16)[0], id_bytes(span_id, 8)[0]
