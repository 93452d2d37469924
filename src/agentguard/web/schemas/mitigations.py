"""Documents about mitigations."""

from __future__ import annotations

from pydantic import Field

from agentguard.simulation.mitigations import MitigationKind
from agentguard.web.schemas.common import Document, Origin


class MitigationDocument(Document):
    """One mitigation, and what it would save."""

    kind: MitigationKind
    components: list[str] = Field(description="What it protects from, or what is moved.")
    owners: list[str] = Field(description="Where it is built; empty: with the component itself.")
    runs_saved: float | None = Field(description="Expected; null: the recorded data cannot say.")
    workflows: dict[str, float] | None = Field(description="Runs saved by workflow id.")
    runs_saved_at_most: float
    value_saved: float | None
    basis: str = Field(description="What was changed in the model, or why nothing can be said.")


class MitigationsAnswer(Origin):
    """Mitigations, what saves most first."""

    mitigations: list[MitigationDocument]
    currency: str | None
    note: str | None = Field(description="Why there are none.")
