"""Builds the tables of recorded runs and their calls, callers before callees."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from agentguard.discovery.kinds import TYPES
from agentguard.discovery.partial import I64, U64, Calls, Partial
from agentguard.graph.assembly.fallbacks import FoundFallbacks
from agentguard.graph.assembly.trace_linking import LinkedCalls
from agentguard.graph.runs import CALL_SCHEMA, RUN_SCHEMA, Runs


def run_tables(found: LinkedCalls, recovered: FoundFallbacks, partial: Partial) -> Runs:
    """Return the runs in order of start, and their invocations in order of depth and start."""
    calls = found.calls
    rows = _sorted_rows(found)
    entries = np.flatnonzero((calls.entry >= 0) & (calls.source < 0) & calls.ran)
    entries = entries[np.lexsort(_key(calls.trace, calls.start, entries))]
    position = np.full(len(calls) + 1, -1, np.int64)
    position[rows] = np.arange(len(rows))
    number = np.full(len(calls) + 1, -1, np.int64)
    number[entries] = np.arange(len(entries))
    ids = pa.array([identity.id for identity in found.identities], pa.string())
    table = pa.table(
        [
            number[found.run[rows]].astype(np.int32),
            position[calls.source[rows]].astype(np.int32),
            _coded(_callers(found, rows), ids),
            _coded(found.component[rows], ids),
            _coded(
                calls.type[rows].astype(np.int64), pa.array([str(t) for t in TYPES], pa.string())
            ),
            calls.failed[rows],
            position[recovered.recovered_by[rows]].astype(np.int32),
            calls.start[rows],
            calls.duration[rows],
            _texts(calls.trace[rows], partial, None),
            _texts(calls.span[rows].reshape(-1, 1), partial, calls.trace[rows]),
            _known(calls.input_tokens[rows]),
        ],
        schema=CALL_SCHEMA,
    )
    return Runs(_run_table(found, partial, entries), table)


def _sorted_rows(found: LinkedCalls) -> I64:
    """Return the invocations in runs, sorted by run, depth, start, id and component."""
    calls, ids = found.calls, [identity.id for identity in found.identities]
    rows = np.flatnonzero((found.run >= 0) & calls.ran)
    rank = np.argsort(np.argsort(ids)) if ids else np.zeros(0, np.int64)
    depth = found.depth[rows]
    place = _ranks(calls, found.run[rows]) * (int(depth.max(initial=0)) + 1) + depth
    return rows[
        np.lexsort((rank[found.component[rows]], calls.span[rows], calls.start[rows], place))
    ]


def _ranks(calls: Calls, entries: I64) -> I64:
    """Return the rank of each entry among all, with repetitions, by _key."""
    distinct, inverse = np.unique(entries, return_inverse=True)
    keys = _key(calls.trace, calls.start, distinct)
    order = np.lexsort(keys)
    after = np.zeros(len(order), np.bool_)
    for key in keys:
        after[1:] |= key[order][1:] != key[order][:-1]
    rank = np.empty(len(order), np.int64)
    rank[order] = np.cumsum(after)
    return rank[inverse]


def _key(trace: U64, start: I64, rows: I64) -> tuple[U64 | I64, ...]:
    return trace[rows, 1], trace[rows, 0], start[rows]


def _run_table(found: LinkedCalls, partial: Partial, entries: I64) -> pa.Table:
    calls = found.calls
    names = pa.array([workflow.id for workflow in partial.workflows], pa.string())
    return pa.table(
        [
            _texts(calls.trace[entries], partial, None),
            _coded(calls.entry[entries].astype(np.int64), names),
            found.lost[entries],
            calls.start[entries],
            calls.duration[entries],
        ],
        schema=RUN_SCHEMA,
    )


def _callers(found: LinkedCalls, rows: I64) -> I64:
    """Return the code of the caller's component; -1: none."""
    source = found.calls.source[rows]
    callers: I64 = np.where(source >= 0, found.component[np.maximum(source, 0)], -1)
    return callers


def _known(counts: I64) -> pa.Array:
    return pa.array(counts, mask=counts == 0)


def _coded(codes: I64, values: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=codes < 0), values)


def _texts(words: U64, partial: Partial, traces: U64 | None) -> pa.Array:
    """Return ids as text; with `traces`, span ids, which may not have been written in hex."""
    if not len(words):
        return pa.array([], pa.string())
    raw = words.astype("<u8").view(np.uint8).reshape(len(words), -1)
    offsets = np.arange(len(words) + 1, dtype=np.int32) * (2 * raw.shape[1])
    text = raw.tobytes().hex().encode()
    array = pa.StringArray.from_buffers(len(words), pa.py_buffer(offsets), pa.py_buffer(text))
    if not partial.labels:
        return array
    keys = (
        raw
        if traces is None
        else np.concatenate(
            [traces.astype("<u8").view(np.uint8).reshape(len(words), -1), raw], axis=1
        )
    )
    return pa.array(
        [
            partial.labels.get(key.tobytes(), plain)
            for key, plain in zip(keys, array.to_pylist(), strict=True)
        ],
        pa.string(),
    )
