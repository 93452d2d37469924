"""Recorded runs as flat integer arrays, prepared for replay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from agentguard.compute.arrays import U64
from agentguard.discovery.kinds import DependencyType
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.simulation.call_rows import (
    booleans,
    distinct_texts,
    integers,
    numbers,
    of_type,
    span_hashes,
)
from agentguard.simulation.history import Failures, Seen, seen
from agentguard.simulation.rescues import Pairs, first_choices, pairs_of
from agentguard.simulation.twins import CallTable, Twins, twins

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RETURNING = {t.value for t in DependencyType if t.returns}
_MESSAGES = {DependencyType.MESSAGING.value}


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Numbered dependencies: those of the recorded calls, then those without recorded calls."""

    source: NDArray[np.int64]
    """Component numbers; -1: a run's entry has no caller."""
    target: NDArray[np.int64]
    returns: NDArray[np.bool_]
    seen: Seen
    silent: Mapping[int, tuple[tuple[int, int], ...]]
    """Callee without recorded calls → its (caller, dependency) in the graph."""

    def __len__(self) -> int:
        return len(self.source)

    def keys(self, components: Sequence[str]) -> list[tuple[str, str, bool]]:
        """Return (source, target, returns) by dependency; the source of an entry is empty."""
        names = (*components, "")
        columns = zip(
            self.source.tolist(), self.target.tolist(), self.returns.tolist(), strict=True
        )
        return [(names[source], names[target], returns) for source, target, returns in columns]


@dataclass(frozen=True, slots=True)
class Recording:
    """One row per call as in Runs.calls; components and workflows are numbered, -1 means none."""

    runs: Runs
    components: tuple[str, ...]
    number: Mapping[str, int]
    """Component id → number."""
    workflows: tuple[str, ...]
    known: NDArray[np.bool_]
    """By workflow: whether the graph has it. What the others lose is not counted."""
    target: NDArray[np.int64]
    parent: NDArray[np.int64]
    """The caller's row; instead of a service's call, that of the agent which serves it."""
    run: NDArray[np.int64]
    depth: NDArray[np.int64]
    """Number of callers above; 0 for a run's entry."""
    failed: NDArray[np.bool_]
    returns: NDArray[np.bool_]
    """Whether a failure propagates to the caller (True for entries), otherwise to the run."""
    entry: NDArray[np.bool_]
    """Whether the run is lost with this call: nobody is left who could absorb its failure."""
    twins: Twins
    repeats: NDArray[np.bool_]
    """Calls of services that repeat an agent's call: they fail with it, and not on their own."""
    fallbacks: Pairs
    pair: NDArray[np.int64]
    """Index of the call's (owner, primary) in `fallbacks`; -1 if that caller has no recorded
    fallback, or already used it for this call.
    """
    dependency: NDArray[np.int64]
    dependencies: Dependencies
    span: U64
    """A hash of trace id and span id: what is drawn for a call depends on this and a seed alone."""
    by_target: NDArray[np.int64]
    """Rows ordered by target."""
    target_start: NDArray[np.int64]
    """The rows of target t are by_target[target_start[t]:target_start[t + 1]]."""
    run_failed: NDArray[np.bool_]
    run_workflow: NDArray[np.int64]

    def rows_of(self, component: int) -> NDArray[np.int64]:
        """Return the rows that call this component."""
        return self.by_target[self.target_start[component] : self.target_start[component + 1]]


@dataclass(frozen=True, slots=True)
class _Columns:
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    parent: NDArray[np.int64]
    run: NDArray[np.int64]
    failed: NDArray[np.bool_]
    rescued_by: NDArray[np.int64]
    start: NDArray[np.int64]
    duration: NDArray[np.int64]
    returns: NDArray[np.bool_]
    messages: NDArray[np.bool_]

    @staticmethod
    def of(calls: pa.Table, components: tuple[str, ...]) -> _Columns:
        parent = integers(calls, "parent")
        return _Columns(
            source=numbers(calls, "source", components),
            target=numbers(calls, "target", components),
            parent=parent,
            run=integers(calls, "run"),
            failed=booleans(calls, "failed"),
            rescued_by=integers(calls, "rescued_by"),
            start=integers(calls, "start"),
            duration=integers(calls, "duration"),
            returns=of_type(calls, _RETURNING) | (parent < 0),
            messages=of_type(calls, _MESSAGES),
        )


def recording(graph: Graph, runs: Runs) -> Recording:
    """Prepare runs for replay in a few passes over the calls (a million in about a second)."""
    components, workflows = _names(graph, runs)
    number = {text: i for i, text in enumerate(components)}
    recorded = _Columns.of(runs.calls, components)
    found = _twins(graph, number, recorded)
    columns = _through_agents(recorded, found)
    run_failed = booleans(runs.runs, "failed")
    run_workflow = numbers(runs.runs, "workflow", workflows)
    repeats = np.zeros(len(columns.target), np.bool_)
    repeats[found.host_row] = True
    entry = _entries(graph, number, workflows, columns, run_workflow)
    dependency, dependencies = _dependencies(
        graph, number, recorded, columns, (entry | repeats, run_failed)
    )
    fallbacks = pairs_of(graph, components)
    fresh = first_choices(columns.target, columns.rescued_by)
    by_target, target_start = _by_target(columns.target, len(components))
    return Recording(
        runs=runs,
        components=components,
        number=number,
        workflows=workflows,
        known=_known(graph, workflows),
        target=columns.target,
        parent=columns.parent,
        run=columns.run,
        depth=_depths(columns.parent),
        failed=columns.failed,
        returns=columns.returns,
        entry=entry,
        twins=found,
        repeats=repeats,
        fallbacks=fallbacks,
        pair=np.where(fresh, fallbacks.of(columns.source, columns.target), -1),
        dependency=dependency,
        dependencies=dependencies,
        span=span_hashes(runs.calls),
        by_target=by_target,
        target_start=target_start,
        run_failed=run_failed,
        run_workflow=run_workflow,
    )


