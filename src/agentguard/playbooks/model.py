"""Playbooks: what to do, in which order, and on which evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agentguard.graph.model import Evidence
from agentguard.simulation.model import Severity


class Phase(StrEnum):
    """When a step belongs."""

    CONTAIN = "contain"
    ACTIVATE_BACKUPS = "activate_backups"
    RECOVER = "recover"

    @property
    def timeframe(self) -> str:
        """Minutes after the start."""
        return _TIMEFRAMES[self]


_TIMEFRAMES = {
    Phase.CONTAIN: "0-5 min",
    Phase.ACTIVATE_BACKUPS: "5-15 min",
    Phase.RECOVER: "15-30 min",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """A step before it is numbered and has an owner."""

    phase: Phase
    title: str
    actions: tuple[str, ...]
    verifications: tuple[str, ...]
    rollback: tuple[str, ...]
    owners: tuple[str, ...]
    """Ids of the components or workflows whose owners should do it."""
    components: tuple[str, ...]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class PlaybookStep:
    """One thing to do.

    Every number and name in it comes from the graph, the simulation or the catalogue.
    """

    id: str
    """Stable within the playbook: contain-1, activate_backups-1 …"""
    title: str
    phase: Phase
    actions: tuple[str, ...]
    verifications: tuple[str, ...]
    rollback: tuple[str, ...]
    owner: str | None
    """From the catalogue; None where nobody is declared."""
    components: tuple[str, ...]
    """Ids of the components it speaks of."""
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
    """Steps in order; a pure function of graph, simulation and catalogue."""

    situation: Situation
    steps: tuple[PlaybookStep, ...]
    generator: str
    """What wrote it: deterministic-1, or a writer's name."""
    recovery_time_reason: str
    """Why no recovery time is estimated."""
