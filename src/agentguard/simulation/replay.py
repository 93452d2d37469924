"""The replay method: which recorded runs would have survived the failure.

Every call to a failed component fails. Its caller fails too, unless a recorded fallback of the
caller recovers the call, or the caller absorbs it as it absorbed this callee's earlier failures;
and so on up each run's tree, deepest calls first. After a handoff or message the failure affects
the run instead of the caller, which has already finished. Recorded failures stay as they were.
Calls below a failed component are never made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from agentguard.compute.arrays import factorize, hash_rows
from agentguard.graph.model import Evidence, Graph
from agentguard.simulation.intervals import share_interval
from agentguard.simulation.model import (
    Assumptions,
    ImpactedComponent,
    ImpactedWorkflow,
    Outcome,
    Precedent,
    Step,
)
from agentguard.simulation.recording import Recording
from agentguard.simulation.structural import Structure, failed_nodes

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NO_CAUSE = -1


@dataclass(frozen=True, slots=True)
class Replayed:
    """Replayed runs of several scenarios; one row per (scenario, call) that newly fails."""

    scenario: NDArray[np.int64]
    row: NDArray[np.int64]
    cause: NDArray[np.int64]
    """The call whose failure made this one fail; -1 if the failed component is its own target."""
    distance: NDArray[np.int64]
    """Number of failures between this call and the failed component."""
    lost_scenario: NDArray[np.int64]
    lost_run: NDArray[np.int64]
    """Successful runs that are lost, once per scenario."""
    lost_by: NDArray[np.int64]
    """The call whose failure reached the run."""
    assumptions: tuple[Assumptions, ...]
    """By scenario."""


def replay(
    r: Recording, scenarios: Sequence[frozenset[int]], chances: NDArray[np.float64]
) -> Replayed:
    """Replay every scenario (a set of component numbers) over all runs.

    `chances` comes from `rescue_chances`. The cost depends on the failing calls and their callers
    only, not on the size of the recording.
    """
    level = _first_failures(r, scenarios)
    done: list[_Failures] = []
    lost: list[_Failures] = []
    counts = _Counts(len(scenarios), level.scenario)
    for depth in range(int(r.depth[level.row].max(initial=-1)), -1, -1):
        here = r.depth[level.row] == depth
        now, level = level.take(here).once(len(r.target)), level.take(~here)
        propagated = now.take(_propagates(r, now, chances, counts))
        done.append(now)
        lost.append(
            propagated.take(_reaches_run(r, propagated) & ~r.run_failed[r.run[propagated.row]])
        )
        level = level.join(_callers(r, propagated))
    fails, ends = _joined(done), _first_per_run(r, _joined(lost))
    return Replayed(
        fails.scenario,
        fails.row,
        fails.cause,
        fails.distance,
        ends.scenario,
        r.run[ends.row],
        ends.row,
        counts.assumptions(),
    )


def rescue_chances(graph: Graph, r: Recording, down: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the probability that a fallback succeeds, by scenario and (owner, primary) pair.

    Each fallback succeeds as often as in the window (rescued of tried); they are tried one after
    the other. `down`, by scenario and component: fallbacks that fail in the scenario, directly or
    structurally, do not count.
    """
    number, place = (
        {text: i for i, text in enumerate(r.components)},
        {pair: i for i, pair in enumerate(r.pairs)},
    )
    miss = np.ones((len(down), len(r.pairs)))
    for f in sorted(graph.fallbacks, key=lambda f: (f.owner, f.primary, f.secondary)):
        pair = place.get((number.get(f.owner, -1), number.get(f.primary, -1)))
        if pair is not None and f.count and f.secondary in number:
            miss[:, pair] *= np.where(down[:, number[f.secondary]], 1.0, 1.0 - f.rescued / f.count)
    return 1.0 - miss


