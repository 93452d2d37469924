"""A RunStore in files: Parquet files per graph version, for its runs, their calls and failures."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from agentguard.adapters.files.folders import (
    FILE_MODE,
    open_private,
    private_folder,
    sync_folder,
)
from agentguard.adapters.files.parquet import (
    UnreadableParquetError,
    readable,
    verify,
    write_parquet,
)
from agentguard.graph.errors import DamagedRunsError, NoGraphError, VersionExistsError
from agentguard.graph.runs import (
    CALL_SCHEMA,
    FAILURE_SCHEMA,
    RUN_SCHEMA,
    Runs,
    calls_of_trace,
)
from agentguard.kernel.clock import NS_PER_SECOND, Clock
from agentguard.kernel.errors import DISK_ERRORS, storage_error
from agentguard.retention.policy import Item, Usage, usage_of

_ORPHAN_SECONDS = 3600
_DRAFT = ".draft"
_BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class FileRunStore:
    """Any number of processes may share the folder."""

    folder: Path
    clock: Clock

    async def put(self, version_id: str, runs: Runs) -> None:
        try:
            await asyncio.to_thread(self._write, version_id, runs)
        except OSError as error:
            if error.errno in DISK_ERRORS:
                raise storage_error(error) from error
            raise

    async def get(self, version_id: str) -> Runs:
        return await asyncio.to_thread(self._read, version_id)

    async def calls_of_trace(self, version_id: str, trace_id: str) -> pa.Table:
        return await asyncio.to_thread(self._read_trace, version_id, trace_id)

    async def failures(self, version_id: str) -> pa.Table:
        return await asyncio.to_thread(self._read_failures, version_id)

    async def delete(self, version_ids: Iterable[str]) -> None:
        await asyncio.to_thread(self._unlink, list(version_ids))

    async def sweep(self, owned: Collection[str]) -> int:
        return await asyncio.to_thread(self._unlink_orphans, frozenset(owned)) if owned else 0

    async def usage(self) -> Usage:
        return await asyncio.to_thread(self._usage)

    def _usage(self) -> Usage:
        files = [Item(path.name, at.st_mtime_ns, at.st_size) for path, at in self._stats()]
        return replace(usage_of(files), count=sum(".runs." in file.id for file in files))

    def _stats(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self.folder.glob("*.parquet"):
            with suppress(FileNotFoundError):  # deleted by another process
                yield path, path.stat()

    def _write(self, version_id: str, runs: Runs) -> None:
        """Write drafts and rename them, the runs last.

        The draft of the runs reserves the version for this writer; its rename commits the version.
        """
        private_folder(self.folder)
        runs_path, *others = self._paths(version_id)
        claim = self._claim(version_id)
        try:
            for path, table in zip(others, (runs.calls, runs.failures), strict=True):
                _write_synced(_draft(path), table)
            _write_synced(claim, runs.runs)
            for path in others:
                _draft(path).replace(path)
            claim.replace(runs_path)
            sync_folder(self.folder)
        except OSError:
            self._unlink([version_id])
            raise

    def _claim(self, version_id: str) -> Path:
        runs_path, *_ = self._paths(version_id)
        try:
            _draft(runs_path).touch(FILE_MODE, exist_ok=False)
        except FileExistsError:
            raise VersionExistsError(version_id) from None
        if runs_path.exists():
            _draft(runs_path).unlink()
            raise VersionExistsError(version_id)
        return _draft(runs_path)

    def _read(self, version_id: str) -> Runs:
        runs_path, calls_path, failures_path = self._paths(version_id)
        with _kept(version_id):
            return Runs(
                _table(runs_path, RUN_SCHEMA),
                _table(calls_path, CALL_SCHEMA),
                _failures(failures_path),
            )

    def _read_failures(self, version_id: str) -> pa.Table:
        with _kept(version_id):
            return _failures(self._paths(version_id)[2])

    def _read_trace(self, version_id: str, trace_id: str) -> pa.Table:
        with _kept(version_id):
            return calls_of_trace(_parts(self._paths(version_id)[1], CALL_SCHEMA), trace_id)

    def _paths(self, version_id: str) -> tuple[Path, Path, Path]:
        return (
            self.folder / f"{version_id}.runs.parquet",
            self.folder / f"{version_id}.calls.parquet",
            self.folder / f"{version_id}.failures.parquet",
        )

    def _unlink(self, version_ids: Iterable[str]) -> None:
        for version_id in version_ids:
            for path in self._paths(version_id):
                path.unlink(missing_ok=True)
                _draft(path).unlink(missing_ok=True)

    def _unlink_orphans(self, owned: Collection[str]) -> int:
        orphans = [path for path in self._older_files() if path.name.split(".")[0] not in owned]
        for path in orphans:
            path.unlink(missing_ok=True)
        return len(orphans)

    def _older_files(self) -> Iterator[Path]:
        before = self.clock() - _ORPHAN_SECONDS * NS_PER_SECOND
        for path in self.folder.glob("*.parquet*"):
            try:
                old = path.stat().st_mtime_ns < before
            except FileNotFoundError:  # deleted by another process
                continue
            if old:
                yield path


def share_runs(source: Path, target: Path) -> None:
    """Hard-link the runs of one folder into another; deleting one link leaves the other."""
    private_folder(target)
    for path in source.glob("*.parquet"):
        with suppress(FileExistsError):
            os.link(path, target / path.name)
    sync_folder(target)


def _draft(path: Path) -> Path:
    return path.with_name(path.name + _DRAFT)


def _write_synced(path: Path, table: pa.Table) -> None:
    with open_private(path) as stream:
        write_parquet(stream, table)


@contextmanager
def _kept(version_id: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise NoGraphError(
            f"The runs of graph version {version_id!r} have been deleted. Request the newest"
            " version."
        ) from None
    except UnreadableParquetError as error:
        raise DamagedRunsError(version_id, str(error)) from error


def _table(path: Path, schema: pa.Schema) -> pa.Table:
    """Read a table; columns that its writer, of an earlier version, did not know are null."""
    with readable():
        verify(path)
        with pq.ParquetFile(path, memory_map=False) as file:
            return _of_schema(file.read(_known(file, schema)), schema)


def _failures(path: Path) -> pa.Table:
    """Read the failures; earlier versions of AgentGuard stored none."""
    return _table(path, FAILURE_SCHEMA) if path.exists() else FAILURE_SCHEMA.empty_table()


def _parts(path: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    """Read a table in parts of bounded size."""
    with readable():
        verify(path)
        with pq.ParquetFile(path, memory_map=False) as file:
            for batch in file.iter_batches(_BATCH_ROWS, columns=_known(file, schema)):
                yield _of_schema(pa.Table.from_batches([batch]), schema)


def _known(file: pq.ParquetFile, schema: pa.Schema) -> list[str]:
    return [name for name in schema.names if name in file.schema_arrow.names]


def _of_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    for place, each in enumerate(schema):
        if each.nullable and each.name not in table.column_names:
            table = table.add_column(place, each, pa.nulls(len(table), each.type))
    return table.cast(schema)
