"""Stores a change of an incident with all that belongs to it, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import accumulate
from typing import Any, Protocol

from agentguard.audit.recording import Acting, AuditTrail, named
from agentguard.audit.store import AuditLog
from agentguard.coordination.dispatching import Handler
from agentguard.coordination.notices import Notices
from agentguard.coordination.outbox import Outbox, OutboxEntry
from agentguard.graph.storage.store import ComponentHistories
from agentguard.incidents.messages import INCIDENT_TOLD, message_of
from agentguard.incidents.model import Change, Event, Incident
from agentguard.incidents.store import IncidentStore
from agentguard.jobs.store import JobStore
from agentguard.kernel.stable_json import stable_json
from agentguard.retention.citations import INCIDENT, Citations
from agentguard.simulation.storage.store import SimulationStore

INCIDENT_CHANGED = "incidents"
"""A topic of the outbox and of notices: an incident, its version and what happened, as JSON."""


class IncidentStores(Protocol):
    """What incidents need."""

    @property
    def incidents(self) -> IncidentStore: ...

    @property
    def simulations(self) -> SimulationStore: ...

    @property
    def jobs(self) -> JobStore: ...

    @property
    def history(self) -> ComponentHistories: ...

    @property
    def citations(self) -> Citations: ...

    @property
    def audit(self) -> AuditLog: ...

    @property
    def outbox(self) -> Outbox: ...


async def record_opening(
    stores: IncidentStores, trail: AuditTrail, who: Acting, opening: Change
) -> Incident:
    """Store a new incident with its first event, audit entry and notice; return it."""
    await stores.incidents.add(opening.incident, _event(who, opening))
    await _follow(stores, trail, who, opening)
    return opening.incident


async def record_change(
    stores: IncidentStores, trail: AuditTrail, who: Acting, before: Incident, change: Change | None
) -> Incident:
    """Store the next version in the same way; without a change, return the incident as it was.

    Raises IncidentChangedError.
    """
    if change is None:
        return before
    await stores.incidents.replace(change.incident, _event(who, change))
    await _follow(stores, trail, who, change)
    return change.incident


async def _follow(stores: IncidentStores, trail: AuditTrail, who: Acting, change: Change) -> None:
    incident = change.incident
    if incident.links.graph_version is not None:
        await stores.citations.cite(incident.links.graph_version, INCIDENT, incident.id)
    await trail.record(
        stores.audit,
        who,
        f"incident.{change.kind}",
        object_id=incident.id,
        graph_version=incident.links.graph_version,
        payload=_facts(change),
    )
    told = {"incident": incident.id, "version": incident.version, "change": change.kind.value}
    await stores.outbox.put(INCIDENT_CHANGED, incident.id, told)
    message = message_of(change, who.id)
    if message is not None:
        await stores.outbox.put(INCIDENT_TOLD, message.id, message.payload())


def _event(who: Acting, change: Change) -> Event:
    incident = change.incident
    return Event(
        incident.version,
        incident.changed_at,
        who.id,
        str(who.kind),
        change.kind,
        change.details,
    )


def _facts(change: Change) -> Mapping[str, Any]:
    """Return what the entry tells: the state after the change, and the change itself.

    Long lists are cut: an entry has a size limit.
    """
    incident = change.incident
    facts = {
        "title": incident.title,
        "version": incident.version,
        "state": incident.state.value,
        "severity": incident.severity.value,
        "components": _named([each.id for each in incident.components]),
        "workflows": _named([each.id for each in incident.workflows]),
    }
    for name, value in change.details.items():
        facts[f"added_{name}" if name in _LISTED else name] = _fitting(value)
    return facts


_LISTED = ("components", "workflows")
_MOST_BYTES = 12_000
"""Of one fact: all facts of a change fit an entry, beside the longest note."""


def _fitting(value: Any) -> Any:
    """Return a fact as it is, a list by its first ids, anything too large by its hash."""
    if isinstance(value, list):
        return _named(value)
    if isinstance(value, Mapping) and len(written := stable_json(value)) > _MOST_BYTES:
        return {"sha256": sha256(written).hexdigest(), "bytes": len(written)}
    return value


def _named(ids: Sequence[str]) -> Mapping[str, Any]:
    """Return the first ids and the number of all; long ids are fewer."""
    sizes = accumulate(len(each.encode()) for each in ids)
    few = sum(1 for total in sizes if total <= _MOST_BYTES)
    return {**named(ids[:few]), "number": len(ids)}


def incident_notices(notices: Notices) -> Handler:
    """Return the handler of INCIDENT_CHANGED: it publishes a notice."""

    async def publish(entry: OutboxEntry) -> None:
        await notices.publish(INCIDENT_CHANGED, stable_json(entry.payload).decode())

    return publish
