"""The Monte Carlo method: how likely each component and workflow fails, in any mode of failure.

A trial is one run of everything. In it, each pair of components is used as often as in the window,
faulty calls fail at their rate, fallbacks succeed as often as they did, and a failure passes on
where the caller's code does not survive it. What nobody knows for certain (which callers survive)
is drawn once per world; many trials share a world. Runs are not replayed: the method also answers
for graphs without recorded runs, and what no recorded run shows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agentguard.compute.arrays import U64
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs, no_runs
from agentguard.simulation.beliefs import Basis, Beliefs, Rescue, beliefs
from agentguard.simulation.bits import DRAWS
from agentguard.simulation.cascade import Cascade, Trials, spread
from agentguard.simulation.declared import NO_FACTS, DeclaredFacts
from agentguard.simulation.faults import Fault, faults_by_component, latency_factors
from agentguard.simulation.methods import recorded
from agentguard.simulation.model import Outcome, Scenario
from agentguard.simulation.modes import FailureMode, Mode
from agentguard.simulation.monte_carlo_report import Found, Report
from agentguard.simulation.network import Network, counted_network
from agentguard.simulation.propagation import (
    Group,
    Key,
    Knowledge,
    Retries,
    cascade_of,
    data_groups,
    failure_groups,
    faults_of,
)
from agentguard.simulation.recorded_network import recorded_network
from agentguard.simulation.recording import Recording, recording
from agentguard.simulation.structural import Structure
from agentguard.simulation.timeouts import SlowPair, slow_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GROUP_WORDS = 2**22
"""Words drawn at most for all groups together."""
_MOST_WORDS = 16
"""Words that share a world: at most 1,024 trials."""
_LOST = frozenset({FailureMode.OUTAGE, FailureMode.ERRORS, FailureMode.LATENCY})
_WRONG = frozenset({FailureMode.WRONG_OUTPUT})

Modes = Mapping[str, Mode]
"""By id of a component that a scenario names; the others are out."""


def simulate(  # noqa: PLR0913 - all inputs that a result depends on
    graph: Graph,
    runs: Runs | None,
    s: Structure,
    scenario: Scenario,
    modes: Modes,
    *,
    seed: int,
    declared: DeclaredFacts = NO_FACTS,
    threads: int = 1,
) -> Outcome:
    """Return what is expected to fail; what is declared overrides what was seen.

    CPU-bound: about a second for thousands of dependencies.
    """
    scenarios = [(scenario, modes)]
    [found] = simulate_all(graph, runs, s, scenarios, seed=seed, declared=declared, threads=threads)
    return found


def simulate_all(
    graph: Graph,
    runs: Runs | None,
    s: Structure,
    scenarios: Sequence[tuple[Scenario, Modes]],
    *,
    seed: int,
    declared: DeclaredFacts = NO_FACTS,
    threads: int = 1,
) -> list[Outcome]:
    """Return what is expected to fail in each scenario, with common random numbers."""
    world = _world(graph, runs, seed, declared)
    return [world.report(graph, runs, s, *each, threads).outcome() for each in scenarios]


@dataclass(frozen=True, slots=True)
class _Survival:
    """How likely each pair's owner survives, by world: as believed, and at both ends."""

    expected: Mapping[Key, NDArray[np.float64]]
    best: Mapping[Key, NDArray[np.float64]]
    """What was never seen is survived."""
    worst: Mapping[Key, NDArray[np.float64]]
    retries: Mapping[Key, Retries]


@dataclass(frozen=True, slots=True)
class _World:
    """Everything that scenarios of one graph share."""

    network: Network
    survival: _Survival
    trials: Trials
    failing: Sequence[Group]
    """As believed of fallbacks that were never seen to take over; then, if all or none do."""
    failing_best: Sequence[Group]
    failing_worst: Sequence[Group]
    carrying: Sequence[Group]
    timeouts: Mapping[str, float]
    """Declared, by caller, in seconds."""

    def report(
        self,
        graph: Graph,
        runs: Runs | None,
        s: Structure,
        scenario: Scenario,
        modes: Modes,
        threads: int,
    ) -> Report:
        faults = faults_by_component(graph, scenario, modes)
        slow = slow_pairs(graph, runs, latency_factors(faults), self.timeouts)
        sure, possible = self._known(faults, slow)
        wrong = self._wrong(sure, threads)
        found = Found(
            failed=self._failed(self.failing, self.survival.expected, sure, threads),
            wrong=wrong,
            best=self._failed(self.failing_best, self.survival.best, sure, threads) | wrong,
            worst=self._failed(self.failing_worst, self.survival.worst, possible, threads) | wrong,
        )
        groups = [*self.failing, *(self.carrying if wrong.any() else [])]
        return Report(graph, s, self.network, self.trials, faults, tuple(slow), found, groups)

    def _known(
        self, faults: Mapping[str, tuple[Fault, ...]], slow: Sequence[SlowPair]
    ) -> tuple[Knowledge, Knowledge]:
        """Return what is known for certain of timeouts, and the worst that may be."""
        shares = (
            {(p.source, p.target): p.sure for p in slow},
            {(p.source, p.target): p.possible for p in slow},
        )
        sure, possible = (Knowledge(faults, each, self.survival.retries) for each in shares)
        return sure, possible

    def _failed(
        self,
        groups: Sequence[Group],
        survives: Mapping[Key, NDArray[np.float64]],
        known: Knowledge,
        threads: int,
    ) -> U64:
        cascade = cascade_of(self.network, groups, survives)
        return self._spread(cascade, groups, known, _LOST, threads)

    def _wrong(self, known: Knowledge, threads: int) -> U64:
        if not any(f.mode.kind in _WRONG for every in known.faults.values() for f in every):
            return np.zeros((self.network.size, self.trials.words), dtype=np.uint64)
        cascade = cascade_of(self.network, self.carrying, {})
        return self._spread(cascade, self.carrying, known, _WRONG, threads)

    def _spread(
        self,
        cascade: Cascade,
        groups: Sequence[Group],
        known: Knowledge,
        kinds: frozenset[FailureMode],
        threads: int,
    ) -> U64:
        """Return (nodes, words): in which trials each fails."""
        faults = faults_of(self.network, groups, known, kinds)
        every = np.arange(self.network.size)
        [found] = spread(cascade, [faults], self.trials, watched=every, threads=threads)
        return found.watched


