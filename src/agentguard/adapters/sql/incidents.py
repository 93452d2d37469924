"""Stored incidents in the database."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson
from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, RowMapping, Select, Uuid, cast, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.adapters.sql.batches import batches
from agentguard.adapters.sql.columns import without_nul
from agentguard.adapters.sql.tables import (
    audit_logs,
    incident_events,
    incident_subjects,
    incidents,
    playbooks,
)
from agentguard.adapters.sql.upserts import insert_into
from agentguard.discovery.kinds import ComponentKind
from agentguard.incidents.errors import IncidentChangedError, UnknownIncidentError
from agentguard.incidents.feedback import effectiveness
from agentguard.incidents.model import ACTIVE, Event, EventKind, Incident
from agentguard.incidents.states import State
from agentguard.incidents.store import IncidentFilter, IncidentsStamp
from agentguard.kernel.stable_json import stable_json
from agentguard.retention.policy import Item

_INCIDENT = TypeAdapter(Incident)
_COMPONENT, _WORKFLOW, _CONDITION = "component", "workflow", "condition"
_OURS = incidents.c.document.is_not(None)
"""Rows that other programs inserted have no document."""
_RESOLVED = (
    _OURS
    & incidents.c.state.in_([State.RESOLVED.value, State.REVIEWED.value])
    & incidents.c.merged.is_(False)
)
_ACTIVE = incidents.c.state.in_([state.value for state in ACTIVE]) & incidents.c.merged.is_(False)


@dataclass(frozen=True, slots=True)
class SqlIncidentStore:
    """An IncidentStore over one transaction."""

    connection: AsyncConnection

    async def add(self, incident: Incident, event: Event) -> None:
        row = {"id": uuid.UUID(incident.id), "created_at": incident.opened_at, **_values(incident)}
        await self.connection.execute(incidents.insert().values(row))
        await self._enter(incident, event)

    async def replace(self, incident: Incident, event: Event) -> None:
        table, id_ = incidents.c, uuid.UUID(incident.id)
        before = (table.id == id_) & (table.version == incident.version - 1)
        changed = update(incidents).where(before).values(_values(incident)).returning(table.id)
        if (await self.connection.execute(changed)).first() is None:
            stored = await self.get(incident.id)
            raise IncidentChangedError(incident.id, incident.version - 1, stored.version)
        await self._enter(incident, event)

    async def get(self, incident_id: str) -> Incident:
        id_ = _uuid(incident_id)
        wanted = select(incidents.c.document, incidents.c.playbook).where(
            _OURS, incidents.c.id == id_
        )
        row = (await self.connection.execute(wanted)).mappings().first()
        if id_ is None or row is None:
            raise UnknownIncidentError(incident_id)
        return _incident(row)

    async def active_of(self, condition: str) -> Incident | None:
        table = incidents.c
        wanted = (
            select(table.document, table.playbook)
            .where(_ACTIVE, _is_about(_CONDITION, condition))
            .order_by(table.created_at, table.id)
        )
        row = (await self.connection.execute(wanted.limit(1))).mappings().first()
        return None if row is None else _incident(row)

    async def holding(self) -> frozenset[str]:
        theirs = select(incident_subjects.c.incident).where(incident_subjects.c.kind == _CONDITION)
        wanted = select(incidents.c.document).where(_ACTIVE, incidents.c.id.in_(theirs))
        found = [_incident(row) for row in (await self.connection.execute(wanted)).mappings()]
        return frozenset(key for each in found for key in {*each.conditions} - {*each.cleared})

    async def newest(self, wanted: IncidentFilter, limit: int) -> tuple[Incident, ...]:
        table = incidents.c
        statement = _filtered(wanted).order_by(table.created_at.desc(), table.id.desc())
        rows = (await self.connection.execute(statement.limit(limit))).mappings()
        return tuple(_incident(row) for row in rows)

    async def stamp(self) -> IncidentsStamp:
        table = incidents.c
        wanted = select(func.count(), func.sum(table.version), func.max(table.changed_at))
        number, versions, changed_at = (await self.connection.execute(wanted.where(_OURS))).one()
        return IncidentsStamp(number, int(versions or 0), changed_at or 0)

    async def resolved_of(self, component: str, limit: int) -> tuple[Incident, ...]:
        table = incidents.c
        wanted = (
            select(table.document, table.playbook)
            .where(_RESOLVED, table.playbook.is_not(None), _is_about(_COMPONENT, component))
            .order_by(table.created_at.desc(), table.id.desc())
            .limit(limit)
        )
        rows = (await self.connection.execute(wanted)).mappings()
        return tuple(_incident(row) for row in rows)

    async def resolved_stamp(self) -> tuple[int, int]:
        wanted = select(func.count(), func.max(incidents.c.changed_at)).where(_RESOLVED)
        number, changed_at = (await self.connection.execute(wanted)).one()
        return number, changed_at or 0

    async def events(
        self, incident_id: str, *, after: int = 0, limit: int | None = None
    ) -> tuple[Event, ...]:
        table = incident_events.c
        wanted = (
            select(incident_events)
            .where(table.incident == _uuid(incident_id), table.number > after)
            .order_by(table.number)
            .limit(limit)
        )
        return tuple(_event(row) for row in (await self.connection.execute(wanted)).mappings())

    async def items(self) -> tuple[Item, ...]:
        table = incidents.c
        size = func.length(table.document)
        closed = table.state.not_in([state.value for state in ACTIVE]) | table.merged.is_(True)
        wanted = select(table.id, table.changed_at, size.label("bytes")).where(_OURS, closed)
        return tuple(
            Item(str(row.id), row.changed_at, row.bytes)
            for row in await self.connection.execute(wanted)
        )

    async def delete(self, incident_ids: Collection[str]) -> None:
        for batch in batches([uuid.UUID(each) for each in incident_ids]):
            for table in (incident_events, incident_subjects):
                await self.connection.execute(delete(table).where(table.c.incident.in_(batch)))
            await self.connection.execute(
                delete(playbooks).where(playbooks.c.incident_id.in_(batch))
            )
            named = update(audit_logs).where(audit_logs.c.incident_id.in_(batch))
            await self.connection.execute(named.values(incident_id=None))
            await self.connection.execute(delete(incidents).where(incidents.c.id.in_(batch)))

    async def _enter(self, incident: Incident, event: Event) -> None:
        """Store an event, and what the incident can be found by."""
        id_ = uuid.UUID(incident.id)
        row = {
            "incident": id_,
            "number": event.number,
            "time": event.time,
            "actor": event.actor,
            "actor_kind": event.actor_kind,
            "kind": event.kind.value,
            "details": stable_json(event.details),
        }
        await self.connection.execute(incident_events.insert().values(row))
        if event.kind is EventKind.PLAYBOOK_LINKED and incident.playbook is not None:
            await self._keep_playbook(incident, event)
        if event.kind is EventKind.FEEDBACK_GIVEN:
            await self._rate_playbook(incident)
        subjects = [{"incident": id_, **each} for each in _subjects(incident)]
        new = insert_into(self.connection, incident_subjects).on_conflict_do_nothing()
        await self.connection.execute(new, subjects)

    async def _keep_playbook(self, incident: Incident, event: Event) -> None:
        """Store the linked playbook as a row of its own, for people who query the database."""
        written = without_nul(dict(incident.playbook or {}))
        row = {
            "id": _playbook_id(incident),
            "incident_id": uuid.UUID(incident.id),
            "title": written["incident"]["title"],
            "steps": written["steps"],
            "created_at": event.time,
        }
        kept = insert_into(self.connection, playbooks).values(row)
        await self.connection.execute(
            kept.on_conflict_do_update(
                index_elements=["id"], set_={"title": row["title"], "steps": row["steps"]}
            )
        )

    async def _rate_playbook(self, incident: Incident) -> None:
        rated = update(playbooks).where(playbooks.c.id == _playbook_id(incident))
        await self.connection.execute(rated.values(effectiveness_score=effectiveness(incident)))


def _playbook_id(incident: Incident) -> uuid.UUID:
    return uuid.uuid5(uuid.UUID(incident.id), str(incident.links.playbook))


def _filtered(wanted: IncidentFilter) -> Select[Any]:
    return select(incidents.c.document).where(_OURS, *_conditions(wanted))


def _conditions(wanted: IncidentFilter) -> Iterator[ColumnElement[bool]]:
    table = incidents.c
    if not wanted.merged:
        yield table.merged.is_(False)
    for column, values in ((table.state, wanted.states), (table.severity, wanted.severities)):
        if values:
            yield column.in_([each.value for each in values])
    for kind, subject in ((_COMPONENT, wanted.component), (_WORKFLOW, wanted.workflow)):
        if subject is not None:
            yield _is_about(kind, subject)
    if wanted.owner is not None:
        yield table.owner == wanted.owner
    yield from _opened(wanted)


def _opened(wanted: IncidentFilter) -> Iterator[ColumnElement[bool]]:
    table = incidents.c
    if wanted.since is not None:
        yield table.created_at >= wanted.since
    if wanted.until is not None:
        yield table.created_at < wanted.until
    if wanted.before is not None:
        at, last = wanted.before.opened_at, cast(uuid.UUID(wanted.before.id), Uuid())
        yield (table.created_at < at) | ((table.created_at == at) & (table.id < last))


def _is_about(kind: str, subject: str) -> ColumnElement[bool]:
    theirs = select(incident_subjects.c.incident).where(
        incident_subjects.c.kind == kind, incident_subjects.c.subject == subject
    )
    return incidents.c.id.in_(theirs)


def _values(incident: Incident) -> dict[str, Any]:
    """Return the columns of an incident but its id and time; those for people say less."""
    impact = incident.impact
    hit = incident.components or incident.workflows
    agents = [each.id for each in incident.components if each.kind == ComponentKind.AGENT]
    return {
        "agent_id": without_nul(hit[0].id),
        "incident_type": incident.kind,
        "severity": incident.severity.value,
        "blast_radius_score": None if impact is None else impact.blast_radius_score,
        "impacted_agents": without_nul(agents),
        "playbook": None if incident.playbook is None else without_nul(incident.playbook),
        "audit_trail": without_nul([asdict(entered) for entered in incident.states]),
        "resolved_at": incident.closed_at,
        "version": incident.version,
        "state": incident.state.value,
        "owner": incident.owner,
        "merged": incident.merged_into is not None,
        "changed_at": incident.changed_at,
        "document": stable_json(replace(incident, playbook=None)),
    }


def _subjects(incident: Incident) -> list[dict[str, str]]:
    return [
        *({"kind": _COMPONENT, "subject": each.id} for each in incident.components),
        *({"kind": _WORKFLOW, "subject": each.id} for each in incident.workflows),
        *({"kind": _CONDITION, "subject": key} for key in incident.conditions),
    ]


def _incident(row: RowMapping) -> Incident:
    found = _INCIDENT.validate_json(row["document"])
    return replace(found, playbook=row.get("playbook"))


def _event(row: RowMapping) -> Event:
    details: Mapping[str, Any] = orjson.loads(row["details"])
    return Event(
        row["number"],
        row["time"],
        row["actor"],
        row["actor_kind"],
        EventKind(row["kind"]),
        details,
    )


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if len(text) == _UUID_LENGTH else None
    except ValueError:
        return None


_UUID_LENGTH = 36
