"""The outbox in the database."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Update,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.adapters.sql.columns import passed
from agentguard.adapters.sql.tables import outbox
from agentguard.coordination.outbox import MOST_AHEAD, Backlog, OutboxEntry
from agentguard.kernel.clock import Clock
from agentguard.kernel.stable_json import stable_json


@dataclass(frozen=True, slots=True)
class SqlOutbox:
    """An Outbox over one transaction."""

    connection: AsyncConnection
    clock: Clock

    async def put(self, topic: str, key: str, payload: Mapping[str, Any]) -> None:
        same = and_(outbox.c.topic == topic, outbox.c.key == key, outbox.c.claimed_until.is_(None))
        # A real write even where an entry waits: it conflicts with a process that claims it.
        replaced = update(outbox).where(same).values(payload=stable_json(payload))
        if (await self.connection.execute(replaced.returning(outbox.c.id))).first() is None:
            await self.connection.execute(insert(outbox).values(self._new(topic, key, payload)))

    async def due(self, topics: Collection[str], now: int) -> OutboxEntry | None:
        older = outbox.alias()
        behind = exists().where(
            older.c.topic == outbox.c.topic,
            older.c.key == outbox.c.key,
            older.c.id < outbox.c.id,
        )
        due = passed(outbox.c.due_at, now, MOST_AHEAD)
        wanted = (
            select(outbox)
            .where(outbox.c.topic.in_(topics), due, _free(now), ~behind)
            .order_by(outbox.c.id)
            .limit(1)
        )
        row = (await self.connection.execute(wanted)).mappings().first()
        return None if row is None else _entry(row)

    async def claim(self, entry: OutboxEntry, *, now: int, until: int) -> OutboxEntry | None:
        claim = (
            _held(entry).where(_free(now)).values(attempts=entry.attempts + 1, claimed_until=until)
        )
        row = (await self.connection.execute(claim.returning(*outbox.c))).mappings().first()
        return None if row is None else _entry(row)

    async def extend(self, claimed: OutboxEntry, until: int) -> bool:
        longer = _held(claimed).values(claimed_until=until)
        return (await self.connection.execute(longer.returning(outbox.c.id))).first() is not None

    async def remove(self, claimed: OutboxEntry) -> bool:
        handled = delete(outbox).where(
            outbox.c.id == claimed.id, outbox.c.attempts == claimed.attempts
        )
        return (await self.connection.execute(handled.returning(outbox.c.id))).first() is not None

    async def postpone(self, claimed: OutboxEntry, due_at: int) -> bool:
        free = _held(claimed).values(claimed_until=None, due_at=due_at)
        return (await self.connection.execute(free.returning(outbox.c.id))).first() is not None

    async def waiting(self, topics: Collection[str]) -> tuple[OutboxEntry, ...]:
        wanted = select(outbox).where(outbox.c.topic.in_(topics)).order_by(outbox.c.id)
        return tuple(_entry(row) for row in (await self.connection.execute(wanted)).mappings())

    async def backlog(self) -> Backlog:
        size = func.coalesce(func.sum(func.length(outbox.c.payload)), 0)
        wanted = select(func.count(), size, func.min(outbox.c.created_at)).select_from(outbox)
        count, total, oldest = (await self.connection.execute(wanted)).one()
        return Backlog(count, int(total), oldest)

    def _new(self, topic: str, key: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        now = self.clock()
        return {
            "topic": topic,
            "key": key,
            "payload": stable_json(payload),
            "created_at": now,
            "due_at": now,
            "attempts": 0,
        }


def _free(now: int) -> ColumnElement[bool]:
    claimed_until = outbox.c.claimed_until
    return or_(claimed_until.is_(None), passed(claimed_until, now, MOST_AHEAD))


def _held(entry: OutboxEntry) -> Update:
    return update(outbox).where(outbox.c.id == entry.id, outbox.c.attempts == entry.attempts)


def _entry(row: RowMapping) -> OutboxEntry:
    return OutboxEntry(
        id=row["id"],
        topic=row["topic"],
        key=row["key"],
        payload=orjson.loads(row["payload"]),
        attempts=row["attempts"],
        claimed_until=row["claimed_until"],
    )