def _world(graph: Graph, runs: Runs | None, seed: int, declared: DeclaredFacts) -> _World:
    """Return what is known of a graph.

    Without recorded runs, its counts of absorbed and propagated failures are used.
    """
    has_runs = recorded(runs)
    r = recording(graph, runs if runs is not None else no_runs())
    earlier = None if has_runs else _counted(graph)
    believed = beliefs(graph, r, seed=seed, earlier=earlier, declared=declared)
    believed_of, best, worst = (
        recorded_network(graph, r, rescues) if has_runs else counted_network(graph, rescues)
        for rescues in (_rescues(graph, believed, untried) for untried in (None, 1.0, 0.0))
    )
    network = believed_of
    failing, carrying = failure_groups(network), data_groups(network)
    size = max(len(failing), len(carrying), 1)
    words = max(1, min(_MOST_WORDS, _GROUP_WORDS // (DRAWS * size)))
    trials = Trials(DRAWS, words, seed)
    return _World(
        network,
        _survival(graph, r, believed),
        trials,
        failing,
        failure_groups(best),
        failure_groups(worst),
        carrying,
        declared.timeouts,
    )


def _survival(graph: Graph, r: Recording, b: Beliefs) -> _Survival:
    """Return what recorded failures show, else what the kinds of callees suggest.

    The failure of what a workflow's work starts with is never survived.
    """
    keys = r.dependencies.keys(r.components)
    chances = b.survival_chances(np.arange(len(keys)))
    entries = {(w.root_component, w.entry, True) for w in graph.workflows}
    is_entry = np.array([key in entries for key in keys], dtype=np.bool_)
    unseen = (b.basis == int(Basis.NEVER_SEEN)) & ~is_entry
    chances[is_entry] = 0.0
    return _Survival(
        expected=dict(zip(keys, chances, strict=True)),
        best=dict(zip(keys, np.where(unseen[:, None], 1.0, chances), strict=True)),
        worst=dict(zip(keys, np.where(unseen[:, None], 0.0, chances), strict=True)),
        retries=dict(_retries(keys, b)),
    )


def _retries(keys: Sequence[Key], b: Beliefs) -> Iterator[tuple[Key, Retries]]:
    for key, times, good, bad in zip(keys, b.attempts, b.retry_a, b.retry_b, strict=True):
        if times:
            yield key, Retries(float(good / (good + bad)), int(times))


def _counted(graph: Graph) -> dict[Key, tuple[float, float]]:
    found: dict[Key, tuple[float, float]] = {}
    for d in graph.dependencies:
        absorbed, propagated = found.get((d.source, d.target, d.type.returns), (0.0, 0.0))
        found[d.source, d.target, d.type.returns] = (
            absorbed + max(0, d.absorbed - d.retries),
            propagated + d.propagated,
        )
    return found


def _rescues(graph: Graph, b: Beliefs, untried: float | None) -> dict[tuple[str, str], float]:
    """Return the mean success rate by (owner, secondary), over all primaries that it replaces.

    `untried`: the rate of those that were never seen to take over; None: as believed.
    """
    rescues = defaultdict[tuple[str, str], list[Rescue]](list)
    for each in (e for group in b.rescues for e in group):
        rescues[each.secondary.owner, each.secondary.secondary].append(each)
    found = dict.fromkeys(sorted({(f.owner, f.secondary) for f in graph.fallbacks}), 0.0)
    return found | {pair: _rate(every, untried) for pair, every in rescues.items()}


def _rate(rescues: Sequence[Rescue], untried: float | None) -> float:
    if untried is not None and not any(each.secondary.tried for each in rescues):
        return untried
    return sum(each.a for each in rescues) / sum(each.a + each.b for each in rescues)
