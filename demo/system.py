"""How a demo system is described.

Agents, the services they live in, its entry points, its faults, its work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from demo.database import Database
from demo.faults import Fault
from demo.scripts import Step, Task

Tool = Callable[[Task, Database], str]
"""Takes the task from the model; returns the result for the model."""


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent with its models, tools and the agents that it may call."""

    name: str
    description: str
    models: tuple[str, ...]
    """Asked in this order until one answers; the same name twice is a retry, another name a
    fallback.
    """
    tools: Mapping[str, Tool] = field(default_factory=dict)
    colleagues: tuple[str, ...] = ()
    script: tuple[Step, ...] = ()
    """The script that the model follows for this agent."""


@dataclass(frozen=True, slots=True)
class Service:
    """One process: its agents, and the paths of the entry points."""

    name: str
    agents: tuple[Agent, ...] = ()
    entries: Mapping[str, str] = field(default_factory=dict)
    """Path → agent that serves it."""
    tools: Mapping[str, Tool] = field(default_factory=dict)
    """What it offers over the Model Context Protocol, to the agents that name these tools."""


@dataclass(frozen=True, slots=True)
class Request:
    """A user's request to the system."""

    path: str
    task: Task


@dataclass(frozen=True, slots=True)
class System:
    """A whole demo system."""

    name: str
    services: tuple[Service, ...]
    faults: tuple[Fault, ...]
    database: str
    schema: str
    """SQL that creates and fills the database."""
    default_runs: int
    conventions: str
    """Which generations of the semantic conventions its telemetry speaks:
    OTEL_SEMCONV_STABILITY_OPT_IN.
    """
    requests: Callable[[int, int], Sequence[Request]]
    """(seed, number of main runs) → the users' requests."""
    timeout_seconds: float = 30.0
    """How long a caller waits for a service."""
    model_timeout_seconds: float = 30.0

    @property
    def agents(self) -> dict[str, Agent]:
        """All agents by name."""
        return {agent.name: agent for service in self.services for agent in service.agents}

    @property
    def homes(self) -> dict[str, str]:
        """Agent → name of its service."""
        return {agent.name: service.name for service in self.services for agent in service.agents}

    @property
    def tool_homes(self) -> dict[str, str]:
        """Tool → name of the server that hosts it; the tools of agents' own processes left out."""
        return {tool: service.name for service in self.services for tool in service.tools}
