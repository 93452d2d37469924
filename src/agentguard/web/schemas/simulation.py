"""Documents about simulations."""

from __future__ import annotations

from pydantic import Field

from agentguard.discovery.kinds import ComponentKind
from agentguard.simulation.model import Method
from agentguard.simulation.severities import Severity
from agentguard.web.schemas.common import Document, EvidenceDocument, Origin, Share


class StepDocument(Document):
    """A dependency on the path of a failure."""

    source: str
    target: str
    evidence: list[EvidenceDocument]


class ImpactedComponentDocument(Document):
    """A component that fails too."""

    id: str
    name: str
    kind: ComponentKind
    invocations: int | None
    invocations_hit: float | None = Field(description="Expected number.")
    probability: float | None = Field(
        description="That at least one of its successful invocations fails."
    )
    path: list[StepDocument]


class IntervalDocument(Document):
    """An interval for a share, and the method that computed it."""

    low: float
    high: float
    method: str


class ImpactedWorkflowDocument(Document):
    """A workflow that loses runs."""

    id: str
    name: str
    entry: str
    root: str | None
    root_component: str
    runs_seen: int
    runs_failed: int
    runs_lost: float = Field(description="Expected number.")
    runs_lost_best: float | None = Field(
        description="If every failure that was never seen is survived."
    )
    runs_lost_worst: float | None = Field(description="If none of these is survived.")
    share_lost: Share
    range: IntervalDocument | None
    runs_lost_per_hour: float | None
    runs_lost_per_hour_reason: str | None
    value_lost: float | None
    path: list[StepDocument]


class BlastRadiusDocument(Document):
    """The blast radius score and its factors."""

    score: float = Field(description="From 0 to 10.")
    formula: str
    runs_lost: float
    runs_seen: int
    runs_share: Share | None
    components_hit: int
    components: int
    components_share: Share


class ImpactEstimate(Document):
    """The severity and cost of a failure; null, with a reason, where the data support no value."""

    severity: Severity
    severity_reason: str
    severity_workflow: str | None = Field(
        description="Id of the workflow whose loss, weighted by criticality or value, decides."
    )
    revenue_risk: float | None
    revenue_risk_reason: str | None
    revenue_risk_per_hour: float | None
    revenue_risk_per_hour_reason: str | None
    currency: str | None
    workflow_count: int
    workflows_seen: int
    estimated_recovery_time: float | None = Field(description="Seconds.")
    estimated_recovery_time_reason: str | None


class DegradedDocument(Document):
    """A component that loses optional callees but does not fail."""

    id: str
    lost: list[str]


class StructuralDocument(Document):
    """Ids of what fails in the worst case."""

    components: list[str]
    workflows: list[str]


class HostedDocument(Document):
    """A component that fails with what it runs in."""

    id: str
    host: str


class BestCaseDocument(Document):
    """The cost if every failure that was never seen is survived."""

    runs_lost: float


class WorstCaseDocument(Document):
    """The cost if no failure that was never seen is survived."""

    runs_lost: float
    components: int
    workflows: int


class CasesDocument(Document):
    """What lies on both sides of the result."""

    best: BestCaseDocument
    worst: WorstCaseDocument


class GameDayDocument(Document):
    """What was never seen, and what trying it would tell."""

    source: str
    target: str
    calls: int
    survives: float = Field(
        description="Probability that the source survives, or that the standby takes over."
    )
    runs_lost_if_survived: float | None
    runs_lost_if_not: float | None
    narrows: Share = Field(description="Of the variance of the runs lost.")
    standby: str | None = Field(
        description="Declared to take over for the target, and never seen to; otherwise null."
    )


class PrecedentDocument(Document):
    """What is believed of a dependency that decides about failing calls, and why."""

    source: str
    target: str
    absorbed: float
    seen: float
    calls: int
    survives: float
    declared: bool
    before_window: int
    last_before_window: str | None


class RescueDocument(Document):
    """A recorded fallback that takes over failing calls."""

    owner: str
    primary: str
    secondary: str
    rescued: int
    tried: int
    calls: float = Field(description="Expected number of calls that it recovers.")


