"""All findings in one pass over a graph and its recorded runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agentguard.analysis.centrality import Betweenness, betweenness, pagerank
from agentguard.analysis.cycles import shortest_cycle, simple_cycles, strongly_connected
from agentguard.analysis.impact import impacts
from agentguard.analysis.levels import spofs_at
from agentguard.analysis.model import RISK_VERSION, Analysis, Centrality, Cycle, Risk
from agentguard.analysis.risk import NO_CATALOG_NOTE, risks
from agentguard.analysis.run_loops import run_loops
from agentguard.analysis.spofs import spofs
from agentguard.catalog.matching import Matches
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.hosting import dependencies_at
from agentguard.graph.level import Level
from agentguard.graph.model import Dependency, Evidence, Graph
from agentguard.graph.runs import Runs


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
    names = sorted(c.id for c in graph.components)
    edges = _edges(_ends(graph), names)
    found = impacts(graph, runs, seed=seed)
    between = betweenness(len(names), edges, seed=seed)
    centrality = _centrality(names, edges, between)
    search = _CycleSearch.of(graph, level)
    simple, truncated = search.simple()
    scored = risks(graph, found, centrality, matches)
    return Analysis(
        method=found.method,
        seed=seed,
        spofs=spofs_at(graph, spofs(graph, found), level),
        cycles=search.cycles(),
        simple_cycles=simple,
        cycles_truncated=truncated,
        centrality=centrality,
        betweenness_exact=between.exact,
        betweenness_sources=between.sources,
        risks=scored,
        risk_version=RISK_VERSION,
        risk_note=NO_CATALOG_NOTE if matches is None or matches.catalog is None else None,
        run_loops=run_loops(graph, runs),
        overall_risk=_overall(scored),
    )


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


def _overall(scored: tuple[Risk, ...]) -> float:
    agents = [r.score for r in scored if r.kind is ComponentKind.AGENT]
    return max(agents or [r.score for r in scored], default=0.0)
