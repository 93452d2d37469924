"""What discovery asks about the whole window, and a record of the answers it got."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]
Mask = NDArray[np.bool_]


class Facts(Protocol):
    """Facts about all spans of the window, of which discovery sees a part."""

    @property
    def agent_services(self) -> Container[object]:
        """Services that contain agent spans."""

    @property
    def agents(self) -> Container[object]:
        """Keys (naming.agent_key) of agents that have spans."""

    @property
    def tool_services(self) -> Container[object]:
        """Services that contain tool spans."""

    @property
    def mcp(self) -> Container[object]:
        """MCP servers, and their tools, see discovery.qualified_names.mcp_parts."""

    @property
    def serving(self) -> Container[object]:
        """Services that serve requests or run agents."""

    @property
    def starting(self) -> Container[object]:
        """Services that make database calls without a parent only before they first serve."""

    def are_link_targets(self, spans: U64) -> Mask:
        """Return which of these span ids (as words) are targets of span links."""


@dataclass(slots=True)
class _AskedSet(Container[object]):
    """A set that records its answers."""

    members: Container[object]
    answers: dict[object, bool] = field(default_factory=dict)

    def __contains__(self, member: object) -> bool:
        answer = self.answers[member] = member in self.members
        return answer


@dataclass(frozen=True, slots=True)
class Answers:
    """Questions about a window with their answers."""

    agent_services: dict[object, bool]
    agents: dict[object, bool]
    tool_services: dict[object, bool]
    mcp: dict[object, bool]
    serving: dict[object, bool]
    starting: dict[object, bool]
    link_targets: tuple[tuple[U64, Mask], ...]

    def hold(self, facts: Facts) -> bool:
        """Return whether these facts give the same answers."""
        return (
            _hold(self.agent_services, facts.agent_services)
            and _hold(self.agents, facts.agents)
            and _hold(self.tool_services, facts.tool_services)
            and _hold(self.mcp, facts.mcp)
            and _hold(self.serving, facts.serving)
            and _hold(self.starting, facts.starting)
            and all(
                np.array_equal(facts.are_link_targets(spans), answer)
                for spans, answer in self.link_targets
            )
        )


def _hold(answers: dict[object, bool], members: Container[object]) -> bool:
    return all((member in members) is answer for member, answer in answers.items())


class RecordedFacts:
    """Facts about the window that record each question with its answer."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self.agent_services = _AskedSet(facts.agent_services)
        self.agents = _AskedSet(facts.agents)
        self.tool_services = _AskedSet(facts.tool_services)
        self.mcp = _AskedSet(facts.mcp)
        self.serving = _AskedSet(facts.serving)
        self.starting = _AskedSet(facts.starting)
        self._link_targets: list[tuple[U64, Mask]] = []

    def are_link_targets(self, spans: U64) -> Mask:
        answer = self._facts.are_link_targets(spans)
        self._link_targets.append((spans, answer))
        return answer

    @property
    def answers(self) -> Answers:
        """Return all answers so far."""
        return Answers(
            self.agent_services.answers,
            self.agents.answers,
            self.tool_services.answers,
            self.mcp.answers,
            self.serving.answers,
            self.starting.answers,
            tuple(self._link_targets),
        )
