"""Sessions of signed-in users in the database."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import RowMapping, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.accounts.sessions import Session
from agentguard.adapters.sql.batches import batches
from agentguard.adapters.sql.tables import user_sessions


@dataclass(frozen=True, slots=True)
class SqlSessions:
    """Sessions over one transaction."""

    connection: AsyncConnection

    async def find(self, session_hash: str) -> Session | None:
        wanted = select(user_sessions).where(user_sessions.c.hash == session_hash)
        row = (await self.connection.execute(wanted)).mappings().first()
        return None if row is None else _session(row)

    async def of_user(self, user_id: str) -> tuple[Session, ...]:
        wanted = select(user_sessions).where(user_sessions.c.user_id == user_id)
        ordered = wanted.order_by(user_sessions.c.created_at.desc(), user_sessions.c.hash)
        return tuple(map(_session, (await self.connection.execute(ordered)).mappings()))

    async def put(self, session: Session) -> None:
        values = {
            "hash": session.hash,
            "user_id": session.user_id,
            "generation": session.generation,
            "created_at": session.created_at,
            "seen_at": session.seen_at,
        }
        await self.connection.execute(insert(user_sessions).values(values))

    async def seen(self, times: Mapping[str, int]) -> None:
        for session_hash, time in times.items():
            of_session = update(user_sessions).where(user_sessions.c.hash == session_hash)
            later = of_session.where(user_sessions.c.seen_at < time)
            await self.connection.execute(later.values(seen_at=time))

    async def remove(self, hashes: Collection[str]) -> None:
        for batch in batches(hashes):
            await self.connection.execute(
                delete(user_sessions).where(user_sessions.c.hash.in_(batch))
            )


def _session(row: RowMapping) -> Session:
    return Session(
        row["hash"], row["user_id"], row["generation"], row["created_at"], row["seen_at"]
    )
