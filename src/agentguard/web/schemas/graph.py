"""Documents about graphs, scans and datasets."""

from __future__ import annotations

from pydantic import Field

from agentguard.web.schemas.analysis import AnalysisDocument
from agentguard.web.schemas.common import Document, Origin, Time, WindowDocument
from agentguard.web.schemas.components import (
    AgentDocument,
    BrokenHopDocument,
    ComponentDocument,
    CoverageDocument,
    DependencyDocument,
    FallbackDocument,
    HostingDocument,
    NodeDocument,
    WorkflowDocument,
)

RUNS_IN = "Agents and tools of services, tools of MCP servers."
BROKEN = "Calls between services that should share a trace, but do not; most lost calls first."


class RefusalDocument(Document):
    """A part of the input that could not be used."""

    origin: str
    reason: str
    message: str
    spans: int


class ScanDocument(Document):
    """The result of a scan."""

    dataset: str
    graph_version: str
    agents: list[AgentDocument]
    shadow_agents: list[AgentDocument]
    shadow_note: str | None = Field(description="Why no agent is called a shadow agent.")
    components: list[ComponentDocument]
    dependencies: list[DependencyDocument]
    runs_in: list[HostingDocument] = Field(description=RUNS_IN)
    fallbacks: list[FallbackDocument]
    workflows: list[WorkflowDocument]
    broken_propagation: list[BrokenHopDocument] = Field(description=BROKEN)
    window: WindowDocument
    environments: list[str]
    coverage: CoverageDocument
    total_agents: int
    total_components: int
    total_dependencies: int
    refusals: list[RefusalDocument] = Field(
        description="The first 100, those that lost spans first; files without traces among them."
    )
    refusals_total: int


class GraphDocument(Origin):
    """Components, dependencies and the findings about them."""

    nodes: list[NodeDocument]
    edges: list[DependencyDocument]
    runs_in: list[HostingDocument] = Field(description=RUNS_IN)
    fallbacks: list[FallbackDocument]
    workflows: list[WorkflowDocument]
    broken_propagation: list[BrokenHopDocument] = Field(description=BROKEN)
    total_components: int = Field(description="In the whole graph, whatever a filter selects.")
    total_dependencies: int
    shadow_note: str | None = Field(description="Why no agent is called a shadow agent.")
    environments: list[str]
    total_agents: int
    coverage: CoverageDocument
    analysis: AnalysisDocument


class DatasetDocument(Document):
    """A dataset and its newest graph."""

    name: str
    graph_version: str
    created_at: Time | None
    total_components: int
    total_dependencies: int
    versions: int
    """Stored graph versions."""
    bytes: int
    """Of the graphs of all its versions, without runs."""


class DatasetDeletedDocument(Document):
    """A dataset that was deleted."""

    dataset: str
    deleted_versions: int


class DatasetsDocument(Document):
    """All datasets, the last written first."""

    datasets: list[DatasetDocument]


class GraphEvent(Document):
    """Data of the event `graph`: a dataset has a new graph version."""

    dataset: str
    graph_version: str
