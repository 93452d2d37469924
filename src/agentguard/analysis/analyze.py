"""All findings in one pass over a graph and its recorded runs."""

from __future__ import annotations

from agentguard.analysis.centrality import Betweenness, betweenness, pagerank
from agentguard.analysis.cycles import shortest_cycle, simple_cycles, strongly_connected
from agentguard.analysis.impact import impacts
from agentguard.analysis.model import RISK_VERSION, Analysis, Centrality, Cycle, Risk
from agentguard.analysis.risk import NO_CATALOG_NOTE, risks
from agentguard.analysis.spofs import spofs
from agentguard.catalog.matching import Matches
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Evidence, Graph
from agentguard.graph.runs import Runs


def analyze(
    graph: Graph, runs: Runs | None, *, matches: Matches | None = None, seed: int = 0
) -> Analysis:
    """Return the findings.

    Without matches, or without a catalog in them, risk has no exposure factor and `risk_note` says
    so. CPU-bound: seconds for some hundred components and 50,000 runs.
    """
    names = sorted(c.id for c in graph.components)
    edges = _edges(graph, names)
    found = impacts(graph, runs, seed=seed)
    between = betweenness(len(names), edges, seed=seed)
    centrality = _centrality(names, edges, between)
    listed, truncated = simple_cycles(len(names), edges)
    scored = risks(graph, found, centrality, matches)
    return Analysis(
        method=found.method,
        seed=seed,
        spofs=spofs(graph, found),
        cycles=_cycles(graph, names, edges),
        simple_cycles=tuple(tuple(names[n] for n in cycle) for cycle in listed),
        cycles_truncated=truncated,
        centrality=centrality,
        betweenness_exact=between.exact,
        betweenness_sources=between.sources,
        risks=scored,
        risk_version=RISK_VERSION,
        risk_note=NO_CATALOG_NOTE if matches is None or matches.catalog is None else None,
        overall_risk=_overall(scored),
    )


def _edges(graph: Graph, names: list[str]) -> list[tuple[int, int]]:
    number = {name: i for i, name in enumerate(names)}
    return sorted({(number[d.source], number[d.target]) for d in graph.dependencies})


def _centrality(
    names: list[str], edges: list[tuple[int, int]], between: Betweenness
) -> tuple[Centrality, ...]:
    return tuple(map(Centrality, names, between.values, pagerank(len(names), edges)))


def _cycles(graph: Graph, names: list[str], edges: list[tuple[int, int]]) -> tuple[Cycle, ...]:
    evidence: dict[tuple[str, str], tuple[Evidence, ...]] = {}
    for d in sorted(
        graph.dependencies, key=lambda d: (d.source, d.target, d.type.value, d.via or "")
    ):
        evidence.setdefault((d.source, d.target), d.evidence[:1])
    cycles = []
    for part in strongly_connected(len(names), edges):
        witness = [names[n] for n in shortest_cycle(part, edges)]
        steps = zip(witness, [*witness[1:], witness[0]], strict=True)
        cycles.append(
            Cycle(
                tuple(names[n] for n in part),
                tuple(witness),
                tuple(e for step in steps for e in evidence[step]),
            )
        )
    return tuple(cycles)


def _overall(scored: tuple[Risk, ...]) -> float:
    agents = [r.score for r in scored if r.kind is ComponentKind.AGENT]
    return max(agents or [r.score for r in scored], default=0.0)
