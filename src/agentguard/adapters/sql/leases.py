"""Leases in the database."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, or_
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.adapters.sql.tables import leases
from agentguard.adapters.sql.upserts import insert_into
from agentguard.kernel.clock import NS_PER_SECOND, Clock


@dataclass(frozen=True, slots=True)
class SqlLeases:
    """Leases over one transaction."""

    connection: AsyncConnection
    clock: Clock

    async def hold(self, name: str, holder: str, seconds: float) -> bool:
        now = self.clock()
        new = insert_into(self.connection, leases).values(
            name=name, holder=holder, until=now + int(seconds * NS_PER_SECOND)
        )
        free = or_(leases.c.holder == holder, leases.c.until <= now)
        changes = {"holder": new.excluded.holder, "until": new.excluded.until}
        taken = new.on_conflict_do_update(index_elements=[leases.c.name], set_=changes, where=free)
        found = await self.connection.execute(taken.returning(leases.c.name))
        return found.first() is not None

    async def release(self, name: str, holder: str) -> None:
        held = delete(leases).where(leases.c.name == name, leases.c.holder == holder)
        await self.connection.execute(held)
