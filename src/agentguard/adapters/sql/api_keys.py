"""API keys in the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.accounts.keys import ApiKey, FormerSecret
from agentguard.accounts.principal import Permission
from agentguard.adapters.sql.tables import api_keys
from agentguard.adapters.sql.upserts import insert_into


@dataclass(frozen=True, slots=True)
class SqlApiKeys:
    """ApiKeys over one transaction."""

    connection: AsyncConnection

    async def find(self, key_id: str) -> ApiKey | None:
        found = await self.connection.execute(select(api_keys).where(api_keys.c.id == key_id))
        row = found.mappings().first()
        return None if row is None else _key(row)

    async def any(self) -> bool:
        return await self.connection.scalar(select(api_keys.c.id).limit(1)) is not None

    async def newest(self, limit: int, *, before: str | None = None) -> tuple[ApiKey, ...]:
        place = tuple_(api_keys.c.created_at, api_keys.c.id)
        statement = select(api_keys).order_by(api_keys.c.created_at.desc(), api_keys.c.id.desc())
        if before is not None:
            last = await self.find(before)
            if last is None:
                return ()
            statement = statement.where(place < (last.created_at, last.id))
        found = await self.connection.execute(statement.limit(limit))
        return tuple(_key(row) for row in found.mappings())

    async def put(self, key: ApiKey) -> None:
        values = _values(key)
        new = insert_into(self.connection, api_keys).values(values)
        changed = {name: new.excluded[name] for name in values if name != "id"}
        await self.connection.execute(
            new.on_conflict_do_update(index_elements=[api_keys.c.id], set_=changed)
        )

    async def used(self, times: Mapping[str, int]) -> None:
        last = api_keys.c.last_used_at
        for key_id, time in times.items():
            of_key = update(api_keys).where(api_keys.c.id == key_id)
            later = of_key.where(or_(last.is_(None), last < time))
            await self.connection.execute(later.values(last_used_at=time))


def _values(key: ApiKey) -> dict[str, Any]:
    """Return the columns of a key but the one that `used` writes."""
    former = key.former
    return {
        "id": key.id,
        "name": key.name,
        "scopes": ",".join(sorted(key.scopes)),
        "hash": key.hash,
        "former_hash": None if former is None else former.hash,
        "former_until": None if former is None else former.until,
        "created_at": key.created_at,
        "created_by": key.created_by,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "rotated_at": key.rotated_at,
    }


def _key(row: RowMapping) -> ApiKey:
    former = row["former_hash"]
    return ApiKey(
        row["id"],
        row["name"],
        frozenset(map(Permission, row["scopes"].split(","))),
        row["hash"],
        row["created_at"],
        row["created_by"],
        row["expires_at"],
        row["revoked_at"],
        row["rotated_at"],
        row["last_used_at"],
        None if former is None else FormerSecret(former, row["former_until"]),
    )
