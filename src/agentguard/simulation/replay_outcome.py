"""The outcome of one replayed scenario: components, workflows, and what decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agentguard.graph.model import Graph, Workflow
from agentguard.simulation import model
from agentguard.simulation.beliefs import Basis, Beliefs
from agentguard.simulation.bits import DRAWS
from agentguard.simulation.call_rows import text_hash
from agentguard.simulation.failure_paths import FailurePaths
from agentguard.simulation.first_failures import Scenario, without_calls
from agentguard.simulation.game_days import game_days, standby_days
from agentguard.simulation.intervals import predictive_interval
from agentguard.simulation.losses import HIT_PROBABILITY, Losses, hits, losses
from agentguard.simulation.model import (
    Assumptions,
    GameDay,
    ImpactedComponent,
    ImpactedWorkflow,
    Outcome,
    Precedent,
    RescuePrecedent,
)
from agentguard.simulation.recording import Recording
from agentguard.simulation.replay import Replayed, replay
from agentguard.simulation.structural import Structure, failed_nodes

if TYPE_CHECKING:
    from numpy.typing import NDArray


def structural_failures(
    r: Recording, s: Structure, scenarios: Iterable[Iterable[int]]
) -> NDArray[np.bool_]:
    """Return, by scenario and component number, what is out or fails structurally."""
    number, rows = r.number, []
    for failed in scenarios:
        start = [s.index[r.components[f]] for f in failed if r.components[f] in s.index]
        down = np.zeros(len(r.components), dtype=np.bool_)
        down[sorted(failed)] = True
        down[[number[s.components[n]] for n in failed_nodes(s, start).components]] = True
        rows.append(down)
    return np.array(rows).reshape(len(rows), len(r.components))


def numbered(r: Recording, scenario: model.Scenario) -> Scenario:
    """Return the scenario with component numbers."""
    number, partly = r.number, dict[int, set[int]]()
    for each in scenario.partly:
        partly.setdefault(number[each.component], set()).add(number[each.host])
    return Scenario(
        frozenset(number[c] for c in scenario.closed),
        {component: frozenset(hosts) for component, hosts in partly.items()},
    )


def simulate(
    graph: Graph, r: Recording, s: Structure, scenario: model.Scenario, beliefs: Beliefs
) -> Outcome:
    """Return what the recorded runs lose if these components fail."""
    failing = numbered(r, scenario)
    down = structural_failures(r, s, [failing.failed])
    found = replay(r, [failing], beliefs, down, bounds=True)
    return _Report(graph, r, beliefs, failing, down[0], found).outcome()


@dataclass(frozen=True, slots=True)
class _Report:
    graph: Graph
    r: Recording
    beliefs: Beliefs
    failing: Scenario
    down: NDArray[np.bool_]
    """By component: whether it is out or fails structurally."""
    found: Replayed

    def outcome(self) -> Outcome:
        paths = FailurePaths(self.r, self.failing, self.found.failures)
        lost = losses(self.r, self.found)
        workflows = tuple(self._workflows(lost, paths))
        return Outcome(
            components=tuple(sorted(self._components(paths), key=lambda c: (len(c.path), c.id))),
            workflows=tuple(
                sorted((w for w in workflows if w.may_lose), key=lambda w: (-w.runs_lost, w.id))
            ),
            runs_seen=len(self.r.run_failed),
            workflows_seen=len(np.unique(self.r.run_workflow)),
            assumptions=self._assumptions(),
            spared=tuple(w for w in workflows if not w.may_lose),
            game_days=self._game_days(lost.runs[:, :DRAWS].sum(axis=0)),
        )

    def _game_days(self, lost: NDArray[np.int64]) -> tuple[GameDay, ...]:
        found = (
            *game_days(self.r, self.beliefs, self.found.decided, lost),
            *standby_days(self.r, self.beliefs, self.failing.failed, lost, self._lost_if),
        )
        return tuple(sorted(found, key=lambda g: (-g.narrows, -g.calls, g.source, g.target)))

    def _lost_if(self, standby: int, chance: float) -> float:
        """Return the runs lost if this standby takes over with this chance."""
        down, untried = self.down[None, :], {standby: chance}
        found = replay(self.r, [self.failing], self.beliefs, down, untried=untried)
        return float(losses(self.r, found).expected.sum())

    def _components(self, paths: FailurePaths) -> Iterator[ImpactedComponent]:
        failures, r, listed = self.found.failures, self.r, self._listed()
        invocations = np.bincount(r.target, minlength=len(r.components))
        by_id = {c.id: c for c in self.graph.components}
        for place in paths.commonest(failures.row, r.target[failures.row]):
            row = int(failures.row[place])
            number = int(r.target[row])
            c = by_id.get(r.components[number])
            if c is not None and number in listed:
                probability, expected = listed[number]
                seen, way = int(invocations[number]), paths.up_to(row)
                yield ImpactedComponent(c.id, c.name, c.kind, way, seen, expected, probability)

    def _listed(self) -> dict[int, tuple[float, float]]:
        """Return the components hit, with the probability and the expected invocations."""
        hit = hits(self.r, self.found.failures)
        return {
            int(c): (float(p), float(n))
            for c, p, n in zip(hit.component, hit.probability, hit.expected, strict=True)
            if p >= HIT_PROBABILITY and c not in self.failing.failed
        }

    def _workflows(self, lost: Losses, paths: FailurePaths) -> Iterator[ImpactedWorkflow]:
        """Yield every recorded workflow, in order of id."""
        r, by_id = self.r, {w.id: w for w in self.graph.workflows}
        place, reached = {int(w): i for i, w in enumerate(lost.workflow)}, self._reached()
        seen = np.bincount(r.run_workflow, minlength=len(r.workflows))
        failed = np.bincount(r.run_workflow[r.run_failed], minlength=len(r.workflows))
        for number in np.flatnonzero((seen > 0) & r.known).tolist():
            w, runs = by_id[r.workflows[number]], (int(seen[number]), int(failed[number]))
            path = self._path(w, reached[number], paths) if number in place else ()
            yield self._workflow(w, runs, (lost, place.get(number)), path)

    def _reached(self) -> dict[int, NDArray[np.int64]]:
        """Return, by workflow, the calls whose failures reach its runs."""
        rows = self.found.lost.row
        return _by_value(self.r.run_workflow[self.r.run[rows]], rows)

    def _workflow(
        self,
        w: Workflow,
        runs: tuple[int, int],
        lost: tuple[Losses, int | None],
        path: tuple[model.Step, ...],
    ) -> ImpactedWorkflow:
        by_draw, expected, best, worst = _of_workflow(*lost)
        rng = np.random.default_rng([self.beliefs.seed, text_hash(w.id)])
        return ImpactedWorkflow(
            id=w.id,
            name=w.name,
            entry=w.entry,
            root=w.root,
            root_component=w.root_component,
            runs_seen=runs[0],
            runs_failed=runs[1],
            runs_lost=expected,
            share=expected / runs[0],
            interval=predictive_interval(by_draw, runs[0], rng),
            path=path,
            best=best,
            worst=worst,
        )

    def _path(
        self, w: Workflow, rows: NDArray[np.int64], paths: FailurePaths
    ) -> tuple[model.Step, ...]:
        end = paths.likeliest(rows)
        return (*paths.up_to(end), paths.last(w.id, end))

    def _assumptions(self) -> Assumptions:
        decided, basis = self.found.decided, self.beliefs.basis
        inner = decided.dependency >= 0
        unknown = inner & (basis[decided.dependency] == Basis.NEVER_SEEN)
        first = self.found.failures
        return Assumptions(
            calls_failed=int(((first.cause == -1) & ~self.r.repeats[first.row]).sum()),
            rescued_by_history=float((decided.rescued + decided.retried).sum()) / DRAWS,
            absorbed_by_history=float(decided.survived[inner & ~unknown].sum()) / DRAWS,
            absorption_unknown=int(decided.calls[unknown].sum()),
            precedents=tuple(
                sorted(self._precedents(), key=lambda p: (-p.calls, p.source, p.target))
            ),
            rescues=tuple(self._rescues()),
            fallback_seen=bool((self.r.pair[first.row] >= 0).any()),
            fallback_takes_over=bool(decided.rescued.any()),
            without_calls=self._silent(),
        )

    def _precedents(self) -> Iterator[Precedent]:
        d, decided, basis = self.r.dependencies, self.found.decided, self.beliefs.basis
        known = (decided.dependency >= 0) & (basis[decided.dependency] != Basis.NEVER_SEEN)
        numbers, calls = decided.dependency[known], decided.calls[known]
        survival = self.beliefs.survival.take(numbers)
        columns = (numbers, calls, survival.absorbed, survival.propagated, survival.mean)
        for number, n, absorbed, propagated, mean in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            before = self.beliefs.before[number]
            yield Precedent(
                self.r.components[int(d.source[number])],
                self.r.components[int(d.target[number])],
                absorbed,
                absorbed + propagated,
                n,
                mean,
                bool(basis[number] == Basis.DECLARED),
                sum(before.counts),
                before.last,
            )

    def _rescues(self) -> Iterator[RescuePrecedent]:
        """Yield the fallbacks that take over calls: those that do not fail in the scenario too."""
        d, fallbacks, decided = self.r.dependencies, self.r.fallbacks, self.found.decided
        taken = (decided.dependency >= 0) & (decided.rescued > 0)
        at, rescued = decided.dependency[taken], decided.rescued[taken]
        pairs = fallbacks.of(d.source[at], d.target[at])
        for pair, draws in zip(pairs.tolist(), rescued.tolist(), strict=True):
            for s in fallbacks.secondaries[pair] if pair >= 0 else ():
                if not self.down[s.number]:
                    yield RescuePrecedent(
                        s.owner, s.primary, s.secondary, s.rescued, s.tried, draws / DRAWS
                    )

    def _silent(self) -> tuple[tuple[str, str], ...]:
        d = self.r.dependencies
        found = [dependency for _, dependency in without_calls(self.r, self.failing)]
        return tuple(
            (self.r.components[int(d.source[n])], self.r.components[int(d.target[n])])
            for n in found
        )


def _by_value(values: NDArray[np.int64], rows: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
    """Return the rows of each value, in their order."""
    if not len(values):
        return {}
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    begins = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    return dict(zip(ordered[begins].tolist(), np.split(rows[order], begins[1:]), strict=True))


def _of_workflow(found: Losses, place: int | None) -> tuple[NDArray[np.int64], float, float, float]:
    """Return the runs lost by draw, and the expectation as believed, at best and at worst."""
    if place is None:
        return np.zeros(DRAWS, np.int64), 0.0, 0.0, 0.0
    expected, best, worst = found.expected, found.bound(1), found.bound(2)
    by_draw = found.runs[place, :DRAWS]
    return by_draw, float(expected[place]), float(best[place]), float(worst[place])
