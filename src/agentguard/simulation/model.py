"""Inputs and results of simulations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Evidence
from agentguard.simulation.monte_carlo_model import MonteCarlo
from agentguard.simulation.severities import Severity

NO_RECOVERY_TIME = (
    "The recordings contain failures of single calls, not recoveries from outages, so a recovery"
    " time cannot be estimated."
)
"""Why there is no estimated recovery time."""


class Method(StrEnum):
    """Simulation method."""

    STRUCTURAL = "structural"
    REPLAY = "replay"
    MONTE_CARLO = "monte_carlo"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Minimum shares of a workflow's runs for critical, high and medium severity; below, it is low.

    The share is that of the workflow that loses most, weighted by what is at stake; see
    simulation.stakes.

    The defaults are a convention, not a measurement: losing every second run is an outage for
    users, every fourth is noticed by most of them within a few visits, and every twentieth is the
    error budget of a 95 % objective.
    """

    critical: float = 0.5
    high: float = 0.25
    medium: float = 0.05

    def severity(self, share_lost: float) -> Severity:
        """Return the severity of losing this share (0 to 1) of a workflow's runs, weighted."""
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
    """A simultaneous, complete outage of components, closed over hosting."""

    failed: tuple[str, ...]
    """Component ids as named, sorted, at least one."""
    hosted: tuple[Hosted, ...] = ()
    """What fails because it runs in them, sorted by component."""
    partly: tuple[Hosted, ...] = ()
    """What also runs in a host that works, and fails only where it runs in a failed one."""

    @property
    def closed(self) -> tuple[str, ...]:
        """Return the ids of all components that fail as a whole, sorted."""
        return tuple(sorted({*self.failed, *(h.component for h in self.hosted)}))


@dataclass(frozen=True, slots=True)
class Hosted:
    """A component that fails with its host."""

    component: str
    host: str


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
    invocations_hit: float | None = None
    """Successful invocations that are expected to fail (replay only)."""
    probability: float | None = None
    """That at least one of its invocations fails (replay only). A component is listed from one
    half.
    """

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
    """predictive: of the share lost in another window of as many runs."""


@dataclass(frozen=True, slots=True)
class ImpactedWorkflow:
    """A workflow that may lose runs."""

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
    runs_lost: float
    """Successful runs that are expected to fail: a mean over what is not known. Structural: all
    successful runs (worst case).
    """
    share: float
    """runs_lost / runs_seen; 0 without recorded runs."""
    interval: Interval | None
    """Interval of the share; None for the structural method, which is not statistical."""
    path: tuple[Step, ...]
    """From the failed component to the workflow (its id is the source of the last step)."""
    value_lost: float | None = None
    """runs_lost × value per run, if the catalog declares one."""
    best: float | None = None
    """runs_lost if every failure that was never seen is survived (replay only)."""
    worst: float | None = None
    """runs_lost if none of these is survived (replay only); never less than runs_lost."""

    @property
    def may_lose(self) -> bool:
        """Return whether it loses runs in some case."""
        return self.runs_lost > 0 or bool(self.worst)


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
    runs_lost: float
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
    """What is believed of a dependency whose failure matters, and why."""

    source: str
    target: str
    absorbed: float
    """Final failures (without retry or fallback) that the source survived; after a handoff: the
    run.
    """
    seen: float
    """All final failures that show whether the source survives."""
    calls: int
    """Failing calls that this decides."""
    survives: float
    """Probability that the source survives the next failure."""
    declared: bool = False
    """Whether the catalog says so; what was seen is then not used."""
    before: int = 0
    """Failures in `seen` that happened before the window."""
    last_before: int = 0
    """Begin (ns) of the hour of the last of these; 0: there is none."""


@dataclass(frozen=True, slots=True)
class RescuePrecedent:
    """A recorded fallback that takes over failing calls."""

    owner: str
    primary: str
    secondary: str
    rescued: int
    tried: int
    """The recorded attempts."""
    calls: float
    """Failing calls that the fallbacks of this primary are expected to recover."""


