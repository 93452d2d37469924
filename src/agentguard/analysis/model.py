"""Findings: single points of failure, cycles, centrality, risk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agentguard.analysis.run_loops import RunLoop
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Evidence
from agentguard.simulation.fate_groups import FateKind
from agentguard.simulation.model import Method

RISK_VERSION = "2"
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
class Root:
    """A component in series that fails by itself, and what only inherits its fate."""

    component: str
    name: str
    kind: ComponentKind
    runs_lost: float | None
    """Expected in its outage; None without recorded runs."""
    share: float | None
    """runs_lost / runs of the workflow."""
    spare_saves: float | None
    """How many of them are saved where callers can turn to a spare; None: not known."""
    inherits: tuple[str, ...]
    """Ids of the components that need it and lose no more than it, sorted."""
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """The single points of failure of one workflow."""

    workflow: str
    name: str
    entry: str
    root: str
    """Name of its runs' root spans; empty where unknown."""
    runs_seen: int
    runs_failed: int
    entries: tuple[str, ...]
    """Ids of the components in which it starts: their outage is that of the workflow."""
    roots: tuple[Root, ...]
    """Most runs lost first."""
    structural_only: tuple[str, ...]
    """Ids of components without which it fails by the structural rules, but loses no recorded
    run: no single points of failure by the evidence.
    """

    @property
    def components(self) -> int:
        """Return how many components are in series, entries included."""
        return len(self.entries) + sum(1 + len(root.inherits) for root in self.roots)


@dataclass(frozen=True, slots=True)
class CutSet:
    """Components and shared-fate groups that bring a workflow down together, and none less."""

    members: tuple[str, ...]
    """Component ids and labels of groups (`provider:openai`), sorted."""
    runs_lost: float | None
    """Expected where all of them are out; None: not simulated."""


@dataclass(frozen=True, slots=True)
class WorkflowCutSets:
    """Minimal cut sets of one workflow, beside its single points of failure."""

    workflow: str
    name: str
    sets: tuple[CutSet, ...]
    """Most runs lost first, then the smallest."""
    bounded: bool
    """Whether the search ended before it had looked at every combination."""


@dataclass(frozen=True, slots=True)
class SharedFate:
    """Components that fail together, and what that costs."""

    label: str
    """As written: `provider:openai`. `agentguard simulate` takes providers, services, servers."""
    kind: FateKind
    name: str
    members: tuple[str, ...]
    partly: tuple[str, ...]
    """Ids of members that have another provider or host, and so outlive it."""
    runs_lost: Mapping[str, float] | None
    """Workflow id → runs expected to be lost when it fails; None: not simulated."""
    component: str | None = None
    """Id of the component that the group is: its service, server, datastore or queue."""


@dataclass(frozen=True, slots=True)
class FalseRedundancy:
    """Alternatives that fail together, so that none of them helps."""

    owner: str
    members: tuple[str, ...]
    """Component ids, first choice first."""
    shared: tuple[str, ...]
    """Components and groups with which every one of them fails."""
    family: str | None
    """Family of models that all of them belong to: weak evidence, from names alone."""


@dataclass(frozen=True, slots=True)
class Combinations:
    """What fails together, and what that brings down."""

    cut_sets: tuple[WorkflowCutSets, ...]
    bounded: bool
    """Whether a search was cut short or left out."""
    shared_fates: tuple[SharedFate, ...]
    """Most runs lost first."""
    false_redundancies: tuple[FalseRedundancy, ...]


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
    """impact, likelihood, value, redundancy, exposure, centrality."""
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
    low: float = 0.0
    high: float = 10.0
    """The score over the 95 % range of the likelihood; not part of the score."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """All findings on one graph: a pure function of graph, runs, catalog matches and seed."""

    method: Method
    """How impact and runs lost were found."""
    seed: int
    spofs: tuple[Spof, ...]
    """Most runs lost first."""
    series: tuple[Series, ...]
    """The same by workflow; the one that loses most runs first."""
    combinations: Combinations
    dominators: Mapping[str, str | None]
    """Component reached from the entries → the nearest one that every path to it passes."""
    articulation_points: tuple[str, ...]
    """Components without which parts of the graph are not connected, whatever the direction."""
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
    """The highest score of any component."""
