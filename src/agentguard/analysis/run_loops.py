"""Loops at run time, seen within single runs: ping-pong, retry storms, growing context."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agentguard.compute.arrays import factorize_rows
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Evidence, Graph
from agentguard.graph.runs import Runs

PING_PONG_TRANSFERS = 4
"""Two agents pass control back and forth: A → B → A → B → A. One return is how a delegation by
handoff ends, so two transfers are no loop; four repeat them.
"""

MOST_ATTEMPTS = 5
"""More failed attempts of one call in a row are a retry storm: gRPC treats a larger maxAttempts as
5 (proposal A6); the SDKs of OpenAI and Anthropic and AWS's standard mode default to 3 attempts.
"""

MOST_TURNS = 10
"""More model calls of one invocation, each with more input tokens than the one before, are a
growing context: 10 is the default of `max_turns` in the OpenAI Agents SDK.
"""

_SHOWN = 10
"""Spans kept as evidence of a loop: its first ones and its last."""

I64 = NDArray[np.int64]


class LoopKind(StrEnum):
    """What repeats."""

    PING_PONG = "ping_pong"
    """Two agents pass control to each other in turn."""
    RETRY_STORM = "retry_storm"
    """One invocation calls the same callee again and again although it fails."""
    GROWING_CONTEXT = "growing_context"
    """One invocation calls models with more and more input."""


@dataclass(frozen=True, slots=True)
class RunLoop:
    """A loop between the same components, in one or more runs."""

    kind: LoopKind
    components: tuple[str, ...]
    """Component ids: the two agents, sorted; or caller and callee."""
    runs: int
    """Number of runs in which it was seen."""
    times: int
    """Transfers, failed attempts or model calls in the longest loop."""
    run_id: str
    """Run of the longest loop."""
    evidence: tuple[Evidence, ...]
    """Spans of the longest loop, its first ones and its last."""
    input_tokens: tuple[int, int] | None = None
    """Of the first and last model call of a growing context."""


@dataclass(frozen=True, slots=True)
class _Found:
    """One loop in one run; the rows are rows of CALL_SCHEMA."""

    kind: LoopKind
    components: tuple[str, ...]
    rows: I64


def run_loops(graph: Graph, runs: Runs | None) -> tuple[RunLoop, ...]:
    """Return the loops of recorded runs, most runs first; takes a few passes over the calls.

    Whether calls had the same arguments, and how many turns a run was allowed, is not recorded.
    """
    if runs is None or not runs.calls.num_rows:
        return ()
    calls = _Calls.of(graph, runs)
    found = [*_ping_pongs(calls), *_retry_storms(calls), *_growing_contexts(calls)]
    by_components: dict[tuple[LoopKind, tuple[str, ...]], list[_Found]] = defaultdict(list)
    for each in found:
        by_components[each.kind, each.components].append(each)
    loops = (_loop(runs, calls, same) for same in by_components.values())
    return tuple(sorted(loops, key=lambda r: (-r.runs, -r.times, r.kind, r.components)))


@dataclass(frozen=True, slots=True, eq=False)
class _Calls:
    """Columns of recorded calls."""

    run: I64
    parent: I64
    start: I64
    failed: NDArray[np.bool_]
    tokens: I64
    """-1: unknown."""
    source: I64
    target: I64
    """Codes of component ids; -1: none."""
    names: list[str]
    kinds: Mapping[str, ComponentKind]

    @classmethod
    def of(cls, graph: Graph, runs: Runs) -> _Calls:
        table = runs.calls
        numbers = {c.id: i for i, c in enumerate(graph.components)}
        run, parent, start = (
            table.column(name).to_numpy().astype(np.int64) for name in ("run", "parent", "start")
        )
        tokens = table.column("input_tokens").fill_null(-1).to_numpy()
        source, target = (_codes(table.column(name), numbers) for name in ("source", "target"))
        kinds = {c.id: c.kind for c in graph.components}
        failed = table.column("failed").to_numpy()
        return cls(run, parent, start, failed, tokens, source, target, list(numbers), kinds)

    def of_kind(self, codes: I64, kind: ComponentKind) -> NDArray[np.bool_]:
        """Return which codes are components of this kind."""
        known = [self.kinds[name] is kind for name in self.names]
        return np.array([*known, False], np.bool_)[codes]

    def groups(self, rows: I64, *keys: I64, least: int) -> Iterator[I64]:
        """Yield the rows with equal keys, in order of start, where there are at least so many."""
        code, _ = factorize_rows(*(key[rows] for key in keys))
        frequent = np.bincount(code)[code] >= least
        rows, code = rows[frequent], code[frequent]
        order = np.lexsort((rows, self.start[rows], code))
        rows, code = rows[order], code[order]
        yield from np.split(rows, np.flatnonzero(np.diff(code)) + 1) if len(rows) else ()


def _codes(column: pa.ChunkedArray, numbers: Mapping[str, int]) -> I64:
    """Return the component by row; takes time for each different one."""
    encoded = column.unify_dictionaries().combine_chunks()
    whole = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    known = [numbers.get(text, -1) for text in whole.dictionary.to_pylist()]
    rows = np.asarray(whole.indices.fill_null(len(known)), np.int64)
    return np.array([*known, -1], np.int64)[rows]


def _ping_pongs(calls: _Calls) -> Iterator[_Found]:
    between = calls.of_kind(calls.source, ComponentKind.AGENT)
    between &= calls.of_kind(calls.target, ComponentKind.AGENT)
    rows = np.flatnonzero(between & (calls.source != calls.target))
    ends = np.minimum(calls.source, calls.target), np.maximum(calls.source, calls.target)
    for group in calls.groups(rows, calls.run, *ends, least=PING_PONG_TRANSFERS):
        turns = _longest(group, calls.source[group][1:] != calls.source[group][:-1])
        if len(turns) >= PING_PONG_TRANSFERS:
            first = turns[0]
            pair = (calls.names[calls.source[first]], calls.names[calls.target[first]])
            yield _Found(LoopKind.PING_PONG, tuple(sorted(pair)), turns)


def _retry_storms(calls: _Calls) -> Iterator[_Found]:
    rows = np.flatnonzero((calls.source >= 0) & (calls.target >= 0))
    failing = np.isin(calls.parent, calls.parent[rows][calls.failed[rows]])
    for group in calls.groups(
        rows[failing[rows]], calls.parent, calls.target, least=MOST_ATTEMPTS + 1
    ):
        failed = group[calls.failed[group]]
        place = np.flatnonzero(calls.failed[group])
        attempts = _longest(failed, np.diff(place) == 1)
        if len(attempts) > MOST_ATTEMPTS:
            yield _Found(LoopKind.RETRY_STORM, _ends(calls, attempts), attempts)


def _growing_contexts(calls: _Calls) -> Iterator[_Found]:
    counted = (calls.tokens > 0) & (calls.source >= 0)
    rows = np.flatnonzero(counted & calls.of_kind(calls.target, ComponentKind.MODEL))
    for group in calls.groups(rows, calls.parent, least=MOST_TURNS + 1):
        turns = _longest(group, np.diff(calls.tokens[group]) > 0)
        if len(turns) > MOST_TURNS:
            yield _Found(LoopKind.GROWING_CONTEXT, _ends(calls, turns), turns)


def _ends(calls: _Calls, rows: I64) -> tuple[str, str]:
    return calls.names[calls.source[rows[0]]], calls.names[calls.target[rows[0]]]


def _longest(rows: I64, goes_on: NDArray[np.bool_]) -> I64:
    """Return the longest stretch of rows in which each goes on from the one before."""
    breaks = np.flatnonzero(~goes_on) + 1
    return max(np.split(rows, breaks), key=len)


def _loop(runs: Runs, calls: _Calls, same: list[_Found]) -> RunLoop:
    longest = max(same, key=lambda found: (len(found.rows), -int(found.rows[0])))
    rows = longest.rows
    tokens = None
    if longest.kind is LoopKind.GROWING_CONTEXT:
        tokens = int(calls.tokens[rows[0]]), int(calls.tokens[rows[-1]])
    return RunLoop(
        longest.kind,
        longest.components,
        len({int(calls.run[found.rows[0]]) for found in same}),
        len(rows),
        runs.runs.column("run_id")[int(calls.run[rows[0]])].as_py(),
        tuple(_evidence(runs, [*rows[: _SHOWN - 1], rows[-1]] if len(rows) > _SHOWN else rows)),
        tokens,
    )


def _evidence(runs: Runs, rows: Iterable[np.int64]) -> Iterator[Evidence]:
    trace, span, start = (runs.calls.column(name) for name in ("trace_id", "span_id", "start"))
    for row in map(int, rows):
        yield Evidence(trace[row].as_py(), span[row].as_py(), start[row].as_py())
