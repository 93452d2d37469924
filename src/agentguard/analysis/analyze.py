"""All findings in one pass over a graph and its recorded runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agentguard.analysis.centrality import Betweenness, betweenness, pagerank
from agentguard.analysis.combinations import combinations
from agentguard.analysis.cycles import shortest_cycle, simple_cycles, strongly_connected
from agentguard.analysis.impact import Impacts, impacts_in
from agentguard.analysis.levels import spofs_at
from agentguard.analysis.likelihood import likelihoods, used_components
from agentguard.analysis.model import RISK_VERSION, Analysis, Centrality, Cycle, Series, Spof
from agentguard.analysis.risk import NO_CATALOG_NOTE, Basis, risks
from agentguard.analysis.run_loops import run_loops
from agentguard.analysis.series import series
from agentguard.analysis.spofs import spofs, structural_only
from agentguard.catalog.matching import Matches, match
from agentguard.compute.digraphs import articulation_points, immediate_dominators
from agentguard.compute.garbage import no_cycle_collection
from agentguard.graph.hosting import dependencies_at
from agentguard.graph.level import Level
from agentguard.graph.model import Dependency, Evidence, Graph
from agentguard.graph.runs import Runs
from agentguard.simulation.declared import DeclaredFacts, facts_of
from agentguard.simulation.methods import recorded
from agentguard.simulation.outages import Model
from agentguard.simulation.spares import NOTHING_SPARED, Spared, spared
from agentguard.simulation.stakes import stakes
from agentguard.simulation.structural import Structure, structure


def analyze(
    graph: Graph,
    runs: Runs | None,
    *,
    matches: Matches | None = None,
    seed: int = 0,
    level: Level = Level.AGENT,
) -> Analysis:
    """Return the findings; single points of failure and cycles at this level.

    Without matches, or without a catalog in them, risk has no exposure factor and `risk_note` says
    so. CPU-bound: seconds for some hundred components and 50,000 runs.
    """
    with no_cycle_collection():
        return _analysis(graph, runs, matches, seed, level)


def _analysis(
    graph: Graph, runs: Runs | None, matches: Matches | None, seed: int, level: Level
) -> Analysis:
    declared = matches or match(graph, None)
    shape = _Shape.of(graph, seed)
    replayed = _Replayed.of(graph, runs, seed, facts_of(graph, declared))
    scored = risks(graph, _basis(graph, runs, replayed, shape, declared))
    search = _CycleSearch.of(graph, level)
    simple, truncated = search.simple()
    points, in_series = replayed.points(graph, level)
    return Analysis(
        method=replayed.found.method,
        seed=seed,
        spofs=points,
        series=in_series,
        combinations=combinations(graph, replayed.structure, replayed.model),
        dominators=shape.dominators,
        articulation_points=shape.articulation_points,
        cycles=search.cycles(),
        simple_cycles=simple,
        cycles_truncated=truncated,
        centrality=shape.centrality,
        betweenness_exact=shape.between.exact,
        betweenness_sources=shape.between.sources,
        risks=scored,
        risk_version=RISK_VERSION,
        risk_note=NO_CATALOG_NOTE if declared.catalog is None else None,
        run_loops=run_loops(graph, runs),
        overall_risk=scored[0].score if scored else 0.0,
    )


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the dependencies alone tell."""

    between: Betweenness
    centrality: tuple[Centrality, ...]
    dominators: Mapping[str, str | None]
    articulation_points: tuple[str, ...]

    @staticmethod
    def of(graph: Graph, seed: int) -> _Shape:
        names = sorted(c.id for c in graph.components)
        edges = _edges(_ends(graph), names)
        between = betweenness(len(names), edges, seed=seed)
        return _Shape(
            between,
            _centrality(names, edges, between),
            _dominators(graph, names, edges),
            tuple(names[n] for n in articulation_points(len(names), edges)),
        )