class DependencyReference(Document):
    """A dependency by its ends."""

    source: str
    target: str


class AssumptionsDocument(Document):
    """What a replay assumed where no recorded run shows it; expected numbers of calls."""

    calls_failed: int
    rescued_by_history: float
    absorbed_by_history: float
    absorption_unknown: int
    precedents: list[PrecedentDocument]
    rescues: list[RescueDocument]
    without_calls: list[DependencyReference]
    note: str | None


class FaultDocument(Document):
    """How a component fails."""

    id: str
    mode: str
    share: Share = Field(description="Of its runs: those in the failing host; otherwise 1.")


class ChanceDocument(Document):
    """How likely a run of a component or workflow fails or ends wrong, with its 95 % interval."""

    id: str
    probability: Share
    low: Share
    high: Share
    wrong: Share = Field(
        description="The part of the probability that ends with a wrong answer, without an error."
    )


class RateDocument(Document):
    """Runs lost per hour; null for the workflow: of all workflows together."""

    workflow: str | None
    expected: float
    bad_hour: float = Field(description="95 % of the hours lose at most this many.")


class TimeoutDocument(Document):
    """Calls that take longer, against their timeout."""

    source: str
    target: str
    timeout_seconds: float | None = Field(description="Null: unknown.")
    longest_seconds: float | None = Field(description="The longest recorded success.")
    share: Share = Field(
        description="Of the source's runs, those with a call longer than the timeout or, if it is"
        " unknown, than any success: these may time out."
    )


class MonteCarloDocument(Document):
    """What only the Monte Carlo method finds."""

    trials: int
    worlds: int = Field(description="Draws of what is not known; the trials are shared evenly.")
    faults: list[FaultDocument]
    components: list[ChanceDocument]
    workflows: list[ChanceDocument]
    runs_lost_per_hour: list[RateDocument]
    runs_lost_per_hour_reason: str | None
    timeouts: list[TimeoutDocument]
    notes: list[str] = Field(description="What the method cannot know about this scenario.")


class ThresholdsDocument(Document):
    """Shares of lost runs from which a severity applies."""

    critical: Share
    high: Share
    medium: Share


class InputsDocument(Document):
    """What the simulation can be repeated with."""

    graph_version: str | None
    seed: int
    modes: dict[str, str] = Field(description="Failing component → how it fails.")
    thresholds: ThresholdsDocument
    observed_seconds: float | None
    catalog_sha256: str | None = Field(
        description="Of what the catalog declares; null without one."
    )


class SimulationDocument(Origin):
    """The consequences of a failure."""

    id: str | None = Field(
        description="Of the stored simulation; null for a preview, and for the graph of a window,"
        " which is not stored."
    )
    answer: str = Field(description="What is lost, in one sentence.")
    decided_by: list[str] = Field(description="What the answer rests on, the most important first.")
    undecided: str | None = Field(
        description="What nobody has seen fail, and what it decides; null if nothing of weight."
    )
    failed_agent: str
    failed_components: list[str]
    hosted_components: list[HostedDocument] = Field(description="What fails with its host.")
    partly_failed_components: list[HostedDocument] = Field(
        description="What also runs in a working host."
    )
    impacted_agents: list[str]
    impacted_count: int = Field(description="Impacted components of all kinds.")
    impacted_components: list[ImpactedComponentDocument]
    impacted_workflows: list[ImpactedWorkflowDocument]
    spared_workflows: list[ImpactedWorkflowDocument]
    blast_radius_score: float
    blast_radius: BlastRadiusDocument
    impact_estimate: ImpactEstimate
    degraded: list[DegradedDocument]
    structural: StructuralDocument
    cases: CasesDocument
    game_days: list[GameDayDocument] = Field(
        description="Failures to try, that which narrows the answer most first."
    )
    share_of: str = Field(description="The denominator of all shares of runs.")
    method: Method
    assumptions: AssumptionsDocument | None
    monte_carlo: MonteCarloDocument | None = Field(
        description="What only the Monte Carlo method finds; null with other methods."
    )
    inputs: InputsDocument
