"""The document of a comparison of two graphs."""

from __future__ import annotations

from pydantic import Field

from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.graph.significance import Measure
from agentguard.web.schemas.common import Document, EvidenceDocument, Origin, WindowDocument


class SidesOfEvidence(Document):
    """The spans behind a claim, by side; empty where the side does not have the thing."""

    a: list[EvidenceDocument]
    b: list[EvidenceDocument]


class ComparedGraph(Origin):
    """One of the graphs that were compared."""

    reference: str = Field(description="As it was requested.")
    window: WindowDocument


class MeasuredSide(Document):
    """A measurement on one side."""

    value: float | None
    low: float | None = Field(description="Lower end of the 95% interval.")
    high: float | None = Field(description="Upper end; null if there are too few observations.")
    observations: int
    failed: int | None = Field(
        description="Number of failed observations; null if the value is not a share."
    )


class MeasureDocument(Document):
    """One measure on both sides: a share of failures, or a p95 in ms."""

    measure: Measure
    a: MeasuredSide
    b: MeasuredSide
    why: str


class ComparedComponent(Document):
    """A component, with the counts of the newer side that has it."""

    id: str
    kind: ComponentKind
    name: str
    invocations: int
    errors: int
    evidence: SidesOfEvidence


class ChangedComponent(ComparedComponent):
    """A component whose measures differ."""

    measures: list[MeasureDocument]


class ComparedDependency(Document):
    """A dependency, with the counts of the newer side that has it."""

    source: str
    target: str
    type: DependencyType
    via: str | None
    calls: int
    errors: int
    evidence: SidesOfEvidence


class ChangedDependency(ComparedDependency):
    """A dependency whose measures differ."""

    measures: list[MeasureDocument]


class ComparedWorkflow(Document):
    """A workflow, with the counts of the newer side that has it."""

    id: str
    name: str
    entry: str
    root: str | None
    runs: int
    failed: int
    evidence: SidesOfEvidence


class ChangedWorkflow(ComparedWorkflow):
    """A workflow whose share of failed runs differs."""

    measures: list[MeasureDocument]


class ComparedSpof(Document):
    """A component that alone brings down a workflow."""

    id: str
    kind: ComponentKind
    name: str
    workflow: str
    workflow_name: str
    evidence: SidesOfEvidence


class ComponentChanges(Document):
    """How the components differ."""

    new: list[ComparedComponent]
    gone: list[ComparedComponent]
    changed: list[ChangedComponent]
    undecided: list[ChangedComponent] = Field(
        description="They differ, with too few observations to decide whether it is a change."
    )


class DependencyChanges(Document):
    """How the dependencies differ."""

    new: list[ComparedDependency]
    gone: list[ComparedDependency]
    changed: list[ChangedDependency]
    undecided: list[ChangedDependency] = Field(
        description="They differ, with too few observations to decide whether it is a change."
    )


class WorkflowChanges(Document):
    """How the workflows differ."""

    new: list[ComparedWorkflow]
    gone: list[ComparedWorkflow]
    changed: list[ChangedWorkflow]
    undecided: list[ChangedWorkflow] = Field(
        description="They differ, with too few observations to decide whether it is a change."
    )


class ShadowChanges(Document):
    """How the shadow agents differ, by today's catalog on both sides."""

    new: list[ComparedComponent]
    gone: list[ComparedComponent]
    note: str | None = Field(description="Why they cannot be compared; null where they can.")


class SpofChanges(Document):
    """How the single points of failure differ."""

    new: list[ComparedSpof]
    gone: list[ComparedSpof]


class ChangeCounts(Document):
    """How many of each list."""

    new: int
    gone: int
    changed: int
    undecided: int


class PresenceCounts(Document):
    """How many are new and gone."""

    new: int
    gone: int


class DiffSummary(Document):
    """How many changes of each kind."""

    components: ChangeCounts
    dependencies: ChangeCounts
    workflows: ChangeCounts
    shadow_agents: PresenceCounts
    spofs: PresenceCounts


class DiffThresholds(Document):
    """When a difference counts as a change."""

    error_share: str
    p95_ms: str
    confidence: float
    few_observations: int
    bucket_width: float = Field(description="Width of a latency bucket, relative to its start.")


class DiffDocument(Document):
    """What changed from graph `a` to graph `b`."""

    a: ComparedGraph
    b: ComparedGraph
    same: bool = Field(description="Whether nothing is new, gone or changed.")
    summary: DiffSummary
    components: ComponentChanges
    dependencies: DependencyChanges
    workflows: WorkflowChanges
    shadow_agents: ShadowChanges
    spofs: SpofChanges
    thresholds: DiffThresholds
