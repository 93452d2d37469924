"""Graph versions: the graph as canonical JSON in a row; its runs are kept by a RunStore."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from pydantic import TypeAdapter
from sqlalchemy import RowMapping, delete, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.adapters.sql.database import Database
from agentguard.adapters.sql.history import add_history, read_history
from agentguard.adapters.sql.tables import graph_versions
from agentguard.graph.errors import NoGraphError, VersionExistsError
from agentguard.graph.history import History, history_of
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.graph.store import GRACE, Dataset, GraphVersion, RunStore
from agentguard.graph.version_cache import Commit, RecentVersions, runs_first
from agentguard.kernel.clock import Clock
from agentguard.kernel.stable_json import stable_json

_GRAPH = TypeAdapter(Graph)


@dataclass(frozen=True, slots=True)
class SqlGraphStore:
    """A GraphStore over a database."""

    database: Database
    run_store: RunStore
    clock: Clock
    kept: int
    """Newest versions of each dataset that are kept."""
    recent: RecentVersions = field(default_factory=RecentVersions)

    async def put(self, version: GraphVersion, runs: Runs) -> None:
        document = await asyncio.to_thread(stable_json, version.graph)
        seen = await asyncio.to_thread(history_of, version.graph, runs)
        async with runs_first(self.run_store, version.id, runs) as commit:
            stale = await self._write(version, document, seen, commit)
        self.recent.add(version)
        self.recent.forget(stale)
        await self.run_store.delete(stale)

    async def newest(self, dataset: str | None = None) -> GraphVersion:
        wanted = select(graph_versions.c.id).order_by(graph_versions.c.sequence.desc()).limit(1)
        if dataset is not None:
            wanted = wanted.where(graph_versions.c.dataset == dataset)
        async with self.database.reading() as connection:
            version_id = (await connection.execute(wanted)).scalar()
            if version_id is None:
                raise NoGraphError.of(dataset)
            return self.recent.get(version_id) or await self._load(connection, version_id)

    async def get(self, version_id: str) -> GraphVersion:
        async with self.database.reading() as connection:
            return await self._load(connection, version_id)

    async def runs(self, version_id: str) -> Runs:
        return await self.run_store.get(version_id)

    async def datasets(self) -> tuple[Dataset, ...]:
        newest = select(func.max(graph_versions.c.sequence)).group_by(graph_versions.c.dataset)
        columns = [column for column in graph_versions.c if column.name != "graph"]
        wanted = (
            select(*columns)
            .where(graph_versions.c.sequence.in_(newest))
            .order_by(graph_versions.c.sequence.desc())
        )
        async with self.database.reading() as connection:
            rows = (await connection.execute(wanted)).mappings().all()
        return tuple(_dataset(row) for row in rows)

    async def history(self) -> History:
        async with self.database.reading() as connection:
            return await read_history(connection)

    async def sweep(self) -> int:
        async with self.database.reading() as connection:
            owned = (await connection.execute(select(graph_versions.c.id))).scalars().all()
        return await self.run_store.sweep(owned)

    async def ping(self) -> None:
        async with self.database.reading() as connection:
            await connection.execute(select(1))

    async def _load(self, connection: AsyncConnection, version_id: str) -> GraphVersion:
        row = (
            (
                await connection.execute(
                    select(graph_versions).where(graph_versions.c.id == version_id)
                )
            )
            .mappings()
            .first()
        )
        if row is None:
            raise NoGraphError.version(version_id)
        version = await asyncio.to_thread(_version, row)
        self.recent.add(version)
        return version

    async def _write(
        self, version: GraphVersion, document: bytes, seen: History, commit: Commit
    ) -> list[str]:
        """Write the row and what was seen; return the versions that went in their place."""

        async def write(connection: AsyncConnection) -> list[str]:
            commit.begun = False
            await _insert(connection, version, document)
            await add_history(connection, seen, self.clock())
            stale = await self._delete_stale(connection, version.dataset)
            commit.begun = True
            return stale

        return await self.database.write(write)

    async def _delete_stale(self, connection: AsyncConnection, dataset: str) -> list[str]:
        table = graph_versions.c
        newest = (
            select(table.sequence)
            .where(table.dataset == dataset)
            .order_by(table.sequence.desc())
            .limit(self.kept)
        )
        stale = delete(graph_versions).where(
            table.dataset == dataset,
            table.created_at < self.clock() - GRACE,
            table.sequence.not_in(newest),
        )
        return list((await connection.execute(stale.returning(table.id))).scalars())


async def _insert(connection: AsyncConnection, version: GraphVersion, document: bytes) -> None:
    row = insert(graph_versions).values(
        id=version.id,
        dataset=version.dataset,
        created_at=version.created_at,
        components=len(version.graph.components),
        dependencies=len(version.graph.dependencies),
        graph=document,
    )
    try:
        await connection.execute(row)
    except IntegrityError as error:
        raise VersionExistsError(version.id) from error


def _version(row: RowMapping) -> GraphVersion:
    return GraphVersion(
        row["id"], row["dataset"], row["created_at"], _GRAPH.validate_json(row["graph"])
    )


def _dataset(row: RowMapping) -> Dataset:
    return Dataset(
        row["dataset"], row["id"], row["created_at"], row["components"], row["dependencies"]
    )
