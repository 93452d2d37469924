"""The state of the expiry clock in the database: one row."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.adapters.sql.tables import expiry_clock
from agentguard.adapters.sql.upserts import insert_into
from agentguard.retention.expiry_clock import ExpiryClock

_ROW = 1


@dataclass(frozen=True, slots=True)
class SqlExpiryClocks:
    """An ExpiryClocks over one transaction."""

    connection: AsyncConnection

    async def get(self) -> ExpiryClock | None:
        row = (await self.connection.execute(select(expiry_clock))).first()
        return None if row is None else ExpiryClock(row.trusted, row.ahead_since)

    async def put(self, seen: ExpiryClock) -> None:
        state = {"trusted": seen.trusted, "ahead_since": seen.ahead_since}
        row = insert_into(self.connection, expiry_clock).values(id=_ROW, **state)
        await self.connection.execute(
            row.on_conflict_do_update(index_elements=[expiry_clock.c.id], set_=state)
        )
