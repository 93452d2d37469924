"""Documents about components, dependencies, fallbacks, workflows and coverage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from agentguard.catalog.model import Criticality
from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.graph.model import BreakKind, FallbackMode
from agentguard.web.schemas.common import Document, EvidenceDocument, Origin, Share, Time

AgentType = Literal["llm_agent", "api_agent", "generic_agent"]


class BasisDocument(Document):
    """The rule and the convention that a claim follows from."""

    rule: str
    convention: str


class LatencyDocument(Document):
    """Latency in milliseconds, from a histogram."""

    p50: float
    p95: float
    p99: float


class DeclaredDocument(Document):
    """What the catalog declares about a component."""

    name: str
    owner: str | None
    criticality: Criticality | None
    value_per_run: float | None


class Grounds(Document):
    """Why a claim is believed."""

    confidence: float = Field(description="From 0 to 1.")
    basis: BasisDocument
    why: str
    evidence: list[EvidenceDocument]


class ComponentDocument(Grounds):
    """A component."""

    id: str
    kind: ComponentKind
    name: str
    environment: str | None
    server: str | None = Field(description="The MCP server of a tool.")
    identified: bool = Field(description="False if spans show that it exists, but none names it.")
    services: list[str]
    providers: list[str]
    spellings: list[str] = Field(description="Other names: case variants, dated model names.")
    response_models: list[str] = Field(description="Model names in the responses.")
    invocations: int
    errors: int
    self_calls: int
    self_latency_ms: LatencyDocument | None
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    mean_duration_ms: float | None
    latency_ms: LatencyDocument | None
    first_seen: Time | None
    last_seen: Time | None
    attributes: dict[str, str] = Field(description="Identifying attributes of a sample span.")
    shadow: bool | None = Field(description="Seen but not declared; null without a catalog.")
    shadow_reason: str | None
    declared: DeclaredDocument | None


class AgentMetadata(Document):
    """What was seen of an agent."""

    duration_ms: float | None
    status: Literal["unknown", "ok", "degraded", "failed"]
    attributes: dict[str, str]


class AgentDocument(ComponentDocument):
    """An agent."""

    type: AgentType
    metadata: AgentMetadata


class NodeDocument(ComponentDocument):
    """A component as a node of the graph."""

    label: str
    type: ComponentKind
    agent_type: AgentType | None = Field(description="Null for other kinds.")


class DependencyDocument(Grounds):
    """A dependency: the source depends on the target."""

    source: str
    target: str
    type: DependencyType
    source_name: str | None
    target_name: str | None
    via: str | None = Field(description="The queue or broker between them.")
    calls: int
    errors: int
    absorbed: int = Field(description="Failed calls after which the caller's run succeeded.")
    propagated: int = Field(description="Failed calls after which the caller's run failed.")
    waited_calls: int = Field(description="Calls that ended before the caller's run did.")
    passed_control_calls: int = Field(
        description="Calls that began after the caller's run had ended."
    )
    retries: int
    source_runs: int = Field(description="Runs of the source that called the target.")
    latency_ms: LatencyDocument | None
    client_latency_ms: LatencyDocument | None
    queue_delay_ms: LatencyDocument | None
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    cost_usd: float | None
    inferred_calls: int = Field(
        description="Calls whose caller is in another trace, matched by ids, times and peer."
    )
    first_seen: Time | None
    last_seen: Time | None


class HostingDocument(Grounds):
    """Where a component runs; no dependency."""

    component: str
    host: str = Field(
        description="Id. A service is a component only if it takes part in calls itself."
    )
    component_name: str | None
    host_name: str
    host_kind: Literal["service", "mcp_server"]
    environment: str | None
    runs: int = Field(description="Invocations of the component there.")


class FallbackDocument(Document):
    """A second callee that was tried after the first one had failed."""

    owner: str
    primary: str
    secondary: str
    count: int
    rescued: int = Field(description="Times that the run succeeded afterwards.")
    fallback_mode: FallbackMode
    evidence: list[EvidenceDocument]


class WorkflowDocument(Document):
    """A workflow: what starts a trace, or a chain of linked traces."""

    id: str
    name: str
    entry: str = Field(description="Id of the first component that does the work.")
    root: str | None = Field(description="Name of the root span.")
    root_component: str = Field(description="Id of the component whose spans start the runs.")
    runs: int
    failed: int
    stopped_by_guardrail: int
    waiting_for_person: int
    nested_runs: int
    runs_per_hour: float | None
    runs_per_hour_reason: str | None
    first_seen: Time | None
    last_seen: Time | None
    evidence: list[EvidenceDocument]


class BrokenCallDocument(Document):
    """A call whose trace context is lost."""

    caller: EvidenceDocument | None = Field(description="The caller's span; null if unknown.")
    callee: EvidenceDocument
    inferred: bool = Field(description="Whether the graph counts both spans as one call.")


class BrokenHopDocument(Document):
    """Calls from one service to another that should share a trace, but do not."""

    kind: BreakKind
    caller: str | None = Field(description="The calling service; null if unknown.")
    callee: str = Field(description="The called service.")
    protocol: Literal["http", "rpc", "mcp", "messaging"] | None
    operations: list[str] = Field(description="Names of the callee's spans, at most 5.")
    agents: list[str] = Field(
        description="Ids of the agents that therefore appear at the root of a trace, at most 5."
    )
    lost_calls: int
    intact_calls: int = Field(
        description="Calls of the same hop with intact context: caller and callee share a trace."
    )
    inferred_calls: int = Field(description="Lost calls that the graph joins by inference.")
    agreed: list[Literal["ids", "operation", "peer", "times"]] = Field(
        description="What both sides of every lost call record alike."
    )
    clock_offset_ms: float | None = Field(
        description="The callee's clock minus the caller's, if it had to be estimated."
    )
    cause: str
    repair: str
    confidence: Share = Field(description="That the sides belong together.")
    calls: list[BrokenCallDocument] = Field(description="The newest, at most 5.")


class CoverageDocument(Document):
    """What was read, and how much of it could be used."""

    spans_read: int
    spans: int = Field(description="Without duplicates.")
    traces: int
    duplicates: int
    attributed: dict[str, int] = Field(description="Spans with a role, by dialect.")
    unattributed: dict[str, int] = Field(description="Spans without a role, by scope.")
    orphans: int = Field(description="Spans whose parent is missing.")
    parent_cycles: int
    late: int | None
    sampling: dict[str, int]
    cardinality_limited: dict[str, int] = Field(
        description="Names that were counted together as `other`, by kind."
    )
    housekeeping: dict[str, int] = Field(
        description="Runs of health checks and pollers, and database calls that prepare a service."
    )
    unresolved_peers: int
    unnamed_model_calls: int
    model_calls_without_usage: int
    outside_window: int = Field(
        description="Spans outside the requested window, or beyond the live graph's limit."
    )
    refused: dict[str, int] = Field(description="Unusable spans, by reason.")
    first_seen: Time | None
    last_seen: Time | None


class AgentsDocument(Origin):
    """All agents."""

    agents: list[AgentDocument]
    shadow_agents: list[AgentDocument]
    shadow_note: str | None = Field(description="Why no agent is called a shadow agent.")
    total_agents: int


class AgentDetailsDocument(AgentDocument, Origin):
    """An agent with its dependencies, its dependents and the workflows that it starts."""

    dependencies: list[DependencyDocument]
    dependents: list[DependencyDocument]
    runs_in: list[HostingDocument] = Field(description="Where it runs.")
    hosts: list[HostingDocument] = Field(description="What runs in it.")
    workflows: list[WorkflowDocument]
