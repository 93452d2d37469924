"""The history of components: one row per component or workflow, one per day with activity."""

from __future__ import annotations

from dataclasses import dataclass

import orjson
from sqlalchemy import Executable, RowMapping, case, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.adapters.sql.columns import escaped
from agentguard.adapters.sql.tables import component_history, days_seen
from agentguard.adapters.sql.upserts import insert_into
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.storage.history import ComponentHistory, History
from agentguard.kernel.clock import NS_PER_DAY
from agentguard.retention.policy import Usage

_LONGEST_ID = 2_600
"""Bytes as stored. PostgreSQL's B-tree takes entries of 2,704 bytes, 16 of them a header.

(BTMaxItemSize with pages of 8 KiB.)
"""


@dataclass(frozen=True, slots=True)
class SqlComponentHistories:
    """A ComponentHistories over one transaction."""

    connection: AsyncConnection

    async def add(self, seen: History) -> None:
        """Merge what was seen, except for ids too long for the index."""
        indexable = [
            _values(s) for s in seen.components if len(escaped(s.id).encode()) <= _LONGEST_ID
        ]
        if indexable:
            await self.connection.execute(widen(self.connection), indexable)
        if seen.days:
            known = insert_into(self.connection, days_seen).on_conflict_do_nothing()
            await self.connection.execute(known, [{"day": day} for day in seen.days])

    async def read(self) -> History:
        rows = (await self.connection.execute(select(component_history))).mappings().all()
        days = await self.connection.execute(select(days_seen.c.day).order_by(days_seen.c.day))
        # Sorted here: the order of text in a database depends on its collation.
        seen = sorted(map(_component_history, rows), key=lambda s: s.id)
        return History(tuple(seen), tuple(days.scalars()))

    async def forget(self, before: int) -> tuple[str, ...]:
        old = delete(component_history).where(component_history.c.last_seen < before)
        gone = await self.connection.execute(old.returning(component_history.c.id))
        await self.connection.execute(
            delete(days_seen).where(days_seen.c.day < before // NS_PER_DAY)
        )
        return tuple(gone.scalars())

    async def usage(self) -> Usage:
        c = component_history.c
        size = func.sum(func.length(c.id) + func.length(c.name) + func.length(c.spellings))
        found = await self.connection.execute(
            select(func.count(), func.coalesce(size, 0), func.min(c.last_seen))
        )
        count, size, oldest = found.one()
        return Usage(count, int(size), oldest)


def widen(connection: AsyncConnection) -> Executable:
    """Return an upsert that keeps the earliest first_seen and the latest last_seen."""
    new = insert_into(connection, component_history)
    known, seen = component_history.c, new.excluded
    return new.on_conflict_do_update(
        index_elements=[known.id],
        set_={
            "name": seen.name,
            "spellings": seen.spellings,
            "first_seen": case(
                (known.first_seen < seen.first_seen, known.first_seen), else_=seen.first_seen
            ),
            "last_seen": case(
                (known.last_seen > seen.last_seen, known.last_seen), else_=seen.last_seen
            ),
        },
    )


def _values(s: ComponentHistory) -> dict[str, object]:
    return {
        "id": s.id,
        "kind": s.kind.value,
        "name": s.name,
        "environment": s.environment,
        "spellings": orjson.dumps(s.spellings),
        "first_seen": s.first_seen,
        "last_seen": s.last_seen,
    }


def _component_history(row: RowMapping) -> ComponentHistory:
    return ComponentHistory(
        row["id"],
        ComponentKind(row["kind"]),
        row["name"],
        row["environment"],
        tuple(orjson.loads(row["spellings"])),
        row["first_seen"],
        row["last_seen"],
    )
