"""Stored notifications in the database."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import ColumnElement, RowMapping, delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.adapters.sql.batches import batches
from agentguard.adapters.sql.tables import notifications
from agentguard.adapters.sql.upserts import insert_into
from agentguard.incidents.messages import Message
from agentguard.kernel.stable_json import stable_json
from agentguard.notifications.model import Notification
from agentguard.notifications.names import DeliveryState, ReceiverName
from agentguard.notifications.store import Counts, NotificationCursor, NotificationFilter
from agentguard.retention.policy import Item

_WAITING = DeliveryState.WAITING.value


@dataclass(frozen=True, slots=True)
class SqlNotificationStore:
    """A NotificationStore over one transaction."""

    connection: AsyncConnection

    async def add(self, notification: Notification) -> bool:
        message = notification.message
        row = {
            "message": message.id,
            "receiver": notification.receiver.value,
            "incident": message.incident,
            "created_at": message.at,
            "payload": stable_json(message.payload()),
            **_progress(notification),
        }
        new = insert_into(self.connection, notifications).values(row)
        added = new.on_conflict_do_nothing().returning(notifications.c.message)
        return (await self.connection.execute(added)).first() is not None

    async def replace(self, notification: Notification) -> bool:
        table = notifications.c
        before = (
            (table.message == notification.message.id)
            & (table.receiver == notification.receiver.value)
            & (table.state == _WAITING)
            & (table.attempts == notification.attempts - 1)
        )
        changed = update(notifications).where(before).values(_progress(notification))
        found = await self.connection.execute(changed.returning(table.message))
        return found.first() is not None

    async def next_waiting(self, receiver: ReceiverName, incident: str) -> Notification | None:
        table = notifications.c
        wanted = (
            select(notifications)
            .where(_of(receiver, incident), table.state == _WAITING)
            .order_by(table.created_at, func.length(table.message), table.message)
            .limit(1)
        )
        row = (await self.connection.execute(wanted)).mappings().first()
        return None if row is None else _notification(row)

    async def is_told(self, receiver: ReceiverName, incident: str) -> bool:
        wanted = select(notifications.c.message).where(_of(receiver, incident)).limit(1)
        return (await self.connection.execute(wanted)).first() is not None

    async def newest(self, wanted: NotificationFilter, limit: int) -> tuple[Notification, ...]:
        table = notifications.c
        statement = (
            select(notifications)
            .where(*_conditions(wanted))
            .order_by(table.created_at.desc(), table.message.desc(), table.receiver.desc())
            .limit(limit)
        )
        rows = (await self.connection.execute(statement)).mappings()
        return tuple(_notification(row) for row in rows)

    async def counts(self) -> Counts:
        table = notifications.c
        wanted = select(table.receiver, table.state, func.count()).group_by(
            table.receiver, table.state
        )
        return {
            (ReceiverName(receiver), DeliveryState(state)): number
            for receiver, state, number in await self.connection.execute(wanted)
        }

    async def items(self) -> tuple[Item, ...]:
        table = notifications.c
        size = func.length(table.payload).label("bytes")
        wanted = select(table.message, table.receiver, table.ended_at, size).where(
            table.ended_at.is_not(None)
        )
        return tuple(
            Item(f"{row.message}/{row.receiver}", row.ended_at, row.bytes)
            for row in await self.connection.execute(wanted)
        )

    async def delete(self, ids: Collection[str]) -> None:
        table = notifications.c
        for batch in batches([tuple(each.rsplit("/", 1)) for each in ids]):
            gone = delete(notifications).where(tuple_(table.message, table.receiver).in_(batch))
            await self.connection.execute(gone)


def _of(receiver: ReceiverName, incident: str) -> ColumnElement[bool]:
    return (notifications.c.receiver == receiver.value) & (notifications.c.incident == incident)


def _conditions(wanted: NotificationFilter) -> Iterator[ColumnElement[bool]]:
    table = notifications.c
    for column, values in ((table.state, wanted.states), (table.receiver, wanted.receivers)):
        if values:
            yield column.in_([each.value for each in values])
    if wanted.incident is not None:
        yield table.incident == wanted.incident
    if wanted.ended_since is not None:
        yield table.ended_at >= wanted.ended_since
    if wanted.before is not None:
        yield _is_older(wanted.before)


def _is_older(last: NotificationCursor) -> ColumnElement[bool]:
    table = notifications.c
    place = tuple_(table.created_at, table.message, table.receiver)
    return place < (last.at, last.message, last.receiver)


def _progress(notification: Notification) -> dict[str, Any]:
    return {
        "state": notification.state.value,
        "attempts": notification.attempts,
        "due_at": notification.due_at,
        "ended_at": notification.ended_at,
        "reason": notification.reason,
    }


def _notification(row: RowMapping) -> Notification:
    return Notification(
        Message.parse(orjson.loads(row["payload"])),
        ReceiverName(row["receiver"]),
        row["due_at"],
        DeliveryState(row["state"]),
        row["attempts"],
        row["ended_at"],
        row["reason"],
    )
