"""Restoration of trace ids that some spans carry truncated to the lower 64 bits."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agentguard.compute.arrays import words

U64 = NDArray[np.uint64]


def with_full_trace_ids(spans: pa.Table) -> pa.Table:
    """Return the spans (SPAN_SCHEMA; complete traces) with truncated trace ids restored.

    A trace id whose upper half is zero is replaced by the full id with the same lower half. If
    several full ids share that lower half, it stays unchanged.
    """
    trace = words(spans.column("trace_id"), 16)
    short = np.flatnonzero(trace[:, 0] == 0)
    if len(short) in (0, len(trace)):
        return spans
    upper = _upper_halves(trace)
    restored = short[[int(low) in upper for low in trace[short, 1].tolist()]]
    if not len(restored):
        return spans
    trace = trace.copy()
    trace[restored, 0] = [upper[int(low)] for low in trace[restored, 1].tolist()]
    return _with_ids(spans, trace, restored)


def _upper_halves(trace: U64) -> dict[int, int]:
    """Return lower half → upper half, for each lower half that only one full id has."""
    whole = np.unique(trace[trace[:, 0] != 0], axis=0)
    lower, count = np.unique(whole[:, 1], return_counts=True)
    single = set(lower[count == 1].tolist())
    return {low: high for high, low in whole.tolist() if low in single}


def _with_ids(spans: pa.Table, trace: U64, changed: NDArray[np.int64]) -> pa.Table:
    ids = np.ascontiguousarray(trace.astype("<u8"))
    column = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(trace), [None, pa.py_buffer(ids)]
    )
    labels = spans.column("trace_label").to_pylist()
    for row in changed.tolist():
        labels[row] = None
    for name, values in (("trace_id", column), ("trace_label", pa.array(labels, pa.string()))):
        at = spans.schema.get_field_index(name)
        spans = spans.set_column(at, spans.schema.field(at), values)
    return spans
