"""Request bodies."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agentguard.simulation.model import Method
from agentguard.simulation.service import Failure

Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1000,
        description="A component's id or unique name.",
        examples=["PaymentAgent"],
    ),
]


class FailureRequest(BaseModel):
    """What fails, and how the consequences are found."""

    model_config = ConfigDict(extra="forbid")

    agent_id: Name | None = None
    agent_ids: Annotated[
        list[Name], Field(max_length=100, description="Several that fail at once.")
    ] = []
    groups: Annotated[
        list[Name],
        Field(
            max_length=100,
            description=(
                "Shared-fate groups that fail: provider:NAME, server:NAME, service:NAME,"
                " environment:NAME."
            ),
        ),
    ] = []
    modes: Annotated[
        list[Literal["outage"]],
        Field(
            min_length=1,
            max_length=1,
            description="How they fail; this version knows outages alone.",
        ),
    ] = ["outage"]
    method: Method | None = Field(
        default=None, description="Without one: replay where runs were recorded, else structural."
    )
    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    dataset: str | None = Field(default=None, description="Without one: the dataset last written.")
    background: bool = Field(
        default=False, description="Answer 202 with a job at once; the document is its result."
    )

    @model_validator(mode="after")
    def _name_something(self) -> FailureRequest:
        if not self.wanted and not self.groups:
            raise ValueError("must name what fails: agent_id, agent_ids or groups")
        return self

    @property
    def wanted(self) -> list[str]:
        """All ids and names, in order, each once."""
        return list(dict.fromkeys([*([self.agent_id] if self.agent_id else []), *self.agent_ids]))

    def failure(self) -> Failure:
        """Return what fails, and how the consequences are to be found."""
        return Failure(tuple(self.wanted), tuple(self.groups), self.method, self.seed, self.dataset)
