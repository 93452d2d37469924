"""Inputs and results of simulations."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Evidence

NO_RECOVERY_TIME = (
    "The recordings contain failures of single calls, not recoveries from outages, so a recovery"
    " time cannot be estimated."
)
"""Why there is no estimated recovery time."""


class Method(StrEnum):
    """Simulation method."""

    STRUCTURAL = "structural"
    REPLAY = "replay"


class Severity(StrEnum):
    """Severity for users."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Minimum shares of lost runs for critical, high and medium severity; below, it is low.

    The defaults are a convention, not a measurement: losing every second run is an outage for
    users, every fourth is noticed by most of them within a few visits, and every twentieth is the
    error budget of a 95 % objective.
    """

    critical: float = 0.5
    high: float = 0.25
    medium: float = 0.05

    def severity(self, share_lost: float) -> Severity:
        """Return the severity of losing this share (0 to 1) of all runs."""
        if share_lost >= self.critical:
            return Severity.CRITICAL
        if share_lost >= self.high:
            return Severity.HIGH
        return Severity.MEDIUM if share_lost >= self.medium else Severity.LOW


DEFAULT_THRESHOLDS = Thresholds()

SHARE_OF = (
    "All runs recorded in the window (of the workflow, where one is named), failed runs included."
    " Nested runs count as part of the enclosing run."
)
"""The denominator of every share of runs: in simulations, single points of failure and risk."""


@dataclass(frozen=True, slots=True)
class WorkflowRuns:
    """How many runs of a workflow were recorded, and how many of these failed."""

    seen: int
    failed: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """A simultaneous, complete outage of components."""

    failed: tuple[str, ...]
    """Component ids, sorted, at least one."""


@dataclass(frozen=True, slots=True)
class Step:
    """One dependency on the path of a failure."""

    source: str
    """Id of the component (or workflow) that was hit."""
    target: str
    """Id of the component whose failure hit it."""
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class ImpactedComponent:
    """A component hit by other failures: a direct or indirect caller, never a callee."""

    id: str
    name: str
    kind: ComponentKind
    path: tuple[Step, ...]
    """From the failed component (target of the first step) to this one (source of the last): the
    shortest path found.
    """
    invocations: int | None = None
    """Invocations in the recorded runs (replay only)."""
    invocations_hit: int | None = None
    """Successful invocations that would have failed (replay only)."""

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """Return the evidence of all dependencies on the path."""
        return tuple(item for step in self.path for item in step.evidence)


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval of a share."""

    low: float
    high: float
    method: str
    """bootstrap, or wilson if all or none of the runs were lost (resampling has no spread)."""


@dataclass(frozen=True, slots=True)
class ImpactedWorkflow:
    """A workflow that loses runs."""

    id: str
    name: str
    entry: str
    """Id of the first component that does its work."""
    root: str
    """Name of its runs' root spans; empty where unknown."""
    root_component: str
    """Id of the component whose spans start its runs."""
    runs_seen: int
    """All recorded runs, including failed ones; see SHARE_OF."""
    runs_failed: int
    """Runs that failed in the recording; never counted as lost."""
    runs_lost: int
    """Successful runs that would have failed. Structural: all successful runs (worst case)."""
    share: float
    """runs_lost / runs_seen; 0 without recorded runs."""
    interval: Interval | None
    """Interval of the share; None for the structural method, which is not statistical."""
    path: tuple[Step, ...]
    """From the failed component to the workflow (its id is the source of the last step)."""
    value_lost: float | None = None
    """runs_lost × value per run, if the catalog declares one."""


@dataclass(frozen=True, slots=True)
class Degraded:
    """A component (or workflow) that works but lost all members of an optional requirement."""

    id: str
    lost: tuple[str, ...]
    """Component ids of that requirement."""


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """The score from 0 to 10 with its factors.

    10 × (0.6 × share of runs lost + 0.4 × share of components hit).
    """

    score: float
    runs_lost: int
    runs_seen: int
    components_hit: int
    components: int
    """All components except the failed ones."""
    runs_share: float | None
    """None without recorded runs; the score is then 10 × components_share."""
    components_share: float


@dataclass(frozen=True, slots=True)
class Money:
    """Value lost, computed only from the catalog's value per run."""

    amount: float | None
    reason: str | None
    """Why there is no amount, or what it excludes."""
    per_hour: float | None
    per_hour_reason: str | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class Precedent:
    """Recorded failures of a dependency that justify treating failing calls as absorbed."""

    source: str
    target: str
    absorbed: int
    """Failures without retry or fallback that the source (after a handoff: the run) survived."""
    seen: int
    """All failures without retry or fallback."""
    calls: int
    """Number of simulated calls decided by this precedent."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """How many calls the replay decided by history, and how many without any."""

    calls_failed: int = 0
    """Successful recorded calls to the failed components."""
    rescued_by_history: int = 0
    """Failing calls that a recorded fallback of the caller would have recovered (seeded draw)."""
    absorbed_by_history: int = 0
    """Failing calls that the caller absorbed, as it did earlier failures (seeded draw)."""
    absorption_unknown: int = 0
    """Failing calls on dependencies without recorded failures: not absorbed (worst case)."""
    precedents: tuple[Precedent, ...] = ()
    """The basis of absorbed_by_history, most calls first."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one method, before scoring."""

    components: tuple[ImpactedComponent, ...]
    workflows: tuple[ImpactedWorkflow, ...]
    runs_seen: int
    """Of all workflows, whether hit or not."""
    workflows_seen: int
    assumptions: Assumptions | None


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """What fails if these components fail.

    Deterministic for a graph version, scenario, method and seed.
    """

    scenario: Scenario
    method: Method
    seed: int
    graph_version: str | None
    thresholds: Thresholds
    components: tuple[ImpactedComponent, ...]
    """Sorted by path length, then id."""
    workflows: tuple[ImpactedWorkflow, ...]
    """Sorted by runs lost (descending), then id."""
    workflows_seen: int
    degraded: tuple[Degraded, ...]
    """By the structural rules, for both methods; excludes impacted ones."""
    structural_components: tuple[str, ...]
    """Ids that fail by the structural rules: the worst case, reported next to a replay."""
    structural_workflows: tuple[str, ...]
    blast_radius: BlastRadius
    severity: Severity
    severity_reason: str
    money: Money
    observed_seconds: float | None
    """Length of the window; None if unknown."""
    assumptions: Assumptions | None
    """None for the structural method."""
