"""Component kinds and dependency types."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class ComponentKind(StrEnum):
    """The kind of a component."""

    AGENT = "agent"
    TOOL = "tool"
    MODEL = "model"
    MCP_SERVER = "mcp_server"
    DATASTORE = "datastore"
    QUEUE = "queue"
    SERVICE = "service"
    EXTERNAL = "external"
    WORKFLOW = "workflow"


class Stop(IntEnum):
    """Why a run ended without success or failure."""

    NONE = 0
    GUARDRAIL = 1
    """A guardrail or a content filter."""
    PERSON = 2
    """It waits for a person's answer or approval."""


class DependencyType(StrEnum):
    """How the caller uses the callee."""

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
        """Return whether the caller waits for the callee.

        If so, a failure propagates to the caller, otherwise directly to the workflow.
        """
        return self not in (DependencyType.HANDOFF, DependencyType.MESSAGING)


TYPES = tuple(DependencyType)
TYPE_CODE = {kind: code for code, kind in enumerate(TYPES)}
"""The codes of types in arrays."""
