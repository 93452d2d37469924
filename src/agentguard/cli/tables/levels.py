"""Which rows of a graph's tables only repeat, for services, what the rows of agents say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from agentguard.cli.tables.cells import Document, faint, plural
from agentguard.graph.hosting import repeating


@dataclass(frozen=True, slots=True)
class AgentLevel:
    """The rows of a document at the level of agents, or of services without agents."""

    components: Sequence[Document]
    dependencies: Sequence[Document]
    hidden: int
    """Services that are not listed, because the agents in them are."""

    def note(self) -> Text | None:
        """Return the line about what is not shown, or None."""
        if not self.hidden:
            return None
        return faint(
            f"Not listed: {plural(self.hidden, 'service')} whose agents are; `agentguard graph"
            " --level service` shows services."
        )


def agent_level(
    components: Sequence[Document], dependencies: Sequence[Document], runs_in: Sequence[Document]
) -> AgentLevel:
    """Return the rows without services that have listed agents, and without their dependencies.

    A dependency stays that no dependency of the agents repeats.
    """
    agents = _agents(components, runs_in)
    repeated = repeating({(d["source"], d["target"]) for d in dependencies}, agents)
    return AgentLevel(
        [c for c in components if c["id"] not in agents],
        [d for d in dependencies if (d["source"], d["target"]) not in repeated],
        len(agents),
    )


def _agents(components: Sequence[Document], runs_in: Sequence[Document]) -> dict[str, set[str]]:
    """Return the listed agents of each listed service."""
    kinds = {c["id"]: c["kind"] for c in components}
    found = defaultdict[str, set[str]](set)
    for hosting in runs_in:
        ends = kinds.get(hosting["host"]), kinds.get(hosting["component"])
        if ends == ("service", "agent"):
            found[hosting["host"]].add(hosting["component"])
    return found