def structural_failures(
    r: Recording, s: Structure, scenarios: Sequence[frozenset[int]]
) -> NDArray[np.bool_]:
    """Return, by scenario and component number, what is out or fails structurally."""
    number = {text: i for i, text in enumerate(r.components)}
    down = np.zeros((len(scenarios), len(r.components)), dtype=np.bool_)
    for i, failed in enumerate(scenarios):
        start = [s.index[r.components[f]] for f in failed if r.components[f] in s.index]
        down[
            i, sorted(failed | {number[s.components[n]] for n in failed_nodes(s, start).components})
        ] = True
    return down


def simulate(
    graph: Graph, r: Recording, s: Structure, failed: Iterable[str], *, seed: int
) -> Outcome:
    """Return what the recorded runs lose if these components fail."""
    number = {text: i for i, text in enumerate(r.components)}
    scenario = frozenset(number[f] for f in failed)
    chances = rescue_chances(graph, r, structural_failures(r, s, [scenario]))
    found = replay(r, [scenario], chances)
    steps = _Steps(r, found)
    return Outcome(
        components=tuple(
            sorted(_components(graph, r, found, scenario, steps), key=lambda c: (len(c.path), c.id))
        ),
        workflows=tuple(
            sorted(_workflows(graph, r, found, steps, seed), key=lambda w: (-w.runs_lost, w.id))
        ),
        runs_seen=len(r.run_failed),
        workflows_seen=len(np.unique(r.run_workflow)),
        assumptions=replace(found.assumptions[0], precedents=_precedents(r, found, chances)),
    )


@dataclass(frozen=True, slots=True)
class _Failures:
    scenario: NDArray[np.int64]
    row: NDArray[np.int64]
    cause: NDArray[np.int64]
    distance: NDArray[np.int64]

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> _Failures:
        return _Failures(
            self.scenario[chosen], self.row[chosen], self.cause[chosen], self.distance[chosen]
        )

    def join(self, other: _Failures) -> _Failures:
        return _joined([self, other])

    def once(self, size: int) -> _Failures:
        """Keep each (scenario, row) once, with the nearest cause."""
        key = self.scenario * size + self.row
        order = np.lexsort((self.cause, self.distance, key))
        return self.take(order[_firsts(key[order])])


def _joined(parts: Sequence[_Failures]) -> _Failures:
    empty = np.zeros(0, dtype=np.int64)
    columns = [
        [getattr(p, name) for p in parts] for name in ("scenario", "row", "cause", "distance")
    ]
    return _Failures(*(np.concatenate([empty, *column]) for column in columns))


