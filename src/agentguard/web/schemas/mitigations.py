"""Documents about mitigations and game days."""

from __future__ import annotations

from pydantic import Field

from agentguard.simulation.mitigations import MitigationKind
from agentguard.web.schemas.common import Document, Origin, Share


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


class NarrowedDocument(Document):
    """An outage about which a game day tells."""

    component: str
    runs_decided: float = Field(description="Expected runs lost that lie between both answers.")
    runs_lost_if_survived: float | None
    runs_lost_if_not: float | None
    narrows: Share = Field(description="Of the variance of the runs lost.")


class OutageGameDayDocument(Document):
    """A failure to try: take the target away from the source once."""

    source: str
    target: str
    standby: str | None = Field(
        description="Declared to take over for the target, and never seen to; otherwise null."
    )
    survives: float = Field(
        description="Probability that the source survives, or that the standby takes over."
    )
    runs_decided: float = Field(description="The sum over its outages.")
    outages: list[NarrowedDocument]


class GameDaysAnswer(Origin):
    """Failures to try, those that decide about most runs first."""

    seed: int
    components: int = Field(description="In the graph.")
    outages_simulated: int = Field(description="Those of the most invoked components.")
    game_days: list[OutageGameDayDocument]
    reason: str | None = Field(description="Why there are none.")
