"""The audit log in the database."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    and_,
    bindparam,
    func,
    insert,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.adapters.sql.audit_projection import (
    differing,
    incident_of,
    marked_ranges,
    projected,
)
from agentguard.adapters.sql.batches import batches
from agentguard.adapters.sql.tables import (
    audit_anchors,
    audit_checkpoints,
    audit_entries,
    audit_handovers,
    audit_logs,
    audit_tiles,
    incidents,
)
from agentguard.adapters.sql.upserts import insert_into
from agentguard.audit.anchoring import AnchorState
from agentguard.audit.entries import SealedEntry
from agentguard.audit.errors import UnreadableLogError
from agentguard.audit.merkle import DIGEST_BYTES
from agentguard.audit.store import (
    EXPIRED,
    PAYLOADS,
    AppendedLeaf,
    EntryFilter,
    FilterColumns,
    Marked,
    StoredAnchor,
    StoredCheckpoint,
    StoredEntry,
    StoredPayloads,
)
from agentguard.audit.tiles import Tile

_INDEX = audit_entries.c.log_index
_TILES = 50
"""That are read by one statement."""


@dataclass(frozen=True, slots=True)
class SqlAuditLog:
    """An AuditLog over one transaction."""

    connection: AsyncConnection

    async def append(self, entries: Sequence[SealedEntry]) -> None:
        if entries:
            await self.connection.execute(insert(audit_entries), [_row(e) for e in entries])

    async def newest(self, action: str, actor: str | None = None) -> StoredEntry | None:
        wanted = select(audit_entries).where(*_conditions(EntryFilter(actor, action)))
        last = wanted.order_by(audit_entries.c.id.desc()).limit(1)
        return next(iter(await self._entries(last)), None)

    async def unsequenced(self, most: int) -> tuple[StoredEntry, ...]:
        wanted = (
            select(audit_entries).where(_INDEX.is_(None)).order_by(audit_entries.c.id).limit(most)
        )
        return await self._entries(wanted)

    async def unsequenced_leaves(self, most: int) -> tuple[AppendedLeaf, ...]:
        c = audit_entries.c
        wanted = select(c.id, c.leaf).where(_INDEX.is_(None)).order_by(c.id).limit(most)
        rows = await self._rows(wanted)
        return tuple(AppendedLeaf(_number(row["id"]), _blob(row["leaf"])) for row in rows)

    async def sequence(self, rows: Sequence[int], first: int) -> None:
        row = audit_entries.c.id
        numbered = (
            update(audit_entries)
            .where(row.between(bindparam("start"), bindparam("last")))
            .values(log_index=row + bindparam("shift"))
        )
        await self.connection.execute(numbered, list(_runs(rows, first)))

    async def project(self, leaves: Sequence[bytes], first: int) -> None:
        about = [incident_of(leaf) for leaf in leaves]
        stored = await self._stored_incidents({each for each in about if each is not None})
        rows = [
            {**projected(leaf, index), "incident_id": incident if incident in stored else None}
            for (index, leaf), incident in zip(enumerate(leaves, first), about, strict=True)
        ]
        await self.connection.execute(insert(audit_logs), rows)

    async def _stored_incidents(self, ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
        found: set[uuid.UUID] = set()
        for batch in batches(ids):
            wanted = select(incidents.c.id).where(incidents.c.id.in_(batch))
            found.update((await self.connection.execute(wanted)).scalars())
        return found

    async def mark_anchored(self, first: int, end: int, tx_hash: str) -> None:
        index = audit_logs.c.log_index
        unmarked = audit_logs.c.blockchain_tx_hash.is_(None)
        marked = update(audit_logs).where(first <= index, end > index, unmarked)
        await self.connection.execute(marked.values(blockchain_tx_hash=tx_hash))

    async def prove_incidents(self, first: int, end: int, proof: Mapping[str, Any]) -> None:
        index, about = audit_logs.c.log_index, audit_logs.c.incident_id
        theirs = select(about).where(first <= index, end > index, about.is_not(None))
        proven = update(incidents).where(incidents.c.id.in_(theirs))
        await self.connection.execute(proven.values(blockchain_proof=dict(proof)))

    async def is_unmarked(self, index: int) -> bool:
        c = audit_logs.c
        wanted = select(c.id).where(c.log_index == index, c.blockchain_tx_hash.is_(None)).limit(1)
        return (await self.connection.execute(wanted)).first() is not None

    async def holds_others(self, first: int, end: int, actions: Collection[str]) -> bool:
        other = audit_entries.c.action.not_in(actions)
        wanted = select(audit_entries.c.id).where(first <= _INDEX, end > _INDEX, other).limit(1)
        return (await self.connection.execute(wanted)).first() is not None

    async def size(self) -> int:
        last = await self.connection.scalar(select(func.max(_INDEX)))
        return 0 if last is None else _number(last) + 1

    async def waiting(self) -> int:
        counted = select(func.count()).select_from(audit_entries).where(_INDEX.is_(None))
        return int(await self.connection.scalar(counted) or 0)

    async def tiles(self, wanted: Collection[Tile]) -> Mapping[Tile, bytes]:
        hashes: dict[Tile, bytes] = {}
        for places in batches(sorted({(tile.level, tile.number) for tile in wanted}), _TILES):
            for row in await self._rows(_these_tiles(len(places)), _named_places(places)):
                hashes[Tile(row["level"], row["number"])] = _blob(row["hashes"])
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

    async def checkpoint(self, size: int | None = None) -> StoredCheckpoint | None:
        wanted = select(audit_checkpoints).order_by(audit_checkpoints.c.size.desc()).limit(1)
        if size is not None:
            wanted = wanted.where(audit_checkpoints.c.size == size)
        return next(iter(await self._checkpoints(wanted)), None)

    async def checkpoints(self, after: int, until: int) -> tuple[StoredCheckpoint, ...]:
        c = audit_checkpoints.c
        wanted = select(audit_checkpoints).where(c.size > after, c.size <= until).order_by(c.size)
        return await self._checkpoints(wanted)

    async def put_checkpoint(self, checkpoint: StoredCheckpoint) -> None:
        newest = await self.checkpoint()
        if newest is not None and newest.size >= checkpoint.size:
            raise ValueError(f"a checkpoint of size {newest.size} is stored")
        row = {"size": checkpoint.size, "note": checkpoint.note, "time": checkpoint.time}
        await self.connection.execute(insert(audit_checkpoints).values(row))

    async def marks(self) -> tuple[Marked, ...]:
        return tuple(_marked(row) for row in await self._rows(marked_ranges()))

    async def final_anchors(self) -> tuple[StoredAnchor, ...]:
        c = audit_anchors.c
        final = select(audit_anchors).where(c.state == AnchorState.FINALISED.value)
        return tuple(_final_anchor(row) for row in await self._rows(final.order_by(c.size)))

    async def misprojected(self, leaves: Sequence[bytes], first: int) -> tuple[int, ...]:
        index = audit_logs.c.log_index
        end = first + len(leaves)
        stored = await self._rows(select(audit_logs).where(first <= index, end > index))
        return differing(leaves, first, stored)

    async def unowned_rows(self) -> int:
        index = audit_logs.c.log_index
        size = await self.size()
        counted = select(func.count()).select_from(audit_logs).where(or_(index < 0, size <= index))
        return int(await self.connection.scalar(counted) or 0)

    async def handovers(self) -> tuple[bytes, ...]:
        notes = select(audit_handovers.c.note).order_by(audit_handovers.c.number)
        return tuple(_blob(row["note"]) for row in await self._rows(notes))

    async def put_handover(self, note: bytes, time: int) -> None:
        counted = await self.connection.scalar(select(func.count()).select_from(audit_handovers))
        row = {"number": counted, "note": note, "time": time}
        await self.connection.execute(insert(audit_handovers).values(row))

    async def put_note(self, size: int, note: bytes) -> None:
        stored = update(audit_checkpoints).where(audit_checkpoints.c.size == size)
        await self.connection.execute(stored.values(note=note))

    async def entry(self, index: int) -> StoredEntry | None:
        wanted = select(audit_entries).where(audit_entries.c.log_index == index)
        return next(iter(await self._entries(wanted)), None)

    async def entries(self, wanted: EntryFilter, limit: int) -> tuple[StoredEntry, ...]:
        newest = (
            select(audit_entries)
            .where(_INDEX.is_not(None), *_conditions(wanted))
            .order_by(_INDEX.desc())
            .limit(limit)
        )
        return await self._entries(newest)

    async def payloads(self) -> StoredPayloads:
        c = audit_entries.c
        size = func.coalesce(func.sum(func.length(c.payload)), 0)
        counted = select(func.count(), size, func.min(c.time)).where(c.payload.is_not(None))
        number, total, oldest = (await self.connection.execute(counted)).one()
        return StoredPayloads(number, int(total), oldest)

    async def remove_payloads(
        self, before: int, *, most: int, kept: Collection[str]
    ) -> tuple[int, ...]:
        c = audit_entries.c
        told = and_(c.action == EXPIRED, c.object.is_not_distinct_from(PAYLOADS))
        old = select(c.id, _INDEX).where(c.payload.is_not(None), c.time < before)
        old = old.where(c.action.not_in(kept), not_(told))
        first = old.where(_INDEX.is_not(None)).order_by(c.time).limit(most)
        found = (await self.connection.execute(first)).all()
        emptied = update(audit_entries).values(payload=None, salt=None)
        for batch in batches([row.id for row in found]):
            await self.connection.execute(emptied.where(c.id.in_(batch)))
        return tuple(sorted(row.log_index for row in found))

    async def range(self, first: int, end: int) -> tuple[StoredEntry, ...]:
        wanted = select(audit_entries).where(first <= _INDEX, end > _INDEX).order_by(_INDEX)
        return await self._entries(wanted)

    async def _entries(self, wanted: Select[Any]) -> tuple[StoredEntry, ...]:
        return tuple(_entry(row) for row in await self._rows(wanted))

    async def _checkpoints(self, wanted: Select[Any]) -> tuple[StoredCheckpoint, ...]:
        rows = await self._rows(wanted)
        return tuple(
            StoredCheckpoint(_number(row["size"]), _blob(row["note"]), row["time"]) for row in rows
        )

    async def _rows(
        self, wanted: Select[Any], values: Mapping[str, int] | None = None
    ) -> Sequence[RowMapping]:
        found = await self.connection.execute(wanted, values)
        try:
            rows: Sequence[RowMapping] = found.mappings().all()
        except (TypeError, ValueError) as error:  # what SQLAlchemy's types make of other values
            raise UnreadableLogError from error
        return rows


@lru_cache(_TILES)
def _these_tiles(count: int) -> Select[Any]:
    """Return the statement that reads so many tiles: building it takes longer than running it.

    Rows of values, (level, number) IN …, would let SQLite read the whole table.
    """
    t = audit_tiles.c
    places = (
        and_(t.level == bindparam(f"level_{at}"), t.number == bindparam(f"number_{at}"))
        for at in range(count)
    )
    return select(audit_tiles).where(or_(*places))


def _named_places(places: Sequence[tuple[int, int]]) -> dict[str, int]:
    levels = {f"level_{at}": level for at, (level, _) in enumerate(places)}
    return levels | {f"number_{at}": number for at, (_, number) in enumerate(places)}


def _runs(rows: Sequence[int], first: int) -> Iterator[dict[str, int]]:
    """Yield the ranges of adjacent rows, with what leads from row to index."""
    start = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or rows[end] != rows[end - 1] + 1:
            shift = first + start - rows[start]
            yield {"start": rows[start], "last": rows[end - 1], "shift": shift}
            start = end


def _conditions(wanted: EntryFilter) -> Iterator[ColumnElement[bool]]:
    c = audit_entries.c
    equal = ((c.actor, wanted.actor), (c.action, wanted.action), (c.object, wanted.object))
    yield from (column == value for column, value in equal if value is not None)
    if wanted.incident is not None:
        yield c.object == wanted.incident
        yield c.action.startswith("incident.")
    if wanted.since is not None:
        yield c.time >= wanted.since
    if wanted.until is not None:
        yield c.time < wanted.until
    if wanted.before is not None:
        yield wanted.before > _INDEX


def _row(sealed: SealedEntry) -> dict[str, object]:
    return {
        "time": sealed.entry.time_ns,
        "actor": sealed.entry.actor.id,
        "action": sealed.entry.action,
        "object": sealed.entry.object_id,
        "leaf": sealed.leaf,
        "payload": sealed.payload,
        "salt": sealed.salt,
    }


def _entry(row: RowMapping) -> StoredEntry:
    index, payload, salt = row["log_index"], row["payload"], row["salt"]
    return StoredEntry(
        _number(row["id"]),
        None if index is None else _number(index),
        _blob(row["leaf"]),
        None if payload is None else _blob(payload),
        None if salt is None else _blob(salt),
        FilterColumns(row["time"], row["actor"], row["action"], row["object"]),
    )


def _marked(row: RowMapping) -> Marked:
    last = _number(row["last"])
    return Marked(str(row["tx_hash"]), _number(row["first"]), last + 1, row["number"])


def _final_anchor(row: RowMapping) -> StoredAnchor:
    """Return what is stored: columns, and of the receipt only what has no column."""
    receipt = row["receipt"]
    anchored = receipt.get("anchored") if isinstance(receipt, dict) else None
    block = anchored if isinstance(anchored, dict) else {}
    place = str(row["chain_id"]), str(block.get("block_number"))
    return StoredAnchor(
        _number(row["size"]), *place, str(row["tx_hash"]), str(block.get("block_hash"))
    )


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise UnreadableLogError
    return value


def _blob(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise UnreadableLogError
    return value