@dataclass(frozen=True, slots=True)
class GameDay:
    """What was never seen, and what is known once it was tried.

    A dependency's failure; or that of a component, with a declared standby to take over.
    """

    source: str
    target: str
    calls: int
    """Failing calls that depend on it."""
    survives: float
    """Probability that the source survives, by the kind of the target alone."""
    runs_lost_if_survived: float | None
    """Expected; None: the draws contain no such case."""
    runs_lost_if_not: float | None
    narrows: float
    """Share of the variance of runs lost that the answer takes away, 0 to 1."""
    standby: str | None = None
    """What may take over for the target; "survives" then means that it does."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """How the replay decided about failing calls; expected numbers of calls."""

    calls_failed: int = 0
    """Successful recorded calls to the failed components."""
    rescued_by_history: float = 0.0
    """Failing calls that a recorded fallback, or a retry of what failed by chance, recovers."""
    absorbed_by_history: float = 0.0
    """Failing calls that the caller survives, as it did earlier failures or as is declared."""
    absorption_unknown: int = 0
    """Failing calls on dependencies never seen failing: survived as the kind of callee suggests."""
    precedents: tuple[Precedent, ...] = ()
    """The dependencies that decided, most calls first."""
    rescues: tuple[RescuePrecedent, ...] = ()
    fallback_seen: bool = False
    """Whether a fallback for a failing call was ever seen, even if it fails too."""
    fallback_takes_over: bool = False
    """Whether one is expected to recover any call, that to a workflow's entry included."""
    without_calls: tuple[tuple[str, str], ...] = ()
    """(source, target) in the graph without recorded calls: each call of the source may use it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one method, before scoring."""

    components: tuple[ImpactedComponent, ...]
    workflows: tuple[ImpactedWorkflow, ...]
    runs_seen: int
    """Of all workflows, whether hit or not."""
    workflows_seen: int
    assumptions: Assumptions | None
    spared: tuple[ImpactedWorkflow, ...] = ()
    """Workflows that are not expected to lose a run (replay only)."""
    game_days: tuple[GameDay, ...] = ()
    monte_carlo: MonteCarlo | None = None


@dataclass(frozen=True, slots=True)
class Declared:
    """What the catalog declares of the failed components."""

    survives: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    """(caller, failed callee) → whether the caller survives."""
    replicas: Mapping[str, int] = field(default_factory=dict)
    """Component → its instances, if it has several; all of them fail."""
    retries: Mapping[str, int] = field(default_factory=dict)
    """Caller → how often it repeats a failed call, where calls fail at a rate."""
    timeouts: Mapping[str, float] = field(default_factory=dict)
    """Caller → how many seconds it waits for a call."""
    standbys: tuple[tuple[str, str], ...] = ()
    """(primary, standby) never seen to take over, of which one fails."""


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
    """Those that lose runs in some case, sorted by runs lost (descending), then id; without
    recorded runs those that may fail.
    """
    spared: tuple[ImpactedWorkflow, ...]
    """The others, with the range of what another window may lose; sorted by id. Replay only."""
    workflows_seen: int
    degraded: tuple[Degraded, ...]
    """By the structural rules, for both methods; excludes impacted ones."""
    structural_components: tuple[str, ...]
    """Ids that fail by the structural rules: the worst case, reported next to a replay."""
    structural_workflows: tuple[str, ...]
    blast_radius: BlastRadius
    severity: Severity
    severity_reason: str
    worst_workflow: str | None
    """Id of the workflow whose loss decides the severity; None where none loses a run."""
    money: Money
    observed_seconds: float | None
    """Length of the window; None if unknown."""
    assumptions: Assumptions | None
    """None for the structural method."""
    game_days: tuple[GameDay, ...] = ()
    """Failures to try, that which narrows the answer most first. Replay only."""
    monte_carlo: MonteCarlo | None = None
    modes: Mapping[str, str] = field(default_factory=dict)
    """How each component of the scenario fails, as written."""
    declared: Declared = field(default_factory=Declared)

    @property
    def best_runs_lost(self) -> float:
        """Return the runs lost if every failure that was never seen is survived."""
        return sum(w.runs_lost if w.best is None else w.best for w in self._every)

    @property
    def worst_runs_lost(self) -> float:
        """Return the runs lost if none of these is survived; never less than those expected."""
        return sum(w.runs_lost if w.worst is None else w.worst for w in self._every)

    @property
    def _every(self) -> tuple[ImpactedWorkflow, ...]:
        return (*self.workflows, *self.spared)
