"""The audit log in the database."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, RowMapping, and_, bindparam, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.adapters.sql.audit_projection import projected
from agentguard.adapters.sql.tables import (
    audit_checkpoints,
    audit_entries,
    audit_logs,
    audit_tiles,
)
from agentguard.adapters.sql.upserts import insert_into
from agentguard.audit.entries import Entry, SealedEntry
from agentguard.audit.merkle import DIGEST_BYTES
from agentguard.audit.store import EntryFilter, StoredCheckpoint, StoredEntry
from agentguard.audit.tiles import Tile

_INDEX = audit_entries.c.log_index


@dataclass(frozen=True, slots=True)
class SqlAuditLog:
    """An AuditLog over one transaction."""

    connection: AsyncConnection

    async def append(self, entry: SealedEntry) -> None:
        told = Entry.parse(entry.leaf)
        row = {
            "time": told.time_ns,
            "actor": told.actor.id,
            "action": told.action,
            "object": told.object_id,
            "leaf": entry.leaf,
            "payload": entry.payload,
            "salt": entry.salt,
        }
        await self.connection.execute(insert(audit_entries).values(row))

    async def unsequenced(self, most: int) -> tuple[StoredEntry, ...]:
        wanted = (
            select(audit_entries).where(_INDEX.is_(None)).order_by(audit_entries.c.id).limit(most)
        )
        return tuple(_entry(row) for row in (await self.connection.execute(wanted)).mappings())

    async def sequence(self, rows: Sequence[int], first: int) -> None:
        numbered = (
            update(audit_entries)
            .where(audit_entries.c.id == bindparam("row"))
            .values(log_index=bindparam("index"))
        )
        numbers = [{"row": row, "index": index} for index, row in enumerate(rows, first)]
        await self.connection.execute(numbered, numbers)

    async def project(self, entries: Sequence[StoredEntry], first: int) -> None:
        rows = [projected(entry.leaf, index) for index, entry in enumerate(entries, first)]
        await self.connection.execute(insert(audit_logs), rows)

    async def mark_anchored(self, first: int, end: int, tx_hash: str) -> None:
        index = audit_logs.c.log_index
        unmarked = audit_logs.c.blockchain_tx_hash.is_(None)
        marked = update(audit_logs).where(first <= index, end > index, unmarked)
        await self.connection.execute(marked.values(blockchain_tx_hash=tx_hash))

    async def holds_others(self, first: int, end: int, actions: Collection[str]) -> bool:
        other = audit_entries.c.action.not_in(actions)
        wanted = select(audit_entries.c.id).where(first <= _INDEX, end > _INDEX, other).limit(1)
        return (await self.connection.execute(wanted)).first() is not None

    async def size(self) -> int:
        last = await self.connection.scalar(select(func.max(_INDEX)))
        return 0 if last is None else int(last) + 1

    async def waiting(self) -> int:
        counted = select(func.count()).select_from(audit_entries).where(_INDEX.is_(None))
        return int(await self.connection.scalar(counted) or 0)

    async def tiles(self, wanted: Collection[Tile]) -> Mapping[Tile, bytes]:
        if not wanted:
            return {}
        t = audit_tiles.c
        stored = select(audit_tiles).where(
            or_(*(and_(t.level == tile.level, t.number == tile.number) for tile in wanted))
        )
        rows = (await self.connection.execute(stored)).mappings()
        hashes = {Tile(row["level"], row["number"]): bytes(row["hashes"]) for row in rows}
        return {
            tile: hashes[tile.full][: tile.width * DIGEST_BYTES]
            for tile in wanted
            if len(hashes.get(tile.full, b"")) >= tile.width * DIGEST_BYTES
        }

    async def put_tiles(self, tiles: Mapping[Tile, bytes]) -> None:
        for tile, hashes in tiles.items():
            added = insert_into(self.connection, audit_tiles).values(
                level=tile.level, number=tile.number, hashes=hashes
            )
            replaced = added.on_conflict_do_update(
                index_elements=["level", "number"], set_={"hashes": added.excluded.hashes}
            )
            await self.connection.execute(replaced)

    async def checkpoint(self) -> StoredCheckpoint | None:
        newest = select(audit_checkpoints).order_by(audit_checkpoints.c.size.desc()).limit(1)
        row = (await self.connection.execute(newest)).mappings().first()
        return None if row is None else StoredCheckpoint(row["size"], row["note"], row["time"])

    async def put_checkpoint(self, checkpoint: StoredCheckpoint) -> None:
        newest = await self.checkpoint()
        if newest is not None and newest.size >= checkpoint.size:
            raise ValueError(f"a checkpoint of size {newest.size} is stored")
        row = {"size": checkpoint.size, "note": checkpoint.note, "time": checkpoint.time}
        await self.connection.execute(insert(audit_checkpoints).values(row))

    async def entry(self, index: int) -> StoredEntry | None:
        wanted = select(audit_entries).where(audit_entries.c.log_index == index)
        row = (await self.connection.execute(wanted)).mappings().first()
        return None if row is None else _entry(row)

    async def entries(self, wanted: EntryFilter, limit: int) -> tuple[StoredEntry, ...]:
        newest = (
            select(audit_entries)
            .where(_INDEX.is_not(None), *_conditions(wanted))
            .order_by(_INDEX.desc())
            .limit(limit)
        )
        return tuple(_entry(row) for row in (await self.connection.execute(newest)).mappings())

    async def range(self, first: int, end: int) -> tuple[StoredEntry, ...]:
        wanted = select(audit_entries).where(first <= _INDEX, end > _INDEX).order_by(_INDEX)
        return tuple(_entry(row) for row in (await self.connection.execute(wanted)).mappings())


def _conditions(wanted: EntryFilter) -> Iterator[ColumnElement[bool]]:
    c = audit_entries.c
    equal = ((c.actor, wanted.actor), (c.action, wanted.action), (c.object, wanted.object))
    yield from (column == value for column, value in equal if value is not None)
    if wanted.since is not None:
        yield c.time >= wanted.since
    if wanted.until is not None:
        yield c.time < wanted.until
    if wanted.before is not None:
        yield wanted.before > _INDEX


def _entry(row: RowMapping) -> StoredEntry:
    return StoredEntry(row["id"], row["log_index"], row["leaf"], row["payload"], row["salt"])
