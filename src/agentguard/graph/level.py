"""The level at which a graph is shown."""

from __future__ import annotations

from enum import StrEnum


class Level(StrEnum):
    """What stands for a service and the agents in it."""

    AGENT = "agent"
    """Its agents; the service where it has none."""
    SERVICE = "service"
    """The service, or the MCP server of a tool."""
