"""What windows show of failures, hour by hour: written for later windows, and read by them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from agentguard.graph.failure_history import before_window
from agentguard.graph.model import Graph
from agentguard.graph.runs import FAILURE_SCHEMA, Runs
from agentguard.kernel.clock import NS_PER_HOUR
from agentguard.simulation.call_rows import integers
from agentguard.simulation.recording import recording


def failures_by_hour(graph: Graph, runs: Runs) -> pa.Table:
    """Return the final failures of the runs (FAILURE_SCHEMA), by the hour in which they ended."""
    if not pc.any(runs.calls["failed"]).as_py():
        return FAILURE_SCHEMA.empty_table()
    r = recording(graph, runs)
    told, names = r.dependencies.seen.told, r.dependencies.keys(r.components)
    ended = integers(runs.calls, "start") + np.maximum(integers(runs.calls, "duration"), 0)
    hours = ended[told.row] // NS_PER_HOUR
    counts: dict[tuple[int, int], list[int]] = {}
    for dependency, hour, survived in zip(
        told.dependency.tolist(), hours.tolist(), told.survived.tolist(), strict=True
    ):
        counts.setdefault((dependency, hour), [0, 0])[int(not survived)] += 1
    return _table((*names[d], hour * NS_PER_HOUR, *n) for (d, hour), n in sorted(counts.items()))


def _table(rows: Iterable[tuple[object, ...]]) -> pa.Table:
    names = FAILURE_SCHEMA.names
    return pa.Table.from_pylist(
        [dict(zip(names, row, strict=True)) for row in rows], FAILURE_SCHEMA
    )


@dataclass(frozen=True, slots=True)
class Before:
    """The failures of one dependency before the window."""

    survived: int
    not_survived: int
    last: int
    """Begin of the last hour with one, ns; 0: there is none."""

    @property
    def counts(self) -> tuple[int, int]:
        return self.survived, self.not_survived


NONE_BEFORE = Before(0, 0, 0)


def failures_before(runs: Runs) -> dict[tuple[str, str, bool], Before]:
    """Return what is known from before the window, by (source, target, returns)."""
    found = before_window(runs)
    if not len(found):
        return {}
    sums = found.group_by(["source", "target", "returns"], use_threads=False).aggregate(
        [("survived", "sum"), ("not_survived", "sum"), ("hour", "max")]
    )
    columns = [sums[name].to_pylist() for name in sums.column_names]
    return {(s, t, back): Before(*rest) for s, t, back, *rest in zip(*columns, strict=True)}
