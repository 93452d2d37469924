"""Failed sign-ins and set-up links in the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.accounts.back_off import Attempts
from agentguard.adapters.sql.tables import set_up_links, sign_in_attempts
from agentguard.adapters.sql.upserts import insert_into


@dataclass(frozen=True, slots=True)
class SqlSignIns:
    """SignIns over one transaction."""

    connection: AsyncConnection

    async def attempts(self, source: str) -> Attempts:
        wanted = select(sign_in_attempts).where(sign_in_attempts.c.source == source)
        row = (await self.connection.execute(wanted)).mappings().first()
        return Attempts() if row is None else Attempts(row["failed"], row["last_at"])

    async def put(self, source: str, attempts: Attempts) -> None:
        of_source = sign_in_attempts.c.source == source
        if not attempts.failed:
            await self.connection.execute(delete(sign_in_attempts).where(of_source))
            return
        new = insert_into(self.connection, sign_in_attempts).values(
            source=source, failed=attempts.failed, last_at=attempts.last_at
        )
        changed = {name: new.excluded[name] for name in ("failed", "last_at")}
        await self.connection.execute(
            new.on_conflict_do_update(index_elements=[sign_in_attempts.c.source], set_=changed)
        )

    async def forget(self, before: int, *, most: int) -> None:
        old = select(sign_in_attempts.c.source).where(sign_in_attempts.c.last_at < before)
        sources = list(await self.connection.scalars(old.limit(most)))
        if sources:
            await self.connection.execute(
                delete(sign_in_attempts).where(sign_in_attempts.c.source.in_(sources))
            )

    async def links(self) -> Mapping[str, int]:
        found = await self.connection.execute(select(set_up_links))
        return {row["hash"]: row["made_at"] for row in found.mappings()}

    async def put_link(self, link_hash: str, made_at: int) -> None:
        await self.connection.execute(insert(set_up_links).values(hash=link_hash, made_at=made_at))

    async def remove_links(self) -> None:
        await self.connection.execute(delete(set_up_links))