@dataclass(frozen=True, slots=True)
class _Replayed:
    """What outages cost, without and with a spare."""

    found: Impacts
    model: Model | None
    structure: Structure
    spare: Spared

    @staticmethod
    def of(graph: Graph, runs: Runs | None, seed: int, declared: DeclaredFacts) -> _Replayed:
        model = None
        if runs is not None and recorded(runs):
            model = Model.of(graph, runs, seed=seed, declared=declared)
        s = structure(graph, runs, declared.survives) if model is None else model.structure
        found = impacts_in(graph, s, model)
        return _Replayed(found, model, s, _spared(graph, runs, found, seed, declared))

    def points(self, graph: Graph, level: Level) -> tuple[tuple[Spof, ...], tuple[Series, ...]]:
        """Return the single points of failure of this level, as a list and by workflow."""
        points = spofs_at(graph, spofs(graph, self.found), level)
        only = structural_only(graph, self.found)
        return points, series(graph, self.structure, points, self.spare, only)


def _basis(
    graph: Graph,
    runs: Runs | None,
    replayed: _Replayed,
    shape: _Shape,
    declared: Matches,
) -> Basis:
    return Basis(
        replayed.found,
        stakes(declared, graph.workflows, replayed.found.workflows),
        likelihoods(graph, used_components(graph, runs)),
        shape.centrality,
        replayed.spare,
        declared,
    )


def _spared(
    graph: Graph, runs: Runs | None, found: Impacts, seed: int, declared: DeclaredFacts
) -> Spared:
    lost = {c: impact.runs_lost for c, impact in found.of.items() if impact.runs_lost}
    if runs is None or not lost:
        return NOTHING_SPARED
    return spared(graph, runs, lost, seed=seed, declared=declared)


def _dominators(
    graph: Graph, names: list[str], edges: list[tuple[int, int]]
) -> dict[str, str | None]:
    number = {name: i for i, name in enumerate(names)}
    entries = sorted({number[w.root_component] for w in graph.workflows})
    found = immediate_dominators(len(names), edges, entries)
    return {
        names[node]: None if above is None else names[above]
        for node, above in sorted(found.items())
    }


def _ends(graph: Graph) -> Iterable[tuple[str, str]]:
    return ((d.source, d.target) for d in graph.dependencies)


def _edges(ends: Iterable[tuple[str, str]], names: list[str]) -> list[tuple[int, int]]:
    number = {name: i for i, name in enumerate(names)}
    return sorted({(number[source], number[target]) for source, target in ends})


def _centrality(
    names: list[str], edges: list[tuple[int, int]], between: Betweenness
) -> tuple[Centrality, ...]:
    return tuple(map(Centrality, names, between.values, pagerank(len(names), edges)))


@dataclass(frozen=True, slots=True)
class _CycleSearch:
    """The dependencies of one level, in which cycles are looked for."""

    dependencies: tuple[tuple[str, str, Dependency], ...]
    """Source and target at this level, and the dependency."""
    names: list[str]
    edges: list[tuple[int, int]]

    @staticmethod
    def of(graph: Graph, level: Level) -> _CycleSearch:
        dependencies = tuple(dependencies_at(graph, level))
        ends = {(source, target) for source, target, _ in dependencies}
        names = sorted({end for pair in ends for end in pair})
        return _CycleSearch(dependencies, names, _edges(ends, names))

    def simple(self) -> tuple[tuple[tuple[str, ...], ...], bool]:
        """Return simple cycles, and whether some are left out."""
        listed, truncated = simple_cycles(len(self.names), self.edges)
        return tuple(tuple(self.names[n] for n in cycle) for cycle in listed), truncated

    def cycles(self) -> tuple[Cycle, ...]:
        evidence = self._evidence()
        cycles = []
        for part in strongly_connected(len(self.names), self.edges):
            witness = [self.names[n] for n in shortest_cycle(part, self.edges)]
            steps = zip(witness, [*witness[1:], witness[0]], strict=True)
            proof = tuple(e for step in steps for e in evidence[step])
            cycles.append(Cycle(tuple(self.names[n] for n in part), tuple(witness), proof))
        return tuple(cycles)

    def _evidence(self) -> dict[tuple[str, str], tuple[Evidence, ...]]:
        evidence: dict[tuple[str, str], tuple[Evidence, ...]] = {}
        for source, target, d in sorted(self.dependencies, key=_order):
            evidence.setdefault((source, target), d.evidence[:1])
        return evidence


def _order(ends: tuple[str, str, Dependency]) -> tuple[str, str, str, str]:
    source, target, d = ends
    return source, target, d.type.value, d.via or ""
