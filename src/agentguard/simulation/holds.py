"""What a failure costs if callers go on without some of their callees."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.simulation.beliefs import beliefs
from agentguard.simulation.declared import NO_FACTS, DeclaredFacts, with_standbys
from agentguard.simulation.engine import simulate
from agentguard.simulation.methods import recorded
from agentguard.simulation.model import SimulationResult
from agentguard.simulation.modes import OUTAGE, parse_mode
from agentguard.simulation.outages import Model, Outage

Edge = tuple[str, str]
"""(caller, callee)."""
LossesWithout = Callable[[Iterable[Edge]], Mapping[str, float]]
"""Dependencies → workflow id → runs lost if their callers survive without them."""


@dataclass(frozen=True, slots=True)
class Holding:
    """Simulates one failure again, with dependencies whose callers go on without them."""

    lost: Mapping[str, float]
    """Workflow id → runs lost if nothing is done."""
    without: LossesWithout

    def saved(self, edges: Iterable[Edge]) -> dict[str, float]:
        """Return workflow id → runs saved if the callers go on without these dependencies."""
        left = self.without(edges)
        return {w: max(0.0, n - left.get(w, 0.0)) for w, n in self.lost.items()}


def holding(
    graph: Graph, runs: Runs | None, result: SimulationResult, declared: DeclaredFacts = NO_FACTS
) -> Holding | None:
    """Return how to simulate holds of this failure; None without recorded runs.

    `declared`: what the catalog says of failures, which the simulation knew too.
    All simulations draw the same, so that a difference is that of the dependencies held. Outages
    are replayed, other modes drawn by chance; each costs as much as the simulation itself.
    """
    if runs is None or not recorded(runs):
        return None
    out = all(mode == OUTAGE.text for mode in result.modes.values())
    simulated = _replayed if out else _drawn
    without = simulated(with_standbys(graph, declared), runs, result, declared)
    return Holding(without(()), without)


def _replayed(
    graph: Graph, runs: Runs, result: SimulationResult, declared: DeclaredFacts
) -> LossesWithout:
    model = Model.of(graph, runs, seed=result.seed)
    outage = Outage(result.scenario.failed)

    def without(edges: Iterable[Edge]) -> Mapping[str, float]:
        facts = _with_survivors(declared, edges)
        believed = beliefs(graph, model.recording, seed=result.seed, declared=facts)
        (lost,) = replace(model, beliefs=believed).lost([outage])
        return lost

    return without


def _drawn(
    graph: Graph, runs: Runs, result: SimulationResult, declared: DeclaredFacts
) -> LossesWithout:
    modes = {component: parse_mode(text) for component, text in result.modes.items()}

    def without(edges: Iterable[Edge]) -> Mapping[str, float]:
        found = simulate(
            graph,
            runs,
            result.scenario.failed,
            modes=modes,
            seed=result.seed,
            facts=_with_survivors(declared, edges),
        )
        return {w.id: w.runs_lost for w in found.workflows}

    return without


def _with_survivors(declared: DeclaredFacts, edges: Iterable[Edge]) -> DeclaredFacts:
    return replace(declared, survives={**declared.survives, **dict.fromkeys(edges, True)})
