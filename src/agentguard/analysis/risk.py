"""Risk, 0 to 10, and the factors it is the sum of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from agentguard.analysis.impact import Impact, Impacts
from agentguard.analysis.model import Centrality, Risk, RiskFactor
from agentguard.catalog.matching import Match, Matches, Standing
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Component, Graph
from agentguard.graph.significance import wilson
from agentguard.simulation.requirements import component_requirements

WEIGHTS = {
    "impact": 0.40,
    "likelihood": 0.20,
    "redundancy": 0.15,
    "centrality": 0.10,
    "exposure": 0.15,
}
"""The largest share of the score that each factor can contribute.

Judgment, not measurement: impact first, then likelihood, then mitigation. A change needs a new
RISK_VERSION.
"""

NO_CATALOG_NOTE = (
    "No catalog is set: the exposure factor (shadow agent, no owner) is left out, and its weight is"
    " distributed among the other factors."
)

_NO_OWNER = 0.5
"""Exposure of a component without an owner: between an owned one (0) and a shadow agent (1)."""


@dataclass(frozen=True, slots=True)
class _Value:
    """A factor's value, 0 to 1, and the reason."""

    value: float
    reason: str


def risks(
    graph: Graph, found: Impacts, centrality: tuple[Centrality, ...], matches: Matches | None
) -> tuple[Risk, ...]:
    """Return the risk of every component, highest first; `workflow` components have none."""
    alternatives = _alternatives(graph)
    central = _Central(centrality)
    standing = (
        {m.component: m for m in matches.components}
        if matches is not None and matches.catalog is not None
        else None
    )
    scored = []
    for c in graph.components:
        if c.kind is not ComponentKind.WORKFLOW:
            values = {
                "impact": _impact(found.of[c.id]),
                "likelihood": _likelihood(graph, c),
                "redundancy": _redundancy(*alternatives[c.id]),
                "centrality": central.value(c.id),
            }
            scored.append(
                _risk(
                    c,
                    (
                        values
                        if standing is None
                        else values | {"exposure": _exposure(standing.get(c.id))}
                    ),
                )
            )
    return tuple(sorted(scored, key=lambda r: (-r.score, r.component)))


def _risk(c: Component, values: Mapping[str, _Value]) -> Risk:
    total = sum(WEIGHTS[name] for name in values)
    factors = [_factor(name, v, WEIGHTS[name] / total) for name, v in values.items()]
    factors.sort(key=lambda f: (-f.contribution, f.name))
    return Risk(
        c.id, c.name, c.kind, min(10.0, sum(f.contribution for f in factors)), tuple(factors)
    )


def _factor(name: str, v: _Value, weight: float) -> RiskFactor:
    return RiskFactor(name, v.value, weight, 10 * weight * v.value, v.reason)


def _impact(impact: Impact) -> _Value:
    b = impact.blast_radius
    runs = f"loses {round(b.runs_lost, 1):.10g} of {b.runs_seen} runs and " if b.runs_seen else ""
    note = "" if b.runs_seen else "; no run was recorded"
    return _Value(
        b.score / 10,
        f"Its outage {runs}hits {b.components_hit} of {b.components} other components{note}.",
    )


def _likelihood(graph: Graph, c: Component) -> _Value:
    errors, tried = (c.errors, c.invocations) if c.invocations else _as_called(graph, c.id)
    if not tried:
        return _Value(1.0, "No invocation was counted: the failure rate is unbounded.")
    upper = wilson(min(errors, tried), tried)[1]
    return _Value(
        upper,
        f"{errors} of {tried} invocations failed; with 95% confidence at most {upper:.1%} do.",
    )


def _as_called(graph: Graph, component: str) -> tuple[int, int]:
    calls = [(d.errors, d.calls) for d in graph.dependencies if d.target == component]
    return sum(e for e, _ in calls), sum(n for _, n in calls)


def _redundancy(alone: int, needed_by: int) -> _Value:
    if not needed_by:
        return _Value(0.0, "No component or workflow depends on it.")
    return _Value(
        alone / needed_by, f"{alone} of {needed_by} dependents were seen with no alternative."
    )


def _alternatives(graph: Graph) -> dict[str, tuple[int, int]]:
    """Return, by component, how many dependents have no alternative to it, and how many it has."""
    ways = [r.members for r in component_requirements(graph, None)] + [
        (w.root_component,) for w in graph.workflows
    ]
    alone = Counter(members[0] for members in ways if len(members) == 1)
    needed = Counter(m for members in ways for m in members)
    return {c.id: (alone[c.id], needed[c.id]) for c in graph.components}


class _Central:
    """Centrality relative to the most central component of the graph."""

    def __init__(self, centrality: tuple[Centrality, ...]) -> None:
        self._of = {c.component: c for c in centrality}
        self._betweenness = max((c.betweenness for c in centrality), default=0.0)
        self._pagerank = max((c.pagerank for c in centrality), default=0.0)

    def value(self, component: str) -> _Value:
        c = self._of[component]
        between = c.betweenness / self._betweenness if self._betweenness else 0.0
        ranked = c.pagerank / self._pagerank if self._pagerank else 0.0
        reason = (
            f"Betweenness {c.betweenness:.4f} (highest {self._betweenness:.4f}), PageRank"
            f" {c.pagerank:.4f} (highest {self._pagerank:.4f})."
        )
        return _Value((between + ranked) / 2, reason)


def _exposure(m: Match | None) -> _Value:
    if m is not None and m.standing is Standing.SHADOW:
        return _Value(1.0, "It is a shadow agent: seen but not declared.")
    if m is not None and m.entry is not None and m.entry.owner:
        return _Value(0.0, f"It is declared and owned by {m.entry.owner}.")
    return _Value(_NO_OWNER, "The catalog names no owner for it.")
