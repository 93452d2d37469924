"""The recorded runs behind a graph: one row per run of a workflow and per invocation in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
from numpy.typing import NDArray

_TEXT = pa.dictionary(pa.int32(), pa.string())

RUN_SCHEMA = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),  # the trace id that the run starts in
        pa.field("workflow", _TEXT, nullable=False),  # workflow id
        pa.field("failed", pa.bool_(), nullable=False),
        pa.field("start", pa.int64(), nullable=False),  # ns
        pa.field("duration", pa.int64(), nullable=False),  # ns; -1 = unknown
    ]
)

CALL_SCHEMA = pa.schema(
    [
        pa.field("run", pa.int32(), nullable=False),  # row of RUN_SCHEMA
        pa.field(
            "parent", pa.int32(), nullable=False
        ),  # row of this table: the caller's own invocation; -1 = the run's entry
        pa.field("source", _TEXT),  # component id of the caller; null for the run's entry
        pa.field("target", _TEXT, nullable=False),  # component id of the callee
        pa.field("type", _TEXT),  # DependencyType; null for the run's entry
        pa.field("failed", pa.bool_(), nullable=False),
        pa.field(
            "rescued_by", pa.int32(), nullable=False
        ),  # row of the retry or fallback tried after it failed; -1 = none
        pa.field("start", pa.int64(), nullable=False),  # ns
        pa.field("duration", pa.int64(), nullable=False),  # ns; -1 = unknown
        pa.field("trace_id", pa.string(), nullable=False),
        pa.field("span_id", pa.string(), nullable=False),
        pa.field("input_tokens", pa.int64()),  # null = unknown, or recorded by an earlier version
    ]
)

FAILURE_SCHEMA = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),  # component id of the caller
        pa.field("target", pa.string(), nullable=False),  # component id of the callee
        pa.field("returns", pa.bool_(), nullable=False),  # false: a handoff or message
        pa.field("hour", pa.int64(), nullable=False),  # its begin, ns; whole hours of UTC
        pa.field("survived", pa.int64(), nullable=False),  # final failures that did no harm
        pa.field("not_survived", pa.int64(), nullable=False),  # those that alone explain harm
    ]
)


@dataclass(frozen=True, slots=True)
class Runs:
    """Every run of the window and every invocation in it.

    A call's parent is always in an earlier row, and the calls of a run are consecutive, runs in row
    order: a forward pass sees callers before callees, a backward pass callees before callers.
    """

    runs: pa.Table
    """RUN_SCHEMA."""
    calls: pa.Table
    """CALL_SCHEMA."""
    failures: pa.Table = field(default_factory=FAILURE_SCHEMA.empty_table)
    """FAILURE_SCHEMA: what earlier windows of the dataset showed, see graph.failure_history."""


@dataclass(frozen=True, slots=True)
class PackedRuns:
    """Runs as compressed Arrow streams, a small part of their size."""

    runs: bytes
    calls: bytes
    failures: bytes

    @classmethod
    def of(cls, runs: Runs) -> PackedRuns:
        """Compress the runs. CPU-bound."""
        return cls(packed(runs.runs), packed(runs.calls), packed(runs.failures))

    def unpacked(self) -> Runs:
        """Return the runs. CPU-bound."""
        return Runs(_unpacked(self.runs), _unpacked(self.calls), _unpacked(self.failures))


def packed(table: pa.Table) -> bytes:
    """Return a table as a compressed Arrow stream. CPU-bound."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table.unify_dictionaries().combine_chunks())
    stream: bytes = sink.getvalue().to_pybytes()
    return stream


def _unpacked(stream: bytes) -> pa.Table:
    with pa.ipc.open_stream(stream) as reader:
        return reader.read_all()


def calls_of_trace(calls: Iterable[pa.Table], trace_id: str) -> pa.Table:
    """Return the calls (CALL_SCHEMA) of one trace from consecutive parts of all calls.

    Their parents become rows of the result; -2: the caller's invocation is in another trace.
    """
    found, rows, before = [CALL_SCHEMA.empty_table()], [np.zeros(0, np.int64)], 0
    for part in calls:
        inside = np.flatnonzero(pc.equal(part.column("trace_id"), trace_id).to_numpy())
        if len(inside):
            found.append(part.take(pa.array(inside)))
            rows.append(inside + before)
        before += len(part)
    return _with_parents(pa.concat_tables(found), np.concatenate(rows))


def _with_parents(calls: pa.Table, rows: NDArray[np.int64]) -> pa.Table:
    """Return the calls, taken from these rows of all calls, with parents among themselves."""
    parent = calls.column("parent").to_numpy()
    at = np.minimum(np.searchsorted(rows, parent), max(len(rows) - 1, 0))
    if len(rows):
        parent = np.where(parent < 0, -1, np.where(rows[at] == parent, at, -2))
    column = pa.array(parent.astype(np.int32), pa.int32())
    return calls.set_column(
        calls.schema.get_field_index("parent"), CALL_SCHEMA.field("parent"), column
    )


def no_runs() -> Runs:
    """Return the empty set of runs."""
    return Runs(RUN_SCHEMA.empty_table(), CALL_SCHEMA.empty_table())
