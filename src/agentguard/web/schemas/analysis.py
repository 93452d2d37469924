"""Documents about single points of failure, cycles, risk and centrality."""

from __future__ import annotations

from pydantic import Field

from agentguard.analysis.run_loops import LoopKind
from agentguard.discovery.kinds import ComponentKind
from agentguard.simulation.fate_groups import FateKind
from agentguard.simulation.model import Method
from agentguard.web.schemas.common import Document, EvidenceDocument, Origin, Share


class SPOFWorkflowDocument(Document):
    """A workflow that fails with a component."""

    id: str
    name: str
    entry: str
    root: str | None
    is_entry: bool
    structural: bool
    runs_seen: int
    runs_failed: int
    runs_lost: float | None
    share_lost: Share | None


class SPOFDocument(Document):
    """A single point of failure."""

    id: str
    name: str
    kind: ComponentKind
    workflows: list[SPOFWorkflowDocument]
    evidence: list[EvidenceDocument]


class RootDocument(Document):
    """A component in series that fails by itself, and what only inherits its fate."""

    id: str
    name: str
    kind: ComponentKind
    runs_lost: float | None = Field(description="Expected; null without recorded runs.")
    share_lost: Share | None
    spare_saves: float | None = Field(
        description="Runs that a spare which its callers turn to would save; null: not known."
    )
    inherits: list[str]
    evidence: list[EvidenceDocument]


class SeriesDocument(Document):
    """The single points of failure of one workflow."""

    workflow: str
    name: str
    entry: str
    root: str | None
    runs_seen: int
    runs_failed: int
    components: int = Field(description="Components in series, entries included.")
    entries: list[str]
    roots: list[RootDocument]
    structural_only: list[str] = Field(
        description="Needed by the structural rules, but their outage loses no recorded run."
    )


class CutSetDocument(Document):
    """Components and shared-fate groups that bring a workflow down together."""

    members: list[str]
    runs_lost: float | None = Field(description="Expected; null: not simulated.")


class WorkflowCutSetsDocument(Document):
    """Minimal cut sets of two and three members."""

    workflow: str
    name: str
    bounded: bool
    sets: list[CutSetDocument]


class CutSetsDocument(Document):
    """Minimal cut sets by workflow."""

    bounded: bool = Field(description="Whether a search was cut short or left out.")
    workflows: list[WorkflowCutSetsDocument]


class SharedFateDocument(Document):
    """Components that fail together."""

    group: str
    kind: FateKind
    name: str
    members: list[str]
    partly: list[str] = Field(description="Members that have another provider or host.")
    component: str | None
    runs_lost: float | None = Field(description="Expected; null: not simulated.")
    workflows: dict[str, float] | None


class FalseRedundancyDocument(Document):
    """Alternatives that fail together."""

    owner: str
    members: list[str]
    shared: list[str]
    family: str | None = Field(description="Family of models, told by the names alone.")


class CycleDocument(Document):
    """Components that depend on each other, and one shortest cycle through them."""

    components: list[str]
    witness: list[str]
    evidence: list[EvidenceDocument]


class SimpleCyclesDocument(Document):
    """Simple cycles, the shortest first."""

    cycles: list[list[str]]
    truncated: bool


class RunLoopDocument(Document):
    """A loop between the same components, seen within recorded runs."""

    kind: LoopKind
    components: list[str] = Field(
        description="The two agents of a ping-pong; caller and callee of the others."
    )
    runs: int = Field(description="Number of runs in which it was seen.")
    times: int = Field(
        description="Transfers, failed attempts or model calls in the longest such loop."
    )
    run_id: str = Field(description="Run of the longest loop.")
    input_tokens: list[int] | None = Field(
        description="Of the first and last model call of a growing context."
    )
    evidence: list[EvidenceDocument] = Field(
        description="Spans of the longest loop: its first ones and its last."
    )


class RiskFactorDocument(Document):
    """One factor of a risk score."""

    name: str
    value: float
    weight: float
    contribution: float
    reason: str


class RiskDocument(Document):
    """The risk of a component."""

    id: str
    name: str
    kind: ComponentKind
    score: float = Field(description="From 0 to 10.")
    score_low: float = Field(description="Over the 95% range of the likelihood.")
    score_high: float
    factors: list[RiskFactorDocument]


class BetweennessDocument(Document):
    """How betweenness was computed."""

    exact: bool
    sources: int = Field(description="Number of components from which paths were counted.")


class ComponentCentralityDocument(Document):
    """The centrality of a component."""

    id: str
    betweenness: float
    pagerank: float


class CentralityDocument(Document):
    """The centrality of all components."""

    betweenness: BetweennessDocument
    components: list[ComponentCentralityDocument]


class AnalysisDocument(Document):
    """Findings: single points of failure, cycles, risk from 0 to 10, centrality."""

    spof_agents: list[str]
    spof_components: list[str]
    circular_dependencies: list[list[str]]
    circular_components: list[list[str]]
    risk_scores: dict[str, float]
    component_risk_scores: dict[str, float]
    overall_risk: float = Field(description="The highest score of any component.")
    risk_version: str
    risk_note: str | None
    spofs: list[SPOFDocument]
    series: list[SeriesDocument]
    cut_sets: CutSetsDocument
    shared_fates: list[SharedFateDocument]
    false_redundancies: list[FalseRedundancyDocument]
    dominators: dict[str, str | None] = Field(
        description="The nearest component that every path from an entry passes."
    )
    articulation_points: list[str]
    cycles: list[CycleDocument]
    simple_cycles: SimpleCyclesDocument
    run_loops: list[RunLoopDocument]
    risks: list[RiskDocument]
    centrality: CentralityDocument
    share_of: str = Field(description="The denominator of all shares of runs.")
    method: Method
    seed: int


class AnalysisAnswer(AnalysisDocument, Origin):
    """The findings on one graph."""
