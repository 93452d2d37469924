"""The port of stored incidents."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from agentguard.incidents.errors import IncidentCursorError
from agentguard.incidents.model import Event, Incident
from agentguard.incidents.states import State
from agentguard.retention.policy import Item
from agentguard.simulation.severities import Severity

_CURSOR = re.compile(r"(\d{1,19})-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


@dataclass(frozen=True, slots=True)
class IncidentCursor:
    """The last incident of a page: the next one has only older incidents."""

    opened_at: int
    id: str

    @staticmethod
    def parse(text: str) -> IncidentCursor:
        """Return the cursor; raise IncidentCursorError."""
        found = _CURSOR.fullmatch(text)
        if found is None or int(found[1]) >= 2**63:
            raise IncidentCursorError(text)
        return IncidentCursor(int(found[1]), found[2])

    def __str__(self) -> str:
        return f"{self.opened_at}-{self.id}"


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """Which incidents a list shows; nothing set = all but merged duplicates."""

    states: tuple[State, ...] = ()
    """Any of these; empty: any."""
    severities: tuple[Severity, ...] = ()
    component: str | None = None
    """Id of an affected component."""
    workflow: str | None = None
    """Id of an affected workflow."""
    owner: str | None = None
    since: int | None = None
    """ns since the epoch, inclusive: when it was opened."""
    until: int | None = None
    """ns since the epoch, exclusive."""
    merged: bool = False
    """Whether duplicates that were merged are listed too."""
    before: IncidentCursor | None = None


@dataclass(frozen=True, slots=True)
class IncidentsStamp:
    """What differs whenever an incident was opened, changed or deleted."""

    incidents: int
    """Stored ones, merged duplicates too."""
    changes: int
    """The sum of their versions."""
    changed_at: int
    """ns since the epoch: of the last change; 0 without incidents."""


class IncidentStore(Protocol):
    """Incidents by id, each with its timeline.

    Every method runs in the caller's transaction: what it changes is durable once that commits.
    """

    async def add(self, incident: Incident, event: Event) -> None:
        """Store a new incident with the first event of its timeline."""

    async def replace(self, incident: Incident, event: Event) -> None:
        """Store the next version of an incident, and the event that led to it.

        Raises IncidentChangedError, and changes nothing, unless the stored version is the one
        before.
        """

    async def get(self, incident_id: str) -> Incident:
        """Return the incident; raise UnknownIncidentError if it is not stored."""

    async def active_of(self, condition: str) -> Incident | None:
        """Return the oldest active incident with this condition; None if there is none."""

    async def holding(self) -> frozenset[str]:
        """Return the keys of the conditions of active incidents that have not ended."""

    async def newest(self, wanted: IncidentFilter, limit: int) -> tuple[Incident, ...]:
        """Return the incidents opened last, newest first; those of one time by descending id.

        Without their playbooks, which may be large.
        """

    async def stamp(self) -> IncidentsStamp: ...

    async def resolved_of(self, component: str, limit: int) -> tuple[Incident, ...]:
        """Return the resolved or reviewed incidents with a playbook that affect a component.

        Those opened last come first, with their playbooks; no merged duplicates.
        """

    async def resolved_stamp(self) -> tuple[int, int]:
        """Return the number of resolved or reviewed incidents, and their last change (ns, or 0)."""

    async def events(
        self, incident_id: str, *, after: int = 0, limit: int | None = None
    ) -> tuple[Event, ...]:
        """Return the events with greater numbers, in order; none for an unknown incident."""

    async def items(self) -> tuple[Item, ...]:
        """Return the incidents that are not active, each with its last change and its size."""

    async def delete(self, incident_ids: Collection[str]) -> None:
        """Delete incidents with their timelines and playbooks; missing ones are no error.

        Rows of `audit_logs` stay, but no longer name them.
        """
