"""Playbooks, their phases and steps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agentguard.graph.model import Evidence
from agentguard.simulation.model import Severity


class Phase(StrEnum):
    """The phase of a step, in order."""

    CONTAIN = "contain"
    ACTIVATE_BACKUPS = "activate_backups"
    RECOVER = "recover"

    @property
    def timeframe(self) -> str:
        """Minutes after the start of the incident."""
        return _TIMEFRAMES[self]


_TIMEFRAMES = {
    Phase.CONTAIN: "0-5 min",
    Phase.ACTIVATE_BACKUPS: "5-15 min",
    Phase.RECOVER: "15-30 min",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """A step without its number and owner."""

    phase: Phase
    title: str
    actions: tuple[str, ...]
    verifications: tuple[str, ...]
    rollback: tuple[str, ...]
    owners: tuple[str, ...]
    """Ids of the components or workflows whose owners carry it out."""
    components: tuple[str, ...]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class PlaybookStep:
    """One step; its numbers and names come from the graph, simulation or catalog."""

    id: str
    """Stable within the playbook: contain-1, activate_backups-1 and so on."""
    title: str
    phase: Phase
    actions: tuple[str, ...]
    verifications: tuple[str, ...]
    rollback: tuple[str, ...]
    owner: str | None
    """From the catalog; None where no owner is declared."""
    components: tuple[str, ...]
    """Ids of the components that the step names."""
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Situation:
    """The incident that the playbook is for, as simulated."""

    title: str
    summary: str
    failed: tuple[str, ...]
    severity: Severity
    blast_radius_score: float
    impacted_components: tuple[str, ...]
    impacted_workflows: tuple[str, ...]
    graph_version: str | None


@dataclass(frozen=True, slots=True)
class Playbook:
    """Steps in order: a pure function of graph, simulation and catalog."""

    situation: Situation
    steps: tuple[PlaybookStep, ...]
    generator: str
    """Name and version of the generator."""
    recovery_time_reason: str
    """Why the playbook gives no recovery time."""
