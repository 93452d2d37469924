"""Documents about single points of failure, cycles, risk and centrality."""

from __future__ import annotations

from pydantic import Field

from agentguard.analysis.run_loops import LoopKind
from agentguard.discovery.kinds import ComponentKind
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
    overall_risk: float
    risk_version: str
    risk_note: str | None
    spofs: list[SPOFDocument]
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
