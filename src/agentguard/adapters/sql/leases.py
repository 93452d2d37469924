"""Leases in the database."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.adapters.sql.columns import database_time
from agentguard.adapters.sql.tables import leases
from agentguard.adapters.sql.upserts import insert_into
from agentguard.kernel.clock import NS_PER_SECOND

_LONG_AGO = 0
"""The end of a released lease."""


@dataclass(frozen=True, slots=True)
class SqlLeases:
    """Leases over one transaction."""

    connection: AsyncConnection

    async def hold(
        self, name: str, holder: str, seconds: float, *, done_ago: float | None = None
    ) -> bool:
        now = await self._now()
        until = now + _ns(seconds)
        done_at = {} if done_ago is None else {"done_at": now - _ns(done_ago)}
        new = insert_into(self.connection, leases).values(
            name=name, holder=holder, until=until, **done_at
        )
        free = or_(leases.c.holder == holder, leases.c.until <= now, leases.c.until > until)
        taken = new.on_conflict_do_update(
            index_elements=[leases.c.name],
            set_={key: new.excluded[key] for key in ("holder", "until", *done_at)},
            where=free,
        )
        found = await self.connection.execute(taken.returning(leases.c.name))
        return found.first() is not None

    async def holder(self, name: str) -> str | None:
        held = select(leases.c.holder).where(leases.c.name == name, leases.c.until > _LONG_AGO)
        found: str | None = await self.connection.scalar(held)
        return found

    async def release(self, name: str, holder: str) -> None:
        held = update(leases).where(leases.c.name == name, leases.c.holder == holder)
        await self.connection.execute(held.values(until=_LONG_AGO))

    async def seconds_since_done(self, name: str) -> float | None:
        done_at = await self.connection.scalar(
            select(leases.c.done_at).where(leases.c.name == name)
        )
        return None if done_at is None else max(0, await self._now() - done_at) / NS_PER_SECOND

    async def _now(self) -> int:
        now: int = (await self.connection.execute(select(database_time()))).scalar_one()
        return now


def _ns(seconds: float) -> int:
    return int(seconds * NS_PER_SECOND)