def _names(graph: Graph, runs: Runs) -> tuple[tuple[str, ...], tuple[str, ...]]:
    called = distinct_texts(runs.calls, "source") | distinct_texts(runs.calls, "target")
    hosts = {hosting.host for hosting in graph.runs_in}
    return (
        tuple(sorted({c.id for c in graph.components} | called | hosts)),
        tuple(sorted({w.id for w in graph.workflows} | distinct_texts(runs.runs, "workflow"))),
    )


def _by_target(
    target: NDArray[np.int64], components: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows by target, and where those of each begin."""
    order = np.argsort(target, kind="stable")
    return order, np.searchsorted(target[order], np.arange(components + 1))


def _known(graph: Graph, workflows: tuple[str, ...]) -> NDArray[np.bool_]:
    own = {w.id for w in graph.workflows}
    return np.array([w in own for w in workflows], dtype=np.bool_)


def _twins(graph: Graph, number: Mapping[str, int], columns: _Columns) -> Twins:
    known = (h for h in graph.runs_in if h.component in number)
    hosting = [(number[h.component], number[h.host]) for h in known]
    return twins(
        CallTable(
            columns.target,
            columns.parent,
            _depths(columns.parent),
            columns.start,
            columns.duration,
        ),
        np.array(sorted(hosting), dtype=np.int64).reshape(-1, 2),
    )


def _through_agents(columns: _Columns, found: Twins) -> _Columns:
    """Return the calls with the agent's in place of the service's that it repeats, as callers."""
    if not len(columns.target):
        return columns
    stands_in = np.arange(len(columns.parent) + 1)
    stands_in[-1] = -1
    stands_in[found.host_row[::-1]] = found.guest_row[::-1]
    parent = stands_in[columns.parent]
    return replace(columns, parent=parent, source=np.where(parent >= 0, columns.target[parent], -1))


def _entries(
    graph: Graph,
    number: Mapping[str, int],
    workflows: tuple[str, ...],
    columns: _Columns,
    run_workflow: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Return the calls that start a run, and those that start its workflow's work from there."""
    entry_of = {w.id: number.get(w.entry, -1) for w in graph.workflows}
    wanted = np.array([entry_of.get(w, -1) for w in workflows] + [-1], np.int64)
    top = columns.parent < 0
    below_top = ~top & top[columns.parent] if len(top) else top
    works = below_top & columns.returns
    works[works] = columns.target[works] == wanted[run_workflow[columns.run[works]]]
    return top | works


def _dependencies(
    graph: Graph,
    number: Mapping[str, int],
    recorded: _Columns,
    columns: _Columns,
    more: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> tuple[NDArray[np.int64], Dependencies]:
    """Return the dependency of each row, and all dependencies."""
    size = len(number)
    key = ((columns.source + 1) * size + columns.target) * 2 + columns.returns
    keys, dependency = np.unique(key, return_inverse=True)
    added = _without_calls(graph, number, recorded)
    every = np.concatenate([keys, added])
    return dependency, Dependencies(
        source=every // 2 // size - 1,
        target=every // 2 % size,
        returns=(every % 2).astype(np.bool_),
        seen=seen(_failures(columns, dependency, *more), len(every)),
        silent=_by_callee(added, len(keys), size),
    )


def _failures(
    columns: _Columns,
    dependency: NDArray[np.int64],
    uninformative: NDArray[np.bool_],
    run_failed: NDArray[np.bool_],
) -> Failures:
    return Failures(
        dependency=dependency,
        parent=columns.parent,
        run=columns.run,
        failed=columns.failed,
        rescued_by=columns.rescued_by,
        teaches=(columns.parent >= 0) & ~columns.messages & ~uninformative,
        returns=columns.returns,
        end=columns.start + np.maximum(columns.duration, 0),
        run_failed=run_failed,
    )


def _by_callee(
    added: NDArray[np.int64], first: int, size: int
) -> dict[int, tuple[tuple[int, int], ...]]:
    """Return (caller, dependency) by callee; dependencies are numbered from `first`."""
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for place, key in enumerate(added.tolist(), start=first):
        found[key // 2 % size].append((key // 2 // size - 1, place))
    return {target: tuple(pairs) for target, pairs in found.items()}


def _without_calls(
    graph: Graph, number: Mapping[str, int], recorded: _Columns
) -> NDArray[np.int64]:
    """Return the keys of the dependencies on what has no recorded calls."""
    size = len(number)
    called = set(np.unique(recorded.target).tolist())
    known = (d for d in graph.dependencies if d.source in number and d.target in number)
    keys = {
        ((number[d.source] + 1) * size + number[d.target]) * 2 + d.type.returns
        for d in known
        if number[d.target] not in called
    }
    return np.array(sorted(keys), np.int64)


def _depths(parent: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the callers of each row by pointer jumping, in log2(depth) passes."""
    above = np.where(parent >= 0, parent, np.arange(len(parent)))
    depth = (parent >= 0).astype(np.int64)
    while True:
        further = depth[above]
        if not further.any():
            return depth
        depth = depth + further
        above = above[above]
