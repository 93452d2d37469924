"""Documents about the server."""

from __future__ import annotations

from pydantic import Field

from agentguard.health import Status
from agentguard.web.schemas.common import Document


class Root(Document):
    """The name and version of the server."""

    message: str
    version: str
    docs: str


class PartHealth(Document):
    """The health of one part of the server."""

    status: Status
    detail: str | None
    latency_ms: float = Field(description="Duration of the check.")
    error: str | None = Field(description="The kind of error, then what to do.")


class Health(Document):
    """The health of the server: the worst status of its parts, and each part."""

    status: Status
    parts: dict[str, PartHealth]
