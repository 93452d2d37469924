"""What was declared against what was seen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agentguard.catalog.model import Catalog, Entry
from agentguard.graph.model import Evidence, Graph


class Standing(StrEnum):
    """How a component stands to the catalogue."""

    DECLARED = "declared"
    SHADOW = "shadow"
    """An agent that was seen and that nobody declared."""
    UNIDENTIFIED = "unidentified"
    """An agent that nothing in the spans names: it cannot be matched, so it is not called shadow."""
    UNDECLARED = "undeclared"
    """Another kind of component without an entry; only agents are called shadow."""
    UNKNOWN = "unknown"
    """There is no catalogue to match against."""


@dataclass(frozen=True, slots=True)
class Match:
    """The finding on one component, with why."""

    component: str
    standing: Standing
    reason: str
    entry: Entry | None
    first_seen: int
    last_seen: int
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Matches:
    """The findings on all components, in the graph's order."""

    catalog: Catalog | None
    components: tuple[Match, ...]
    workflows: tuple[tuple[str, Entry], ...]
    """Workflow id → its entry, where one matches."""

    @property
    def shadow(self) -> tuple[Match, ...]:
        """The shadow agents; always empty without a catalogue."""
        return tuple(m for m in self.components if m.standing is Standing.SHADOW)

    @property
    def note(self) -> str | None:
        """What to say where there is no catalogue; None where there is one."""
        if self.catalog is not None:
            return None
        return "No catalogue is set, so no agent is called shadow. Write one with `agentguard catalog init`."

    def of(self, component_id: str) -> Match | None:
        """The finding on this component, or None where the graph does not have it."""
        return next((m for m in self.components if m.component == component_id), None)


def match(graph: Graph, catalog: Catalog | None) -> Matches:
    """Return how every component stands to the catalogue: by exact id, else by equal name (case ignored), never by part of a name."""
    raise NotImplementedError
