"""What clients may rely on in each document; all carry more."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agentguard.catalog.drift import Aspect
from agentguard.catalog.matching import Standing
from agentguard.catalog.presence import State
from agentguard.discovery.kinds import ComponentKind
from agentguard.jobs.model import JobState
from agentguard.simulation.model import Severity


class Document(BaseModel):
    """A document that may carry more members than are declared."""

    model_config = ConfigDict(extra="allow")


class Root(Document):
    """Who answers."""

    message: str
    version: str
    docs: str


class Part(Document):
    """One part of the server."""

    status: Literal["up", "starting", "down"]
    detail: str | None
    latency_ms: float = Field(description="How long it took to answer.")
    error: str | None = Field(description="The kind of error, then what to do.")


class Health(Document):
    """Whether the server works, part by part."""

    status: Literal["up", "starting", "down"]
    parts: dict[str, Part]


class EvidenceDocument(Document):
    """One span behind a claim."""

    trace_id: str
    span_id: str
    timestamp: str | None


class AgentMetadata(Document):
    """What was seen of an agent."""

    duration_ms: float | None
    status: str | None
    attributes: dict[str, Any]


class AgentDocument(Document):
    """One agent."""

    id: str
    name: str
    type: Literal["llm_agent", "api_agent", "generic_agent"]
    metadata: AgentMetadata


class DependencyDocument(Document):
    """Source depends on target."""

    source: str
    target: str
    type: str
    calls: int
    errors: int
    confidence: float
    evidence: list[EvidenceDocument]


class ScanDocument(Document):
    """What a scan found."""

    agents: list[AgentDocument]
    shadow_agents: list[AgentDocument]
    dependencies: list[DependencyDocument]
    total_agents: int
    total_dependencies: int
    coverage: dict[str, Any]


class NodeDocument(Document):
    """One component."""

    id: str
    label: str
    type: str


class EdgeDocument(Document):
    """Source depends on target."""

    source: str
    target: str
    type: str


class AnalysisDocument(Document):
    """Findings: single points of failure, cycles, risk 0 to 10."""

    spof_agents: list[str]
    circular_dependencies: list[list[str]]
    risk_scores: dict[str, float]
    overall_risk: float | None


class GraphDocument(Document):
    """What runs and what depends on what."""

    nodes: list[NodeDocument]
    edges: list[EdgeDocument]
    window: dict[str, str | None]
    """`from` and `to`: the times between which its spans lie; null where none is known. `since` and
    `until`: the window asked for.
    """
    environments: list[str]
    analysis: AnalysisDocument


class DatasetDocument(Document):
    """One dataset and its newest graph."""

    name: str
    graph_version: str
    created_at: str | None
    total_components: int
    total_dependencies: int


class DatasetsDocument(Document):
    """What may be asked for as `dataset`."""

    datasets: list[DatasetDocument]


class AgentsDocument(Document):
    """All agents."""

    agents: list[AgentDocument]
    shadow_agents: list[AgentDocument]
    total_agents: int


class CatalogMatchDocument(Document):
    """How one component stands to the catalogue."""

    id: str
    name: str
    kind: ComponentKind
    standing: Standing
    reason: str
    first_seen: str | None
    last_seen: str | None
    evidence: list[EvidenceDocument]


class CatalogEntryDocument(Document):
    """How one entry stands to what was seen."""

    id: str | None
    name: str | None
    owner: str | None
    origin: str
    line: int | None
    state: State
    reason: str
    components: list[str]
    first_seen: str | None
    last_seen: str | None


class DriftDocument(Document):
    """What an entry declares otherwise than it was seen."""

    aspect: Aspect
    reason: str
    components: list[str]
    missing: list[str]
    extra: list[dict[str, Any]]
    owners: list[dict[str, str]]


class CatalogDocument(Document):
    """What was declared against what was seen."""

    catalog: dict[str, Any] | None
    note: str | None
    components: list[CatalogMatchDocument]
    shadow_agents: list[str]
    unidentified_agents: list[str]
    ambiguous: list[str]
    entries: list[CatalogEntryDocument]
    not_seen: list[CatalogEntryDocument]
    ghosts: list[CatalogEntryDocument]
    drift: list[DriftDocument]
    days_observed: int
    ghost_days: int


class ImpactEstimate(Document):
    """How bad it is; null, with a reason beside, where nothing supports a value."""

    severity: Severity
    revenue_risk: Any
    workflow_count: int
    estimated_recovery_time: Any


class SimulationDocument(Document):
    """What breaks if something fails."""

    failed_agent: str
    impacted_agents: list[str]
    impacted_count: int
    blast_radius_score: float
    impacted_workflows: list[dict[str, Any]]
    impact_estimate: ImpactEstimate


class PlaybookStepDocument(Document):
    """One step of a playbook."""

    id: str
    title: str
    timeframe: str
    actions: list[Any]
    verifications: list[Any]


class PlaybookDocument(Document):
    """What to do, step by step."""

    incident: Any
    estimated_recovery_time: Any
    steps: list[PlaybookStepDocument]


class JobErrorDocument(Document):
    """Why a job failed."""

    code: str
    message: str


class JobProgress(Document):
    """How much is done."""

    done: int
    total: int | None
    unit: Literal["bytes"] | None


class JobSummary(Document):
    """Work that a request did not wait for."""

    id: str
    kind: str
    state: JobState
    attempts: int
    """How often it was started."""
    progress: JobProgress
    error: JobErrorDocument | None
    created_at: str | None
    started_at: str | None
    finished_at: str | None


class JobDocument(JobSummary):
    """Work that a request did not wait for, and what came of it."""

    result: dict[str, Any] | None


class JobsDocument(Document):
    """A page of jobs, newest first."""

    jobs: list[JobSummary]
    next: str | None
    """What `before` must be for the next page; null after the last."""
