"""Trace ids of which one side kept only the lower 64 bits, made whole again."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agentguard.compute.arrays import words

U64 = NDArray[np.uint64]


def with_whole_ids(spans: pa.Table) -> pa.Table:
    """Return the spans (SPAN_SCHEMA; whole traces) with every trace under its longest id.

    A trace id whose upper half is zero is the lower half of the one whole id that ends so; where
    there are several, it stays.
    """
    trace = words(spans.column("trace_id"), 16)
    short = np.flatnonzero(trace[:, 0] == 0)
    if len(short) in (0, len(trace)):
        return spans
    upper = _upper_halves(trace)
    made_whole = short[[int(low) in upper for low in trace[short, 1].tolist()]]
    if not len(made_whole):
        return spans
    trace = trace.copy()
    trace[made_whole, 0] = [upper[int(low)] for low in trace[made_whole, 1].tolist()]
    return _with_ids(spans, trace, made_whole)


def _upper_halves(trace: U64) -> dict[int, int]:
    """Return, for each lower half that a single whole id has, its upper half."""
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
