"""Documents about simulations."""

from __future__ import annotations

from pydantic import Field

from agentguard.discovery.kinds import ComponentKind
from agentguard.simulation.model import Method, Severity
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
    invocations_hit: int | None
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
    runs_lost: int
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
    runs_lost: int
    runs_seen: int
    runs_share: Share | None
    components_hit: int
    components: int
    components_share: Share


class ImpactEstimate(Document):
    """The severity and cost of a failure; null, with a reason, where the data support no value."""

    severity: Severity
    severity_reason: str
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


class PrecedentDocument(Document):
    """Failing calls that were taken as absorbed because earlier failures were."""

    source: str
    target: str
    absorbed: int
    seen: int
    calls: int


class AssumptionsDocument(Document):
    """What a replay assumed where no recorded run shows it."""

    calls_failed: int
    rescued_by_history: int
    absorbed_by_history: int
    absorption_unknown: int
    precedents: list[PrecedentDocument]
    note: str | None


class ThresholdsDocument(Document):
    """Shares of lost runs from which a severity applies."""

    critical: Share
    high: Share
    medium: Share


class InputsDocument(Document):
    """What the simulation can be repeated with."""

    graph_version: str | None
    seed: int
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
    failed_agent: str
    failed_components: list[str]
    impacted_agents: list[str]
    impacted_count: int = Field(description="Impacted components of all kinds.")
    impacted_components: list[ImpactedComponentDocument]
    impacted_workflows: list[ImpactedWorkflowDocument]
    blast_radius_score: float
    blast_radius: BlastRadiusDocument
    impact_estimate: ImpactEstimate
    degraded: list[DegradedDocument]
    structural: StructuralDocument
    share_of: str = Field(description="The denominator of all shares of runs.")
    method: Method
    assumptions: AssumptionsDocument | None
    inputs: InputsDocument
