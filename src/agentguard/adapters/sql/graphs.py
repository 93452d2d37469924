"""Graph versions: the graph as canonical JSON in a row, its runs as Parquet files beside the database."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter
from sqlalchemy import RowMapping, delete, func, insert, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.adapters.sql.database import Database
from agentguard.adapters.sql.history import add_history, read_history
from agentguard.adapters.sql.tables import graph_versions
from agentguard.graph.errors import NoGraphError
from agentguard.graph.history import History, history_of
from agentguard.graph.model import Graph
from agentguard.graph.runs import CALL_SCHEMA, RUN_SCHEMA, Runs
from agentguard.graph.store import Dataset, GraphVersion
from agentguard.kernel.canonical import canonical_json
from agentguard.kernel.clock import NS_PER_SECOND, Clock

_GRAPH = TypeAdapter(Graph)
_GRACE_SECONDS = 60
"""An older version stays at least this long, for who found it and has not read its runs yet."""
_ORPHAN_SECONDS = 3600
_CACHED = 8


@dataclass(frozen=True, slots=True)
class SqlGraphStore:
    """A GraphStore over a database and the folder of its runs."""

    database: Database
    folder: Path
    clock: Clock
    kept: int
    """Newest versions of each dataset that are kept; older ones go."""
    _cache: OrderedDict[str, GraphVersion] = field(default_factory=OrderedDict)

    async def put(self, version: GraphVersion, runs: Runs) -> None:
        again = all(path.exists() for path in self._paths(version.id))
        document = await asyncio.to_thread(self._write_files, version, runs)
        try:
            stale = await self._write_row(version, document, await asyncio.to_thread(history_of, version.graph, runs))
        except IntegrityError:  # it is there already, its files with it
            return
        except (SQLAlchemyError, OSError):  # any other end may have committed: then the files stay, `sweep` sees to what nobody owns
            self._unlink([] if again else [version.id])
            raise
        self._remember(version)
        await asyncio.to_thread(self._unlink, stale)

    async def newest(self, dataset: str | None = None) -> GraphVersion:
        wanted = select(graph_versions.c.id).order_by(graph_versions.c.sequence.desc()).limit(1)
        if dataset is not None:
            wanted = wanted.where(graph_versions.c.dataset == dataset)
        async with self.database.reading() as connection:
            version_id = (await connection.execute(wanted)).scalar()
            if version_id is None:
                raise _no_graph(dataset)
            return self._cached(version_id) or await self._load(connection, version_id)

    async def get(self, version_id: str) -> GraphVersion:
        async with self.database.reading() as connection:
            return await self._load(connection, version_id)

    async def runs(self, version_id: str) -> Runs:
        return await asyncio.to_thread(self._read_files, version_id)

    async def datasets(self) -> tuple[Dataset, ...]:
        newest = select(func.max(graph_versions.c.sequence)).group_by(graph_versions.c.dataset)
        columns = [column for column in graph_versions.c if column.name != "graph"]
        wanted = select(*columns).where(graph_versions.c.sequence.in_(newest)).order_by(graph_versions.c.sequence.desc())
        async with self.database.reading() as connection:
            rows = (await connection.execute(wanted)).mappings().all()
        return tuple(_dataset(row) for row in rows)

    async def history(self) -> History:
        async with self.database.reading() as connection:
            return await read_history(connection)

    async def sweep(self) -> int:
        """Delete files that no version owns, left by a process that died between writing them and its row; return how many."""
        async with self.database.reading() as connection:
            owned = set((await connection.execute(select(graph_versions.c.id))).scalars())
        return await asyncio.to_thread(self._unlink_orphans, owned)

    async def _load(self, connection: AsyncConnection, version_id: str) -> GraphVersion:
        row = (await connection.execute(select(graph_versions).where(graph_versions.c.id == version_id))).mappings().first()
        if row is None:
            raise NoGraphError(f"Graph version {version_id!r} is not kept. GET /api/datasets lists the newest of each dataset.")
        version = await asyncio.to_thread(_version, row)
        self._remember(version)
        return version

    async def _write_row(self, version: GraphVersion, document: bytes, seen: History) -> list[str]:
        async with self.database.writing() as connection:
            await connection.execute(
                insert(graph_versions).values(
                    id=version.id,
                    dataset=version.dataset,
                    created_at=version.created_at,
                    components=len(version.graph.components),
                    dependencies=len(version.graph.dependencies),
                    graph=document,
                )
            )
            await add_history(connection, seen, self.clock())
            return await self._delete_stale(connection, version.dataset)

    async def _delete_stale(self, connection: AsyncConnection, dataset: str) -> list[str]:
        table = graph_versions.c
        newest = select(table.sequence).where(table.dataset == dataset).order_by(table.sequence.desc()).limit(self.kept)
        stale = delete(graph_versions).where(
            table.dataset == dataset,
            table.created_at < self.clock() - _GRACE_SECONDS * NS_PER_SECOND,
            table.sequence.not_in(newest),
        )
        return list((await connection.execute(stale.returning(table.id))).scalars())

    def _write_files(self, version: GraphVersion, runs: Runs) -> bytes:
        self.folder.mkdir(parents=True, exist_ok=True)
        for path, table in zip(self._paths(version.id), (runs.runs, runs.calls), strict=True):
            _write_durably(path, table)
        _sync_folder(self.folder)
        return canonical_json(version.graph)

    def _read_files(self, version_id: str) -> Runs:
        runs_path, calls_path = self._paths(version_id)
        try:
            return Runs(_read(runs_path, RUN_SCHEMA), _read(calls_path, CALL_SCHEMA))
        except FileNotFoundError:
            raise NoGraphError(f"The runs of graph version {version_id!r} are not kept. Ask for the newest version.") from None

    def _paths(self, version_id: str) -> tuple[Path, Path]:
        return self.folder / f"{version_id}.runs.parquet", self.folder / f"{version_id}.calls.parquet"

    def _unlink(self, version_ids: Iterable[str]) -> None:
        for version_id in version_ids:
            self._cache.pop(version_id, None)
            for path in self._paths(version_id):
                path.unlink(missing_ok=True)

    def _unlink_orphans(self, owned: set[str]) -> int:
        before = self.clock() - _ORPHAN_SECONDS * NS_PER_SECOND
        orphans = [p for p in self.folder.glob("*.parquet*") if p.name.split(".")[0] not in owned and p.stat().st_mtime_ns < before]
        for path in orphans:
            path.unlink(missing_ok=True)
        return len(orphans)

    def _cached(self, version_id: str) -> GraphVersion | None:
        return self._cache.get(version_id)

    def _remember(self, version: GraphVersion) -> None:
        self._cache[version.id] = version
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)


def _version(row: RowMapping) -> GraphVersion:
    return GraphVersion(row["id"], row["dataset"], row["created_at"], _GRAPH.validate_json(row["graph"]))


def _dataset(row: RowMapping) -> Dataset:
    return Dataset(row["dataset"], row["id"], row["created_at"], row["components"], row["dependencies"])


def _no_graph(dataset: str | None) -> NoGraphError:
    if dataset is None:
        return NoGraphError("There is no graph yet. Scan a trace with `agentguard scan PATH`, or send spans to a running server.")
    return NoGraphError(f"There is no graph of dataset {dataset!r}. GET /api/datasets lists what there is.")


def _write_durably(path: Path, table: pa.Table) -> None:
    """Write a whole file or none: temporary name, fsync, rename."""
    draft = path.with_name(f"{path.name}.draft-{secrets.token_hex(4)}")  # two processes may write the same version
    with draft.open("wb") as stream:
        pq.write_table(table, stream, compression="zstd")
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path, schema: pa.Schema) -> pa.Table:
    columns: Sequence[str] = schema.names
    return pq.read_table(path, columns=columns, memory_map=False).cast(schema)
