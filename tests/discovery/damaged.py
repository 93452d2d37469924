"""Recordings with something wrong: spans lost, parents missing, times and outcomes changed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from agentguard.compute.arrays import words


def damaged(spans: pa.Table, rng: np.random.Generator) -> pa.Table:
    """Return the spans with random damage, each kind of it in some of the results."""
    kept = np.flatnonzero(rng.random(len(spans)) >= rng.choice([0, 0.1, 0.4]))
    spans = spans.take(pa.array(kept)).unify_dictionaries().combine_chunks()
    for damage in (_with_other_parents, _with_other_times, _with_other_values, _with_fewer_traces):
        if rng.random() < 0.7:
            spans = damage(spans, rng)
    return spans


def lower_halves(spans: pa.Table) -> np.ndarray:
    return words(spans.column("trace_id"), 16)[:, 1]


def _replaced(spans: pa.Table, name: str, values: pa.Array) -> pa.Table:
    at = spans.schema.get_field_index(name)
    return spans.set_column(at, spans.schema.field(at), values)


def _with_other_parents(spans: pa.Table, rng: np.random.Generator) -> pa.Table:
    parents, ids = spans.column("parent_id").to_pylist(), spans.column("span_id").to_pylist()
    draw, other = rng.random(len(spans)), rng.integers(len(spans), size=len(spans))
    changed = [
        bytes(8) if d < 0.05 else ids[o] if d < 0.1 else parent
        for parent, d, o in zip(parents, draw, other, strict=True)
    ]
    return _replaced(spans, "parent_id", pa.array(changed, pa.binary(8)))


def _with_other_times(spans: pa.Table, rng: np.random.Generator) -> pa.Table:
    start, end = (spans.column(name).to_numpy().copy() for name in ("start", "end"))
    match rng.integers(3):
        case 0:
            unknown = rng.random(len(spans)) < 0.3
            start[unknown], end[unknown] = 0, 0
        case 1:
            start[:] = start.min(initial=0)
        case _:
            end[rng.random(len(spans)) < 0.3] = 0
    return _replaced(_replaced(spans, "start", pa.array(start)), "end", pa.array(end))


def _with_other_values(spans: pa.Table, rng: np.random.Generator) -> pa.Table:
    """Give some spans another span's outcome, attributes and resource."""
    source = np.arange(len(spans))
    changed = rng.random(len(spans)) < 0.1
    source[changed] = rng.integers(len(spans), size=int(changed.sum()))
    for name in ("failed", "attributes", "resource"):
        values = spans.column(name).combine_chunks().take(pa.array(source))
        spans = _replaced(spans, name, values)
    return spans


def _with_fewer_traces(spans: pa.Table, rng: np.random.Generator) -> pa.Table:
    ids = spans.column("trace_id").to_pylist()
    distinct = sorted(set(ids))
    other = {
        i: distinct[rng.integers(len(distinct))] if rng.random() < 0.3 else i for i in distinct
    }
    return _replaced(spans, "trace_id", pa.array([other[i] for i in ids], pa.binary(16)))
