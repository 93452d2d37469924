"""Risk, 0 to 10, and the factors it is the sum of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agentguard.analysis.impact import Impact, Impacts
from agentguard.analysis.likelihood import Likelihood, factor
from agentguard.analysis.model import Centrality, Risk, RiskFactor
from agentguard.catalog.matching import Match, Matches, Standing
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Component, Graph
from agentguard.simulation.requirements import unordered_requirements
from agentguard.simulation.severity import Loss, loss_in_words, weighted
from agentguard.simulation.spares import Spared
from agentguard.simulation.stakes import NOT_DECLARED, Stake
from agentguard.simulation.wording import percent

WEIGHTS = {
    "impact": 0.35,
    "likelihood": 0.20,
    "value": 0.15,
    "redundancy": 0.15,
    "exposure": 0.10,
    "centrality": 0.05,
}
"""The largest share of the score that each factor can contribute.

Judgment, not measurement: what an outage costs first, then how likely it is, then what would
soften it. A change needs a new RISK_VERSION.
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


@dataclass(frozen=True, slots=True)
class Basis:
    """What risk is computed from."""

    found: Impacts
    stakes: Mapping[str, Stake]
    likelihoods: Mapping[str, Likelihood]
    centrality: tuple[Centrality, ...]
    spared: Spared
    matches: Matches | None


def risks(graph: Graph, basis: Basis) -> tuple[Risk, ...]:
    """Return the risk of every component, highest first; `workflow` components have none.

    Every factor rises with what it measures, and the score with every factor.
    """
    alternatives, central = _alternatives(graph), _Central(basis.centrality)
    standing = _standing(basis.matches)
    names = {w.id: w.name for w in graph.workflows}
    scored = []
    for c in graph.components:
        if c.kind is not ComponentKind.WORKFLOW:
            impact, likelihood = basis.found.of[c.id], basis.likelihoods[c.id]
            values = {
                "impact": _impact(impact, basis, names),
                "likelihood": _likelihood(likelihood),
                "value": _value(impact, basis),
                "redundancy": _redundancy(impact, likelihood, basis, alternatives[c.id]),
                "centrality": central.value(c.id),
            }
            if standing is not None:
                values["exposure"] = _exposure(standing.get(c.id))
            scored.append(_risk(c, values, likelihood))
    return tuple(sorted(scored, key=lambda r: (-r.score, r.component)))


def _standing(matches: Matches | None) -> dict[str, Match] | None:
    if matches is None or matches.catalog is None:
        return None
    return {m.component: m for m in matches.components}


def _risk(c: Component, values: Mapping[str, _Value], likelihood: Likelihood) -> Risk:
    total = sum(WEIGHTS[name] for name in values)
    factors = [_factor(name, v, WEIGHTS[name] / total) for name, v in values.items()]
    factors.sort(key=lambda f: (-f.contribution, f.name))
    score = min(10.0, sum(f.contribution for f in factors))
    weight = 10 * WEIGHTS["likelihood"] / total
    now = factor(likelihood.mean)
    return Risk(
        c.id,
        c.name,
        c.kind,
        score,
        tuple(factors),
        low=max(0.0, score - weight * (now - factor(likelihood.low))),
        high=min(10.0, score + weight * (factor(likelihood.high) - now)),
    )


def _factor(name: str, v: _Value, weight: float) -> RiskFactor:
    return RiskFactor(name, v.value, weight, 10 * weight * v.value, v.reason)


def _impact(impact: Impact, basis: Basis, names: Mapping[str, str]) -> _Value:
    """The worst workflow's loss, weighted as for severity."""
    losses = [
        Loss(w, names.get(w, w), share, recorded=basis.found.workflows[w].seen > 0)
        for w, share in _shares(impact, basis.found).items()
    ]
    worst = max(
        losses,
        key=lambda x: (weighted(x.share, basis.stakes[x.workflow]), x.workflow),
        default=None,
    )
    if worst is None:
        return _Value(0.0, "No workflow loses a run in its outage.")
    stake = basis.stakes[worst.workflow]
    why = "" if stake.reason == NOT_DECLARED else f" ({stake.reason})"
    return _Value(
        weighted(worst.share, stake),
        f"In its outage {loss_in_words(worst)}{why}.{_others(losses)}",
    )


def _others(losses: Sequence[Loss]) -> str:
    """Say how many more workflows are hit."""
    more = len(losses) - 1
    if not more:
        return ""
    if all(loss.recorded for loss in losses):
        return f" {more} more {'workflow loses' if more == 1 else 'workflows lose'} runs."
    return f" {more} more {'workflow fails' if more == 1 else 'workflows fail'}."


def _shares(impact: Impact, found: Impacts) -> dict[str, float]:
    """Return, by workflow that loses runs, the share lost; without recorded runs it is all."""
    if impact.runs_lost is None:
        return dict.fromkeys(sorted(impact.structural_workflows), 1.0)
    return {w: lost / found.workflows[w].seen for w, lost in impact.runs_lost.items() if lost > 0}


def _value(impact: Impact, basis: Basis) -> _Value:
    """The share of all declared value that is lost, else of all runs."""
    seen = {w: runs.seen for w, runs in basis.found.workflows.items()}
    shares = _shares(impact, basis.found)
    values = {w: s.value for w, s in basis.stakes.items() if s.value}
    if values:
        lost = sum(shares.get(w, 0.0) * value for w, value in values.items())
        share = lost / sum(values.values())
        return _Value(
            share, f"{percent(share)}% of the declared value of all runs is lost with it."
        )
    total = sum(seen.values())
    share = sum(shares[w] * seen[w] for w in shares) / total if total else 0.0
    return _Value(share, f"{percent(share)}% of all runs are lost with it; no value is declared.")


def _likelihood(likelihood: Likelihood) -> _Value:
    used, mean = likelihood.used, likelihood.mean
    if not used.runs:
        counted = f"It was not counted; {likelihood.kind_rate:.1%} of its kind fail"
    else:
        counted = f"It failed in {used.failed:,} of {used.runs:,} {used.unit}"
    return _Value(
        factor(mean),
        f"{counted}: {mean:.1%} are expected to ({likelihood.low:.1%} to {likelihood.high:.1%}).",
    )


def _redundancy(
    impact: Impact, likelihood: Likelihood, basis: Basis, alternatives: tuple[int, int]
) -> _Value:
    """The share of the runs that use it which a spare would save."""
    if impact.runs_lost is None or not likelihood.used.runs:
        return _alone(*alternatives)
    used, lost = likelihood.used.runs, sum(impact.runs_lost.values())
    if lost <= 0:
        return _Value(0.0, "No run is lost without it, so a spare saves none.")
    saved = basis.spared.total(impact.component)
    if saved is None:
        return _Value(
            min(1.0, lost / used),
            f"Nothing calls it, so only a replica could save the {lost:,.1f} runs lost.",
        )
    return _Value(
        min(1.0, saved / used),
        f"A spare saves {saved:,.1f} of the {lost:,.1f} runs lost, of {used:,} that use it.",
    )


def _alone(alone: int, needed_by: int) -> _Value:
    if not needed_by:
        return _Value(0.0, "No component or workflow depends on it.")
    return _Value(
        alone / needed_by,
        f"{alone} of {needed_by} dependents were seen with no alternative; no run was recorded.",
    )


def _alternatives(graph: Graph) -> dict[str, tuple[int, int]]:
    """Return, by component, how many dependents have no alternative to it, and how many it has."""
    ways = [r.members for r in unordered_requirements(graph, None)] + [
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
