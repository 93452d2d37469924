"""Playbooks, their phases and steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from agentguard.graph.model import Evidence
from agentguard.incidents.model import Helped
from agentguard.incidents.recoveries import Recovery
from agentguard.simulation.severities import Severity

MAX_STEPS = 7


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


class Action(StrEnum):
    """What a step does, in the order of a playbook."""

    CONFIRM = "confirm"
    CONTAIN = "contain"
    NOTIFY = "notify"
    SWITCH = "switch"
    """Use a fallback that was observed."""
    GO_WITHOUT = "go_without"
    """Decide how to operate without the component, because no working fallback was observed."""
    RESTORE = "restore"
    RESUME = "resume"
    RERUN = "rerun"


@dataclass(frozen=True, slots=True)
class Draft:
    """A step without its number, owner and runbooks."""

    action: Action
    phase: Phase
    title: str
    actions: tuple[str, ...]
    """What to do, the most urgent first."""
    verifications: tuple[str, ...]
    rollback: tuple[str, ...]
    owners: tuple[str, ...]
    """Ids of the components or workflows whose owners carry it out."""
    components: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    details: tuple[str, ...] = ()
    """Long lists behind the actions."""
    keeps: tuple[str, ...] = ()
    """Words that no other phrasing may leave out, such as a side effect."""


@dataclass(frozen=True, slots=True)
class PlaybookStep:
    """One step; its numbers and names come from the graph, simulation or catalog."""

    id: str
    """Stable within the playbook: contain-1, activate_backups-1 and so on."""
    action: Action
    title: str
    phase: Phase
    actions: tuple[str, ...]
    verifications: tuple[str, ...]
    rollback: tuple[str, ...]
    details: tuple[str, ...]
    owner: str | None
    """From the catalog; None where no owner is declared."""
    runbooks: tuple[str, ...]
    """URLs from the catalog."""
    components: tuple[str, ...]
    """Ids of the components that the step names."""
    evidence: tuple[Evidence, ...]
    keeps: tuple[str, ...] = ()
    """Words that no other phrasing may leave out, such as a side effect."""
    past: PastUse | None = None
    """None: nobody judged this action in a past incident of this failure."""


@dataclass(frozen=True, slots=True)
class Situation:
    """The incident that the playbook is for, as simulated."""

    title: str
    lost: str
    """What is lost now, for whom, since when."""
    summary: str
    failed: tuple[str, ...]
    severity: Severity
    blast_radius_score: float
    impacted_components: tuple[str, ...]
    impacted_workflows: tuple[str, ...]
    graph_version: str | None
    started_at: int | None
    """ns since the epoch; None: unknown."""


@dataclass(frozen=True, slots=True)
class PastUse:
    """What people said of a step's action in past incidents of this failure."""

    helped: int
    judged: int
    """Incidents in which somebody said that it helped, or that it did not."""
    fell: int
    """Of the judged incidents, those in which the measured error share fell."""
    measured: int
    """Of the judged incidents, those with an error share measured before and after."""
    incidents: tuple[str, ...]
    """Their ids, the newest first."""

    @staticmethod
    def of(action: str, found: Sequence[Recovery]) -> PastUse | None:
        """Return what was said of the action; None where nobody judged it."""
        judged = [each for each in found if each.helped.get(action) in (Helped.YES, Helped.NO)]
        helped = sum(each.helped[action] is Helped.YES for each in judged)
        fell = [each.fell for each in judged if each.fell is not None]
        ids = tuple(each.incident for each in judged)
        return PastUse(helped, len(judged), sum(fell), len(fell), ids) if judged else None


@dataclass(frozen=True, slots=True)
class RecoveryTime:
    """How long past recoveries from the same condition of the same components took."""

    shortest_seconds: float
    longest_seconds: float
    recoveries: int
    incidents: tuple[str, ...]
    """Their ids, the newest first."""

    @staticmethod
    def of(found: Sequence[Recovery]) -> RecoveryTime | None:
        """Return their range; None without any."""
        if not found:
            return None
        seconds = [each.seconds for each in found]
        ids = tuple(each.incident for each in found)
        return RecoveryTime(min(seconds), max(seconds), len(found), ids)


@dataclass(frozen=True, slots=True)
class Playbook:
    """Steps in order: a pure function of graph, simulation, catalog and templates."""

    situation: Situation
    condition: str
    """Name of the template."""
    steps: tuple[PlaybookStep, ...]
    """At most MAX_STEPS."""
    unknown: str | None
    """All that is unknown, in one line; None: nothing of weight."""
    generator: str
    """Name and version of the generator."""
    recovery_time: RecoveryTime | None
    recovery_time_reason: str | None
    """Why the playbook gives no recovery time."""
