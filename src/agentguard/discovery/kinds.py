"""The kinds of components and the types of dependencies between them."""

from __future__ import annotations

from enum import StrEnum


class ComponentKind(StrEnum):
    """What a component is."""

    AGENT = "agent"
    TOOL = "tool"
    MODEL = "model"
    MCP_SERVER = "mcp_server"
    DATASTORE = "datastore"
    QUEUE = "queue"
    SERVICE = "service"
    EXTERNAL = "external"
    WORKFLOW = "workflow"


class DependencyType(StrEnum):
    """How a caller uses a callee."""

    STARTS = "starts"
    """A workflow starts an agent, a tool or a model."""
    DELEGATES = "delegates"
    HANDOFF = "handoff"
    USES_TOOL = "uses_tool"
    CALLS_MODEL = "calls_model"
    CALLS_MCP = "calls_mcp"
    USES_DATASTORE = "uses_datastore"
    HTTP = "http"
    MESSAGING = "messaging"

    @property
    def returns(self) -> bool:
        """Whether the caller waits for the callee.

        A failure then rises to the caller, otherwise to the workflow.
        """
        return self not in (DependencyType.HANDOFF, DependencyType.MESSAGING)
