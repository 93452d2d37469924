"""The document of one component."""

from __future__ import annotations

from pydantic import Field

from agentguard.web.schemas.common import Origin, WindowDocument
from agentguard.web.schemas.components import (
    DependencyDocument,
    HostingDocument,
    NodeDocument,
    WorkflowDocument,
)


class ComponentDetailsDocument(NodeDocument, Origin):
    """One component of any kind, with its neighbors and the workflows that can reach it."""

    window: WindowDocument
    dependencies: list[DependencyDocument]
    dependents: list[DependencyDocument]
    runs_in: list[HostingDocument] = Field(description="Where it runs.")
    hosts: list[HostingDocument] = Field(description="What runs in it.")
    workflows: list[WorkflowDocument]
