"""The document of one component."""

from __future__ import annotations

from agentguard.web.schemas.common import Origin, WindowDocument
from agentguard.web.schemas.components import DependencyDocument, NodeDocument, WorkflowDocument


class ComponentDetailsDocument(NodeDocument, Origin):
    """One component of any kind, with its neighbors and the workflows that can reach it."""

    window: WindowDocument
    dependencies: list[DependencyDocument]
    dependents: list[DependencyDocument]
    workflows: list[WorkflowDocument]
