"""Members that several documents share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from agentguard.graph.model import EvidenceReason

Time = Annotated[
    str,
    Field(
        description="RFC 3339 in UTC with nanoseconds.",
        examples=["2026-01-01T00:00:01.000000000Z"],
    ),
]
Share = Annotated[float, Field(description="From 0 to 1.")]


class Document(BaseModel):
    """A document. It may get further members: clients must ignore those that they do not know."""


class EvidenceDocument(Document):
    """A span behind a claim."""

    trace_id: str
    span_id: str
    timestamp: Time | None
    reason: EvidenceReason
    url: str | None = Field(
        description="The span in a trace viewer, if AGENTGUARD_TRACE_URL is set."
    )


class WindowDocument(Document):
    """The time that a graph covers."""

    from_: Time | None = Field(alias="from", description="Start of the first span.")
    to: Time | None = Field(description="End of the last span.")
    since: Time | None = Field(description="Start of the requested window.")
    until: Time | None = Field(description="End of the requested window.")


class Origin(Document):
    """The graph that a document describes."""

    dataset: str
    graph_version: str | None = Field(description="Null for a window, which is not stored.")
    created_at: Time | None
    window: WindowDocument
