"""Request bodies."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    model_validator,
)

from agentguard.graph.selection import GraphSelection
from agentguard.playbooks.service import Wish
from agentguard.simulation.model import Method
from agentguard.simulation.modes import InvalidModeError, parse_choice
from agentguard.simulation.service import Failure
from agentguard.traces.window import TimeWindow
from agentguard.traces.window_parsing import LONGEST_TEXT, parse_time

_MOST_UNKNOWN = 20
"""Unknown members that are named one by one."""

Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1000,
        description="A component's id or unique name, or a shared-fate group: provider:NAME,"
        " server:NAME, service:NAME, environment:NAME.",
        examples=["PaymentAgent", "provider:openai"],
    ),
]


def _mode(text: str) -> str:
    try:
        parse_choice(text)
    except InvalidModeError as error:
        raise ValueError(f"is not valid: {str(error).removesuffix('.')}") from error
    return text


ModeText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1100,
        description="`outage`, `errors:RATE`, `latency:FACTOR` or `wrong_output:RATE`, with"
        " `COMPONENT=` in front for one component or group.",
        examples=["errors:0.2", "gpt-4o-mini=latency:10"],
    ),
    AfterValidator(_mode),
]


class RequestBody(BaseModel):
    """A JSON body: members that it does not know are errors, and too many are one error."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _few_members(cls, data: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        known = len(cls.model_fields)
        if isinstance(data, dict) and len(data) > known + _MOST_UNKNOWN:
            raise ValueError(f"must have at most {known} members; got {len(data):,}")
        return validate(data)


class FailureRequest(RequestBody):
    """The components that fail, and the method that finds the consequences."""

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
        list[ModeText],
        Field(
            min_length=1,
            max_length=100,
            description=(
                "How they fail: one mode for all, or COMPONENT=MODE or GROUP=MODE for some, which"
                " then fail too. Other modes than `outage` need the method `monte_carlo`, which is"
                " then the default."
            ),
        ),
    ] = ["outage"]
    method: Method | None = Field(
        default=None,
        description=(
            "Default: replay if runs were recorded, else structural; monte_carlo with other modes"
            " than `outage`."
        ),
    )
    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    dataset: str | None = Field(
        default=None,
        description="Default: `live` where it has a graph, else the dataset last written.",
    )
    version: str | None = Field(
        default=None, description="Id of a stored graph version, instead of the newest."
    )
    since: str | None = Field(
        default=None,
        max_length=LONGEST_TEXT,
        description="Only live traces that start at this time or later (ISO 8601, or 24h ago).",
    )
    until: str | None = Field(
        default=None,
        max_length=LONGEST_TEXT,
        description="Only live traces that start before this time.",
    )
    lookback: str | None = Field(
        default=None,
        max_length=LONGEST_TEXT,
        description="Length of the window that ends at `until` (default: now), such as 15m or 7d.",
    )
    background: bool = Field(
        default=False, description="Return 202 with a job at once; its result is the document."
    )

    @model_validator(mode="after")
    def _name_something(self) -> FailureRequest:
        own = any(parse_choice(text).wanted for text in self.modes)
        if not self.wanted and not self.groups and not own:
            raise ValueError("must name at least one of agent_id, agent_ids or groups")
        return self

    @property
    def wanted(self) -> list[str]:
        """All ids and names, in order, each once."""
        return list(dict.fromkeys([*([self.agent_id] if self.agent_id else []), *self.agent_ids]))

    def failure(self, window: TimeWindow | None) -> Failure:
        """Return what fails in which graph; `window` is that of the request's times."""
        return Failure(
            tuple(self.wanted),
            tuple(self.groups),
            self.method,
            self.seed,
            GraphSelection(self.dataset, self.version, window),
            tuple(self.modes),
        )


class PlaybookRequest(FailureRequest):
    """The failure that a playbook is for, and what is known about it."""

    condition: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description=(
            "Template, such as `rate_limit`, `agent_loop` or `shadow_agent`. Default: the one"
            " suited to what fails and how."
        ),
    )
    started_at: str | None = Field(
        default=None,
        max_length=LONGEST_TEXT,
        description="When the failure began (ISO 8601, or how long ago: 15m).",
    )

    refine: bool | None = Field(
        default=None,
        description=(
            "Let the language model phrase it. Default: in jobs (`background`), where one is set."
        ),
    )

    def wish(self, now: int) -> Wish:
        """Return what the playbook is asked for; raise TimeWindowError."""
        began = None if self.started_at is None else parse_time(self.started_at, "started_at", now)
        return Wish(self.condition, began, self.refine)


class SimulationRequest(FailureRequest):
    """The failure that is simulated, and whether the result is stored."""

    preview: bool = Field(
        default=False, description="Do not store the simulation: its `id` is null."
    )

    @model_validator(mode="after")
    def _store_jobs(self) -> SimulationRequest:
        if self.preview and self.background:
            raise ValueError("preview and background exclude each other: a job stores its result")
        return self
