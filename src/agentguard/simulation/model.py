"""What a simulation is asked, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Evidence

NO_RECOVERY_TIME = (
    "The recordings hold failures of single calls, not recoveries from an outage, so nothing"
    " supports an estimate."
)
"""Why no recovery time is ever estimated from them."""


class Method(StrEnum):
    """How the answer is found."""

    STRUCTURAL = "structural"
    REPLAY = "replay"


class Severity(StrEnum):
    """How bad it is for users."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which share of runs lost a failure is critical, high or medium; below medium it is low.

    The defaults are a convention, not a measurement: every second run lost is an outage for users,
    every fourth is felt by most of them within a few visits, every twentieth is what a 95 %
    objective would just allow.
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
    " A run inside a run of another workflow counts as a part of that one."
)
"""The denominator of every share of runs: in simulations, single points of failure and risk."""


@dataclass(frozen=True, slots=True)
class WorkflowRuns:
    """How many runs of a workflow were recorded, and how many of these failed."""

    seen: int
    failed: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """What fails: these components, all of them at once and wholly (an outage)."""

    failed: tuple[str, ...]
    """Component ids, sorted, at least one."""


@dataclass(frozen=True, slots=True)
class Step:
    """One dependency along which a failure rose."""

    source: str
    """Component (or workflow) id that was hit."""
    target: str
    """Component id whose failure hit it."""
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class ImpactedComponent:
    """A component hit by the failure of others: always a (transitive) caller, never a callee."""

    id: str
    name: str
    kind: ComponentKind
    path: tuple[Step, ...]
    """From the failed component (target of the first step) up to this one (source of the last): the
    shortest seen.
    """
    invocations: int | None = None
    """Invocations in the recorded runs (replay only)."""
    invocations_hit: int | None = None
    """Of these, how many had succeeded and would have failed (replay only)."""

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The spans that prove each dependency of the path."""
        return tuple(item for step in self.path for item in step.evidence)


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % range of a share."""

    low: float
    high: float
    method: str
    """bootstrap, or wilson where every run or none was lost (resampling equal outcomes shows no
    spread).
    """


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
    """All recorded runs, failed runs included; see SHARE_OF."""
    runs_failed: int
    """Runs that had failed in the recording: never counted as lost."""
    runs_lost: int
    """Runs that had succeeded and would have failed. Structural: all that had succeeded (worst
    case).
    """
    share: float
    """runs_lost / runs_seen; 0 where no run was recorded."""
    interval: Interval | None
    """Of the share; None for the structural method, which makes no statement about chance."""
    path: tuple[Step, ...]
    """From the failed component up to the workflow (its id is the source of the last step)."""
    value_lost: float | None = None
    """runs_lost × value per run, where the catalogue gives one."""


@dataclass(frozen=True, slots=True)
class Degraded:
    """A component (or workflow) that still works but has lost every member of an optional
    requirement.
    """

    id: str
    lost: tuple[str, ...]
    """Component ids of that requirement."""


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """The score 0 to 10 and what it is made of: 10 × (0.6 × share of runs lost + 0.4 × share of
    components hit).
    """

    score: float
    runs_lost: int
    runs_seen: int
    components_hit: int
    components: int
    """All components but the failed ones."""
    runs_share: float | None
    """None where no run was seen; the score is then 10 × components_share."""
    components_share: float


@dataclass(frozen=True, slots=True)
class Money:
    """Value lost, only ever from the catalogue's value per run."""

    amount: float | None
    reason: str | None
    """Why there is no amount, or what the amount leaves out."""
    per_hour: float | None
    per_hour_reason: str | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class Precedent:
    """Earlier failures of a dependency by which failing calls were taken as absorbed."""

    source: str
    target: str
    absorbed: int
    """Failures that no retry or fallback followed, and that the source (after a handoff: the run)
    survived.
    """
    seen: int
    """All failures that no retry or fallback followed."""
    calls: int
    """How many calls of this simulation it decided."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """On how many calls the replay had to decide by history, and on how many there was none."""

    calls_failed: int = 0
    """Calls to the failed components in the recorded runs that had succeeded."""
    rescued_by_history: int = 0
    """Failed calls that a fallback of this caller, seen in the window, would have rescued (seeded
    draw).
    """
    absorbed_by_history: int = 0
    """Failed calls that the caller absorbed, as it did with this callee's failures before (seeded
    draw).
    """
    absorption_unknown: int = 0
    """Failed calls on dependencies that never failed in the window: counted as not absorbed (worst
    case).
    """
    precedents: tuple[Precedent, ...] = ()
    """What absorbed_by_history rests on, most calls first."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one method finds, before it is weighed."""

    components: tuple[ImpactedComponent, ...]
    workflows: tuple[ImpactedWorkflow, ...]
    runs_seen: int
    """Of all workflows, hit or not."""
    workflows_seen: int
    assumptions: Assumptions | None


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """What fails if these components fail.

    Repeatable bit for bit from graph version, scenario, method and seed.
    """

    scenario: Scenario
    method: Method
    seed: int
    graph_version: str | None
    thresholds: Thresholds
    components: tuple[ImpactedComponent, ...]
    """Sorted by length of path, then id."""
    workflows: tuple[ImpactedWorkflow, ...]
    """Sorted by runs lost (most first), then id."""
    workflows_seen: int
    degraded: tuple[Degraded, ...]
    """By the structural rules, for both methods; without those listed as impacted."""
    structural_components: tuple[str, ...]
    """Ids that fail by the structural rules: the worst case, shown beside a replay."""
    structural_workflows: tuple[str, ...]
    blast_radius: BlastRadius
    severity: Severity
    severity_reason: str
    money: Money
    observed_seconds: float | None
    """Length of the window; None where unknown."""
    assumptions: Assumptions | None
    """None for the structural method."""
