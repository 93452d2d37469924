"""The document of the spans behind a claim."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from agentguard.evidence.claims import ClaimKind
from agentguard.web.schemas.common import Document, EvidenceDocument


class CitedSpanDocument(EvidenceDocument):
    """A span behind a claim, with what is stored of it."""

    name: str | None = Field(
        description="The span's name; the component that was called, where `stored` is `runs`."
    )
    service: str | None
    failed: bool | None = Field(description="Its recorded status; null: not stored.")
    stored: Literal["spans", "runs"] | None = Field(
        description="`spans`: the span itself. `runs`: its call, in recorded runs. Null: neither."
    )


class ClaimDocument(Document):
    """A claim and the spans that support it."""

    claim: str = Field(examples=["component:agent:paymentagent"])
    kind: ClaimKind
    statement: str
    dataset: str | None
    graph_version: str | None
    total: int | None = Field(description="How many support the claim in all; null: not counted.")
    counted: Literal["spans", "calls", "runs"] | None = Field(description="What `total` counts.")
    chosen: str = Field(description="How the cited spans were chosen of all.")
    spans: list[CitedSpanDocument]
    spans_cited: int
    notes: list[str] = Field(description="What is left out or not stored, in sentences.")
