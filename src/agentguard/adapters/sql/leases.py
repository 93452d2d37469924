"""Leases in the database."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, or_
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.adapters.sql.database import Database
from agentguard.adapters.sql.tables import leases
from agentguard.adapters.sql.upserts import insert_into
from agentguard.kernel.clock import NS_PER_SECOND, Clock


@dataclass(frozen=True, slots=True)
class SqlLeases:
    """Leases over a database."""

    database: Database
    clock: Clock

    async def hold(self, name: str, holder: str, seconds: float) -> bool:
        now = self.clock()

        async def work(connection: AsyncConnection) -> bool:
            new = insert_into(connection, leases).values(
                name=name, holder=holder, until=now + int(seconds * NS_PER_SECOND)
            )
            free = or_(leases.c.holder == holder, leases.c.until <= now)
            changes = {"holder": new.excluded.holder, "until": new.excluded.until}
            taken = new.on_conflict_do_update(
                index_elements=[leases.c.name], set_=changes, where=free
            )
            return (await connection.execute(taken.returning(leases.c.name))).first() is not None

        return await self.database.write(work)

    async def release(self, name: str, holder: str) -> None:
        mine = delete(leases).where(leases.c.name == name, leases.c.holder == holder)
        await self.database.write(lambda connection: connection.execute(mine))
