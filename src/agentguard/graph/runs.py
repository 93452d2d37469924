"""The recorded runs behind a graph: one row per run of a workflow and per invocation in it."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

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


def no_runs() -> Runs:
    """Return the empty set of runs."""
    return Runs(RUN_SCHEMA.empty_table(), CALL_SCHEMA.empty_table())
