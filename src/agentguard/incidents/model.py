"""What an incident is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from agentguard.incidents.states import State
from agentguard.simulation.severities import Severity


class Source(StrEnum):
    """What opened an incident."""

    SIMULATION = "simulation"
    """A person, from a stored simulation, which says severity and impact."""
    CONDITION = "condition"
    """Detection, without a person."""
    REQUEST = "request"
    """A person or a script, which said what is hit and how severe it is."""


class EventKind(StrEnum):
    """What happened to an incident, in the past tense; the timeline consists of these."""

    OPENED = "opened"
    ACKNOWLEDGED = "acknowledged"
    MITIGATED = "mitigated"
    RESOLVED = "resolved"
    REVIEWED = "reviewed"
    REOPENED = "reopened"
    ASSIGNED = "assigned"
    SEVERITY_CHANGED = "severity_changed"
    SPREAD = "spread"
    """More components or workflows are affected."""
    ABSORBED = "absorbed"
    """A duplicate was merged into this incident."""
    MERGED = "merged"
    """This incident was merged into another one."""
    CONDITION_CLEARED = "condition_cleared"
    SIMULATION_LINKED = "simulation_linked"
    PLAYBOOK_LINKED = "playbook_linked"
    FEEDBACK_GIVEN = "feedback_given"
    """Somebody said whether a step of the linked playbook helped."""
    MEASURED = "measured"
    """The calls before and after something was done were counted."""
    NOTED = "noted"


@dataclass(frozen=True, slots=True)
class Affected:
    """A component or workflow that is hit."""

    id: str
    name: str
    kind: str | None = None
    """A ComponentKind's value; None where no graph tells it."""


@dataclass(frozen=True, slots=True)
class WorkflowImpact:
    """What a simulation predicts for one workflow."""

    id: str
    name: str
    runs_seen: int
    runs_lost: float
    share_lost: float


@dataclass(frozen=True, slots=True)
class Impact:
    """What the linked simulation predicts; nothing of it was measured."""

    answer: str
    severity_reason: str
    blast_radius_score: float
    runs_seen: int
    runs_lost: float
    workflows: tuple[WorkflowImpact, ...]
    """The most affected first, as the simulation lists them."""


@dataclass(frozen=True, slots=True)
class Links:
    """What belongs to an incident elsewhere; ids."""

    dataset: str | None = None
    graph_version: str | None = None
    """The graph that was known when it was opened, or that of the linked simulation."""
    simulation: str | None = None
    playbook: str | None = None
    """Of the job that wrote it."""


class Helped(StrEnum):
    """Whether a step of a playbook helped, as a person judges it."""

    YES = "yes"
    NO = "no"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a person said of a step of the linked playbook."""

    step: str | None
    """Id of the step; None: the playbook as a whole."""
    helped: Helped
    by: str
    """Id of a principal."""
    at: int
    """ns since the epoch."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of the failing components in a window of the live spans."""

    since: int
    until: int
    """Both ns since the epoch."""
    calls: int
    failed: int

    @property
    def error_share(self) -> float | None:
        """None if nothing was called."""
        return self.failed / self.calls if self.calls else None


@dataclass(frozen=True, slots=True)
class MeasuredRecovery:
    """Calls before and after something was done about an incident."""

    components: tuple[str, ...]
    """Ids of those whose calls were counted."""
    before: Calls
    after: Calls

    @property
    def fell(self) -> bool | None:
        """Whether the error share fell; None where one of the windows has no calls."""
        before, after = self.before.error_share, self.after.error_share
        return None if before is None or after is None else after < before


@dataclass(frozen=True, slots=True)
class Entered:
    """When an incident entered a state, and who moved it."""

    state: State
    at: int
    """ns since the epoch."""
    by: str
    """Id of a principal."""


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident at one version; every change returns another one, see `changes`."""

    id: str
    """A UUID."""
    version: int
    """1 when opened; each stored change adds 1."""
    title: str
    kind: str
    """`simulated`, `reported`, or what the detected condition is called."""
    source: Source
    severity: Severity
    components: tuple[Affected, ...]
    """In the order in which they became known; the first one is where it began."""
    workflows: tuple[Affected, ...]
    states: tuple[Entered, ...]
    """Every state it was in, in order; the last is the present one. Never empty."""
    changed_at: int
    """ns since the epoch: of the last change."""
    owner: str | None = None
    """A person or team, as people write it."""
    conditions: tuple[str, ...] = ()
    """Keys of detected conditions; those of merged duplicates too."""
    cleared: tuple[str, ...] = ()
    """Those of them that no longer hold."""
    impact: Impact | None = None
    links: Links = field(default_factory=Links)
    playbook: Mapping[str, Any] | None = None
    """The linked playbook's document, as it was when it was linked."""
    feedback: tuple[Feedback, ...] = ()
    """On the linked playbook: the newest for each step."""
    measured: MeasuredRecovery | None = None
    """None: nobody has asked for it yet."""
    merged_into: str | None = None
    merged_at: int | None = None
    """ns since the epoch."""
    duplicates: tuple[str, ...] = ()
    """Ids of the incidents that were merged into this one."""

    @property
    def state(self) -> State:
        return self.states[-1].state

    @property
    def opened_at(self) -> int:
        return self.states[0].at

    @property
    def begun_at(self) -> int:
        """When it was opened last."""
        return next(each.at for each in reversed(self.states) if each.state is State.OPEN)

    @property
    def opened_by(self) -> str:
        return self.states[0].by

    @property
    def active(self) -> bool:
        """Whether somebody still has to do something about its effects."""
        return self.merged_into is None and self.state in ACTIVE

    def last_entered(self, state: State) -> Entered | None:
        """Return when it entered this state last, since it was last opened; None: not since."""
        for entered in reversed(self.states):
            if entered.state is state:
                return entered
            if entered.state is State.OPEN:
                return None
        return None

    @property
    def closed_at(self) -> int | None:
        """Return when it was merged as a duplicate, or resolved; None while it is active."""
        resolved = self.last_entered(State.RESOLVED)
        return self.merged_at or (None if resolved is None else resolved.at)


ACTIVE = frozenset({State.OPEN, State.ACKNOWLEDGED, State.MITIGATED})


@dataclass(frozen=True, slots=True)
class Event:
    """One line of an incident's timeline."""

    number: int
    """From 1, in order: the version of the incident that it led to."""
    time: int
    """ns since the epoch."""
    actor: str
    """Id of a principal."""
    actor_kind: str
    kind: EventKind
    details: Mapping[str, Any]
    """JSON; which members depends on the kind."""


@dataclass(frozen=True, slots=True)
class Change:
    """An incident after a change, and what its timeline says about it."""

    incident: Incident
    kind: EventKind
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DetectedCondition:
    """What detection found, for `Conditions`."""

    key: str
    """Names this condition for as long as it holds, such as `error-share:agent:PaymentAgent`."""
    kind: str
    """What sort of condition it is, such as `error_share`."""
    title: str
    severity: Severity
    components: tuple[Affected, ...]
    workflows: tuple[Affected, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What was measured, for the timeline: JSON."""
    dataset: str | None = None
    graph_version: str | None = None
