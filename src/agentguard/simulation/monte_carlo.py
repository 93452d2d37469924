"""The Monte Carlo method: how likely each component and workflow fails, in any mode of failure.

A trial is one run of everything. In it, each pair of components is used as often as in the window,
faulty calls fail at their rate, fallbacks succeed as often as they did, and a failure passes on
where the caller's code does not survive it. What nobody knows for certain (which callers survive)
is drawn once per world; many trials share a world. Runs are not replayed: the method also answers
for graphs without recorded runs, and what no recorded run shows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agentguard.compute.arrays import U64
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs, no_runs
from agentguard.simulation.beliefs import Basis, Beliefs, beliefs
from agentguard.simulation.bits import DRAWS
from agentguard.simulation.cascade import Cascade, Trials, spread
from agentguard.simulation.methods import recorded
from agentguard.simulation.model import Outcome, Scenario
from agentguard.simulation.modes import OUTAGE, FailureMode, Mode
from agentguard.simulation.monte_carlo_report import Found, Report
from agentguard.simulation.network import Network, counted_network
from agentguard.simulation.propagation import (
    Fault,
    Group,
    Key,
    Knowledge,
    cascade_of,
    data_groups,
    failure_groups,
    faults_of,
)
from agentguard.simulation.recorded_network import recorded_network
from agentguard.simulation.recording import Recording, recording
from agentguard.simulation.structural import Structure
from agentguard.simulation.timeouts import slow_pairs

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
    declared: Mapping[tuple[str, str], bool] | None = None,
    threads: int = 1,
) -> Outcome:
    """Return what is expected to fail; `declared` says of (caller, callee) whether it survives.

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
    declared: Mapping[tuple[str, str], bool] | None = None,
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
    retries: Mapping[Key, float]


@dataclass(frozen=True, slots=True)
class _World:
    """Everything that scenarios of one graph share."""

    network: Network
    survival: _Survival
    trials: Trials
    failing: Sequence[Group]
    carrying: Sequence[Group]

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
        slow = slow_pairs(graph, runs, _factors(faults))
        sure, possible = (
            Knowledge(
                faults,
                {(p.source, p.target): p.possible if worst else p.sure for p in slow},
                self.survival.retries,
            )
            for worst in (False, True)
        )
        wrong = self._wrong(sure, threads)
        found = Found(
            failed=self._failed(self.survival.expected, sure, threads),
            wrong=wrong,
            best=self._failed(self.survival.best, sure, threads) | wrong,
            worst=self._failed(self.survival.worst, possible, threads) | wrong,
        )
        groups = [*self.failing, *(self.carrying if wrong.any() else [])]
        return Report(graph, s, self.network, self.trials, faults, tuple(slow), found, groups)

    def _failed(
        self, survives: Mapping[Key, NDArray[np.float64]], known: Knowledge, threads: int
    ) -> U64:
        cascade = cascade_of(self.network, self.failing, survives)
        return self._spread(cascade, self.failing, known, _LOST, threads)

    def _wrong(self, known: Knowledge, threads: int) -> U64:
        if not any(fault.mode.kind in _WRONG for fault in known.faults.values()):
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


