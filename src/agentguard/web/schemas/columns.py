"""The graph as columns."""

from __future__ import annotations

from pydantic import Field

from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.web.schemas.common import Document, Origin
from agentguard.web.schemas.components import BrokenHopDocument, CoverageDocument


class ComponentColumns(Document):
    """Components, one list per member; position 0 of each list is the first component."""

    id: list[str]
    name: list[str]
    kind: list[ComponentKind]
    environment: list[str | None]
    service: list[str | None] = Field(
        description="The service or MCP server in which each ran most often."
    )
    owner: list[str | None] = Field(description="Declared in the catalog.")
    shadow: list[bool | None] = Field(description="Null without a catalog.")
    invocations: list[int]
    errors: list[int]
    callers: list[int] = Field(description="Components that depend on each.")
    risk: list[float | None] = Field(description="From 0 to 10.")
    reason: list[str | None] = Field(description="Of the factor that adds most to the risk.")
    spof_workflows: list[int] = Field(
        description="Workflows for which each is a single point of failure; 0: it is none."
    )


class DependencyColumns(Document):
    """Dependencies, one list per member. Sources and targets are positions of components."""

    source: list[int]
    target: list[int]
    type: list[DependencyType]
    calls: list[int]
    errors: list[int]
    p95_ms: list[float | None] = Field(
        description="As the caller measured it, else as the target did; null: not measured."
    )


class WorkflowRow(Document):
    """A workflow."""

    id: str
    name: str
    runs: int
    failed: int
    entry: int | None = Field(
        description="Position of the first component that does the work; null: not shown."
    )


class GraphColumnsDocument(Origin):
    """Components, dependencies and findings much smaller than the graph, without evidence."""

    components: ComponentColumns
    dependencies: DependencyColumns
    workflows: list[WorkflowRow]
    cycles: list[list[int]] = Field(
        description="Positions of components that depend on each other."
    )
    by_risk: list[int] = Field(description="Positions of components, the highest risk first.")
    overall_risk: float
    risk_note: str | None
    shadow_note: str | None = Field(description="Why no agent is called a shadow agent.")
    environments: list[str]
    total_components: int = Field(description="In the whole graph, whatever a filter selects.")
    total_dependencies: int
    total_agents: int
    coverage: CoverageDocument
    broken_propagation: list[BrokenHopDocument]
