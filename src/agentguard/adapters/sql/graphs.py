"""Graph versions in the database: each graph as stable JSON in a row."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

from pydantic import TypeAdapter
from sqlalchemy import RowMapping, case, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.adapters.sql.batches import batches
from agentguard.adapters.sql.tables import graph_versions
from agentguard.graph.errors import NoGraphError, VersionExistsError
from agentguard.graph.model import Graph
from agentguard.graph.storage.store import Dataset, GraphVersion, VersionRecord
from agentguard.retention.policy import Item

_GRAPH = TypeAdapter(Graph)


@dataclass(frozen=True, slots=True)
class SqlGraphVersions:
    """A GraphVersions over one transaction."""

    connection: AsyncConnection

    async def add(self, version: GraphVersion, document: bytes) -> None:
        row = insert(graph_versions).values(
            id=version.id,
            dataset=version.dataset,
            created_at=version.created_at,
            components=len(version.graph.components),
            dependencies=len(version.graph.dependencies),
            graph=document,
        )
        try:
            await self.connection.execute(row)
        except IntegrityError as error:
            raise VersionExistsError(version.id) from error

    async def newest_id(self, dataset: str | None = None) -> str | None:
        wanted = select(graph_versions.c.id).order_by(graph_versions.c.sequence.desc()).limit(1)
        if dataset is not None:
            wanted = wanted.where(graph_versions.c.dataset == dataset)
        found: str | None = (await self.connection.execute(wanted)).scalar()
        return found

    async def newest_ids(self, dataset: str, most: int) -> tuple[str, ...]:
        wanted = select(graph_versions.c.id).where(graph_versions.c.dataset == dataset)
        newest = wanted.order_by(graph_versions.c.sequence.desc()).limit(most)
        return tuple((await self.connection.execute(newest)).scalars())

    async def is_kept(self, version_id: str) -> bool:
        wanted = select(graph_versions.c.id).where(graph_versions.c.id == version_id)
        return (await self.connection.execute(wanted)).scalar() is not None

    async def get(self, version_id: str) -> Callable[[], GraphVersion]:
        wanted = select(graph_versions).where(graph_versions.c.id == version_id)
        row = (await self.connection.execute(wanted)).mappings().first()
        if row is None:
            raise NoGraphError.version(version_id)
        return partial(_version, row)

    async def sha256(self, version_id: str, /) -> str | None:
        wanted = select(graph_versions.c.graph).where(graph_versions.c.id == version_id)
        document = await self.connection.scalar(wanted)
        return None if document is None else await asyncio.to_thread(_sha256, document)

    async def datasets(self) -> tuple[Dataset, ...]:
        table = graph_versions.c
        totals = (
            select(
                func.max(table.sequence).label("newest"),
                func.count().label("versions"),
                func.sum(func.length(table.graph)).label("bytes"),
            )
            .group_by(table.dataset)
            .subquery()
        )
        columns = [column for column in table if column.name != "graph"]
        wanted = (
            select(*columns, totals.c.versions, totals.c.bytes)
            .join(totals, table.sequence == totals.c.newest)
            .order_by(table.sequence.desc())
        )
        return tuple(_dataset(row) for row in (await self.connection.execute(wanted)).mappings())

    async def ids(self) -> tuple[str, ...]:
        wanted = select(graph_versions.c.id).order_by(graph_versions.c.sequence)
        return tuple((await self.connection.execute(wanted)).scalars())

    async def records(self) -> tuple[VersionRecord, ...]:
        table = graph_versions.c
        size = func.length(table.graph).label("bytes")
        wanted = select(table.id, table.dataset, table.created_at, size).order_by(table.sequence)
        return tuple(
            VersionRecord(row.dataset, Item(row.id, row.created_at, row.bytes))
            for row in await self.connection.execute(wanted)
        )

    async def delete(self, version_ids: Collection[str]) -> None:
        for batch in batches(version_ids):
            await self.connection.execute(
                delete(graph_versions).where(graph_versions.c.id.in_(batch))
            )

    async def order_by_time(self) -> None:
        table = graph_versions.c
        found = await self.connection.execute(
            select(table.sequence, table.created_at).order_by(table.sequence)
        )
        rows = [(row.sequence, row.created_at) for row in found]
        by_time = sorted(rows, key=lambda row: row[1])
        moves = {old: new for (old, _), (new, _) in zip(by_time, rows, strict=True) if old != new}
        if moves:  # by way of negative numbers, which no row has: a number is taken once
            await self._renumber({old: -new for old, new in moves.items()})
            await self._renumber({-new: new for new in moves.values()})

    async def _renumber(self, moves: dict[int, int]) -> None:
        sequence = graph_versions.c.sequence
        await self.connection.execute(
            update(graph_versions)
            .where(sequence.in_(moves))
            .values(sequence=case(moves, value=sequence))
        )


def _sha256(document: bytes) -> str:
    return sha256(document).hexdigest()


def _version(row: RowMapping) -> GraphVersion:
    return GraphVersion(
        row["id"], row["dataset"], row["created_at"], _GRAPH.validate_json(row["graph"])
    )


def _dataset(row: RowMapping) -> Dataset:
    return Dataset(
        row["dataset"],
        row["id"],
        row["created_at"],
        row["components"],
        row["dependencies"],
        row["versions"],
        int(row["bytes"]),
    )