def _world(
    graph: Graph, runs: Runs | None, seed: int, declared: Mapping[tuple[str, str], bool] | None
) -> _World:
    """Return what is known of a graph.

    Without recorded runs, its counts of absorbed and propagated failures are used.
    """
    has_runs = recorded(runs)
    r = recording(graph, runs if runs is not None else no_runs())
    earlier = None if has_runs else _counted(graph)
    believed = beliefs(graph, r, seed=seed, earlier=earlier, declared=declared)
    rescues = _rescues(graph, believed)
    network = recorded_network(graph, r, rescues) if has_runs else counted_network(graph, rescues)
    failing, carrying = failure_groups(network), data_groups(network)
    size = max(len(failing), len(carrying), 1)
    words = max(1, min(_MOST_WORDS, _GROUP_WORDS // (DRAWS * size)))
    trials = Trials(DRAWS, words, seed)
    return _World(network, _survival(graph, r, believed), trials, failing, carrying)


def faults_by_component(graph: Graph, scenario: Scenario, modes: Modes) -> dict[str, Fault]:
    """Return the faults: what runs in a host fails as the host does.

    What also runs in a working host fails in the share of its runs that are in a failed one.
    """
    host_of = {h.component: h.host for h in scenario.hosted}
    found = {}
    for component in scenario.closed:
        origin = component
        while origin not in scenario.failed:
            origin = host_of[origin]
        found[component] = Fault(modes.get(origin, OUTAGE))
    failing: dict[str, list[str]] = {}
    for h in scenario.partly:
        failing.setdefault(h.component, []).append(h.host)
    for guest, hosts in sorted(failing.items()):
        mode = found[hosts[0]].mode if hosts[0] in found else OUTAGE
        found[guest] = Fault(mode, _share_in(graph, guest, hosts))
    return found


def _share_in(graph: Graph, guest: str, hosts: Sequence[str]) -> float:
    runs = [(h.host, h.runs) for h in graph.runs_in if h.component == guest]
    total = sum(n for _, n in runs)
    return sum(n for host, n in runs if host in hosts) / total if total else 1.0


def _factors(faults: Mapping[str, Fault]) -> dict[str, float]:
    return {
        c: f.mode.amount
        for c, f in faults.items()
        if f.mode.kind is FailureMode.LATENCY and f.mode.amount is not None
    }


def _survival(graph: Graph, r: Recording, b: Beliefs) -> _Survival:
    """Return what recorded failures show, else what the kinds of callees suggest.

    The failure of what a workflow's work starts with is never survived.
    """
    keys = _keys(r)
    chances = b.survival_chances(np.arange(len(keys)))
    entries = {(w.root_component, w.entry, True) for w in graph.workflows}
    is_entry = np.array([key in entries for key in keys], dtype=np.bool_)
    unseen = (b.basis == int(Basis.NEVER_SEEN)) & ~is_entry
    chances[is_entry] = 0.0
    return _Survival(
        expected=dict(zip(keys, chances, strict=True)),
        best=dict(zip(keys, np.where(unseen[:, None], 1.0, chances), strict=True)),
        worst=dict(zip(keys, np.where(unseen[:, None], 0.0, chances), strict=True)),
        retries={
            key: float(a / (a + c))
            for key, n, a, c in zip(keys, b.retried, b.retry_a, b.retry_b, strict=True)
            if n
        },
    )


def _counted(graph: Graph) -> dict[Key, tuple[float, float]]:
    found: dict[Key, tuple[float, float]] = {}
    for d in graph.dependencies:
        absorbed, propagated = found.get((d.source, d.target, d.type.returns), (0.0, 0.0))
        found[d.source, d.target, d.type.returns] = (
            absorbed + max(0, d.absorbed - d.retries),
            propagated + d.propagated,
        )
    return found


def _keys(r: Recording) -> list[Key]:
    d, names = r.dependencies, (*r.components, "")
    columns = zip(d.source.tolist(), d.target.tolist(), d.returns.tolist(), strict=True)
    return [(names[source], names[target], returns) for source, target, returns in columns]


def _rescues(graph: Graph, b: Beliefs) -> dict[tuple[str, str], float]:
    """Return the mean success rate by (owner, secondary), over all primaries that it replaces."""
    worked, tried = (
        defaultdict[tuple[str, str], float](float),
        defaultdict[tuple[str, str], float](float),
    )
    for each in (e for group in b.rescues for e in group):
        pair = each.secondary.owner, each.secondary.secondary
        worked[pair] += each.a
        tried[pair] += each.a + each.b
    every = {(f.owner, f.secondary) for f in graph.fallbacks}
    return {pair: worked[pair] / tried[pair] if pair in tried else 0.0 for pair in sorted(every)}
