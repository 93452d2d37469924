"""Findings: single points of failure, cycles, centrality, risk."""

from __future__ import annotations

from dataclasses import dataclass

from agentguard.analysis.run_loops import RunLoop
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Evidence
from agentguard.simulation.model import Method

RISK_VERSION = "1"
"""Changes with every factor, weight or definition: compare scores of equal versions only."""


@dataclass(frozen=True, slots=True)
class SpofWorkflow:
    """A workflow that fails when the component alone fails."""

    workflow: str
    name: str
    entry: str
    """Id of the first component that does its work."""
    root: str
    """Name of its runs' root spans; empty where unknown."""
    is_entry: bool
    """The workflow starts in this component."""
    structural: bool
    """It fails by the structural rules."""
    runs_seen: int
    runs_failed: int
    runs_lost: float | None
    """Expected in the replay; None without recorded runs."""
    share: float | None
    """runs_lost / runs_seen; see simulation.model.SHARE_OF."""


@dataclass(frozen=True, slots=True)
class Spof:
    """A component whose failure alone makes a workflow fail.

    By the structural rules, or because the replay loses at least half of the workflow's runs or
    every run that had succeeded.
    """

    component: str
    name: str
    kind: ComponentKind
    workflows: tuple[SpofWorkflow, ...]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Cycle:
    """Components that depend on each other."""

    components: tuple[str, ...]
    """The whole strongly connected component, sorted."""
    witness: tuple[str, ...]
    """One shortest cycle in it: each depends on the next, the last on the first."""
    evidence: tuple[Evidence, ...]
    """One span for each dependency of the witness."""


@dataclass(frozen=True, slots=True)
class Centrality:
    """How central a component is."""

    component: str
    betweenness: float
    """Share of all ordered pairs (0 to 1) whose shortest directed paths pass through it."""
    pagerank: float
    """Along caller → callee with damping 0.85: high for what many depend on. Sums to 1."""


@dataclass(frozen=True, slots=True)
class RiskFactor:
    """One part of a risk score."""

    name: str
    """impact, likelihood, redundancy, centrality, exposure."""
    value: float
    """0 to 1."""
    weight: float
    contribution: float
    """10 × weight × value."""
    reason: str
    """A sentence with the counts behind the value."""


@dataclass(frozen=True, slots=True)
class Risk:
    """A component's risk, 0 to 10: the sum of the contributions of its factors."""

    component: str
    name: str
    kind: ComponentKind
    score: float
    factors: tuple[RiskFactor, ...]
    """Largest contribution first."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """All findings on one graph: a pure function of graph, runs, catalog matches and seed."""

    method: Method
    """How impact and runs lost were found."""
    seed: int
    spofs: tuple[Spof, ...]
    """Most runs lost first."""
    cycles: tuple[Cycle, ...]
    """One per strongly connected component of two or more."""
    simple_cycles: tuple[tuple[str, ...], ...]
    """Simple cycles, shortest first, up to a bound."""
    cycles_truncated: bool
    """Whether `simple_cycles` leaves some out."""
    centrality: tuple[Centrality, ...]
    betweenness_exact: bool
    """False where betweenness was estimated from sampled sources."""
    betweenness_sources: int
    """How many sources betweenness was computed from."""
    risks: tuple[Risk, ...]
    """Highest first."""
    risk_version: str
    risk_note: str | None
    """What the scores leave out and why."""
    run_loops: tuple[RunLoop, ...]
    """Most runs first; empty without recorded runs."""
    overall_risk: float
    """The highest score of an agent; without agents, of any component."""
