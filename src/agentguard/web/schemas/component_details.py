"""The document of one component."""

from __future__ import annotations

from agentguard.web.schemas.diff import SpanDocument
from agentguard.web.schemas.documents import DependencyDocument, Document, NodeDocument


class WorkflowDocument(Document):
    """A workflow; `entry` is a component id, `root` the name of its root spans."""

    id: str
    name: str
    entry: str
    root: str | None
    root_component: str
    runs: int
    failed: int
    nested_runs: int
    runs_per_hour: float | None
    runs_per_hour_reason: str | None
    first_seen: str | None
    last_seen: str | None
    evidence: list[SpanDocument]


class ComponentDetailsDocument(NodeDocument):
    """One component of any kind, with its neighbors and the workflows that can reach it."""

    dependencies: list[DependencyDocument]
    dependents: list[DependencyDocument]
    workflows: list[WorkflowDocument]