def _firsts(ordered: NDArray[np.int64]) -> NDArray[np.bool_]:
    first = np.ones(len(ordered), dtype=np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    return first


def _first_failures(r: Recording, scenarios: Sequence[frozenset[int]]) -> _Failures:
    """Return the successful calls to failed components that would still be made."""
    rows = [np.sort(np.concatenate([r.rows_of(c) for c in sorted(failed)])) for failed in scenarios]
    row = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
    scenario = np.repeat(np.arange(len(scenarios)), [len(part) for part in rows])
    found = _Failures(
        scenario,
        row,
        np.full(len(row), _NO_CAUSE, dtype=np.int64),
        np.zeros(len(row), dtype=np.int64),
    )
    return found.take(~r.failed[row] & ~_below_failed(r, scenario, row, scenarios))


def _below_failed(
    r: Recording,
    scenario: NDArray[np.int64],
    row: NDArray[np.int64],
    scenarios: Sequence[frozenset[int]],
) -> NDArray[np.bool_]:
    size = len(r.components)
    out = np.sort(
        np.array(
            [i * size + c for i, failed in enumerate(scenarios) for c in failed], dtype=np.int64
        )
    )
    below = np.zeros(len(row), dtype=np.bool_)
    climbing, above = np.arange(len(row)), r.parent[row]
    while True:
        climbing, above = climbing[above >= 0], above[above >= 0]
        if not len(climbing):
            return below
        hit = np.isin(scenario[climbing] * size + r.target[above], out)
        below[climbing[hit]] = True
        climbing, above = climbing[~hit], r.parent[above[~hit]]


def _propagates(
    r: Recording, now: _Failures, chances: NDArray[np.float64], counts: _Counts
) -> NDArray[np.bool_]:
    """Return which failures the caller neither recovers from nor absorbs."""
    rescued, absorbed = _recovered_and_absorbed(r, now.scenario, now.row, chances)
    unknown = (r.parent[now.row] >= 0) & (r.final[r.dependency[now.row]] == 0)
    counts.add(now.scenario, rescued, absorbed, ~rescued & unknown)
    return ~rescued & ~absorbed


def _recovered_and_absorbed(
    r: Recording, scenario: NDArray[np.int64], row: NDArray[np.int64], chances: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which failing calls a fallback recovers, and which others the caller absorbs."""
    pair, dependency = r.pair[row], r.dependency[row]
    chance = (
        np.where(pair >= 0, chances[scenario, pair], 0.0)
        if chances.shape[1]
        else np.zeros(len(pair))
    )
    rescued = r.rescue_draw[row] < chance
    absorbed = (r.parent[row] >= 0) & (
        r.absorb_draw[row] * r.final[dependency] < r.absorbed[dependency]
    )
    return rescued, ~rescued & absorbed


def _reaches_run(r: Recording, propagated: _Failures) -> NDArray[np.bool_]:
    return (r.parent[propagated.row] < 0) | ~r.returns[propagated.row]


def _callers(r: Recording, propagated: _Failures) -> _Failures:
    """Return the calls of the callers that receive the failure and had not failed already."""
    up = propagated.take(~_reaches_run(r, propagated))
    above = r.parent[up.row]
    fresh = ~r.failed[above]
    return _Failures(up.scenario[fresh], above[fresh], up.row[fresh], up.distance[fresh] + 1)


def _first_per_run(r: Recording, lost: _Failures) -> _Failures:
    """Keep each (scenario, run) once, with the nearest failure."""
    key = lost.scenario * len(r.run_failed) + r.run[lost.row]
    order = np.lexsort((lost.row, lost.distance, key))
    return lost.take(order[_firsts(key[order])])


class _Counts:
    """Counts behind the assumptions, by scenario."""

    def __init__(self, scenarios: int, first: NDArray[np.int64]) -> None:
        self._size = scenarios
        self._failed = np.bincount(first, minlength=scenarios)
        self._rescued, self._absorbed, self._unknown = (
            np.zeros(scenarios, dtype=np.int64) for _ in range(3)
        )

    def add(
        self,
        scenario: NDArray[np.int64],
        rescued: NDArray[np.bool_],
        absorbed: NDArray[np.bool_],
        unknown: NDArray[np.bool_],
    ) -> None:
        self._rescued += np.bincount(scenario[rescued], minlength=self._size)
        self._absorbed += np.bincount(scenario[absorbed], minlength=self._size)
        self._unknown += np.bincount(scenario[unknown], minlength=self._size)

    def assumptions(self) -> tuple[Assumptions, ...]:
        columns = (
            column.tolist()
            for column in (self._failed, self._rescued, self._absorbed, self._unknown)
        )
        return tuple(Assumptions(f, r, a, u) for f, r, a, u in zip(*columns, strict=True))


def _precedents(
    r: Recording, found: Replayed, chances: NDArray[np.float64]
) -> tuple[Precedent, ...]:
    """Return the dependencies whose failures were treated as absorbed, with their history."""
    absorbed = found.row[_recovered_and_absorbed(r, found.scenario, found.row, chances)[1]]
    dependencies, first, counts = np.unique(
        r.dependency[absorbed], return_index=True, return_counts=True
    )
    rows = absorbed[first]
    columns = (
        r.target[r.parent[rows]],
        r.target[rows],
        r.absorbed[dependencies],
        r.final[dependencies],
        counts,
    )
    every = (
        Precedent(r.components[a], r.components[b], int(n), int(of), int(c))
        for a, b, n, of, c in zip(*columns, strict=True)
    )
    return tuple(sorted(every, key=lambda p: (-p.calls, p.source, p.target)))


def _components(
    graph: Graph, r: Recording, found: Replayed, scenario: frozenset[int], steps: _Steps
) -> Iterable[ImpactedComponent]:
    hit = r.target[found.row]
    invocations = np.bincount(r.target, minlength=len(r.components))
    order = np.lexsort((found.row, found.distance, -steps.same_path_counts(found.row, hit), hit))
    counts = Counter(hit.tolist())
    by_id = {c.id: c for c in graph.components}
    for place in order[_firsts(hit[order])]:
        number = int(hit[place])
        c = by_id.get(r.components[number])
        if c is not None and number not in scenario:
            path = steps.up_to(int(found.row[place]))
            yield ImpactedComponent(
                c.id, c.name, c.kind, path, int(invocations[number]), counts[number]
            )


def _workflows(
    graph: Graph, r: Recording, found: Replayed, steps: _Steps, seed: int
) -> Iterable[ImpactedWorkflow]:
    by_id = {w.id: w for w in graph.workflows}
    per_workflow = partial(np.bincount, minlength=len(r.workflows))
    seen, failed = per_workflow(r.run_workflow), per_workflow(r.run_workflow[r.run_failed])
    lost_in = r.run_workflow[found.lost_run]
    lost = per_workflow(lost_in)
    for number in np.flatnonzero(lost):
        w = by_id[r.workflows[number]]
        end = steps.most_frequent(found.lost_by[lost_in == number])
        count, runs = int(lost[number]), int(seen[number])
        interval = share_interval(count, runs, np.random.default_rng([seed, int(number)]))
        path = (*steps.up_to(end), steps.last(w.id, end))
        yield ImpactedWorkflow(
            w.id,
            w.name,
            w.entry,
            w.root,
            w.root_component,
            runs,
            int(failed[number]),
            count,
            count / runs,
            interval,
            path,
        )


class _Steps:
    """Failure paths in recorded runs."""

    def __init__(self, r: Recording, found: Replayed) -> None:
        self._r = r
        self._cause = dict(zip(found.row.tolist(), found.cause.tolist(), strict=True))
        self._distance = np.zeros(len(r.target), np.int64)
        self._distance[found.row] = found.distance
        self._path_hash = np.zeros(len(r.target), np.uint64)
        for distance in np.unique(found.distance):
            here = found.distance == distance
            before = np.where(
                found.cause[here] == _NO_CAUSE,
                np.uint64(0),
                self._path_hash[np.maximum(found.cause[here], 0)],
            )
            self._path_hash[found.row[here]] = hash_rows(
                before, r.target[found.row[here]].astype(np.uint64)
            )

    def same_path_counts(self, rows: NDArray[np.int64], of: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return, for each row, how many rows with the same value in `of` have the same path."""
        codes, _ = factorize(hash_rows(self._path_hash[rows], of.astype(np.uint64)))
        return np.bincount(codes)[codes] if len(codes) else codes

    def most_frequent(self, rows: NDArray[np.int64]) -> int:
        """Return a row with the most frequent path; of several the shortest, then the earliest."""
        order = np.lexsort(
            (
                rows,
                self._distance[rows],
                -self.same_path_counts(rows, np.zeros(len(rows), np.int64)),
            )
        )
        return int(rows[order[0]])

    def up_to(self, row: int) -> tuple[Step, ...]:
        """Return the steps, the failed component's first, without self-calls."""
        steps: list[Step] = []
        while (cause := self._cause[row]) != _NO_CAUSE:
            if self._r.target[cause] != self._r.target[row]:
                steps.append(self.last(self._name(row), cause))
            row = cause
        return tuple(reversed(steps))

    def last(self, source: str, row: int) -> Step:
        """Return the step from this call's target to the source."""
        return Step(source, self._name(row), (self._evidence(row),))

    def _name(self, row: int) -> str:
        return self._r.components[int(self._r.target[row])]

    def _evidence(self, row: int) -> Evidence:
        calls = self._r.runs.calls
        return Evidence(*(calls[name][row].as_py() for name in ("trace_id", "span_id", "start")))
