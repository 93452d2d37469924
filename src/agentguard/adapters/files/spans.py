"""A SpanStore in files: a log that is synced before the answer, settled into Parquet shortly after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, TypeVarTuple, Unpack

import pyarrow as pa
import structlog
from filelock import FileLock, Timeout

from agentguard.adapters.files.parts import (
    ParquetSource,
    Part,
    delete_drafts,
    merge_parts,
    mergeable,
    parts_in,
    without_superseded,
    write_parts,
)
from agentguard.adapters.files.segments import SUFFIX, SegmentWriter, cut_torn_tail, read_segment, sync_folder
from agentguard.kernel.clock import NS_PER_HOUR, Clock
from agentguard.traces.errors import DataDirectoryInUseError, StoreUnavailableError
from agentguard.traces.store import Delivery, SpanBatch, Window

T = TypeVar("T")
A = TypeVarTuple("A")

log = structlog.get_logger(__name__)

_SEGMENT_BYTES = 64 * 1024 * 1024

Decode = Callable[[Sequence[Delivery]], Awaitable[pa.Table]]
"""Returns the usable spans of deliveries that were accepted before."""


@dataclass(slots=True)
class _Sealed:
    """A segment that gets no more records; its spans are at hand unless it was found at the start."""

    path: Path
    spans: list[pa.Table] | None

    @property
    def id(self) -> int:
        return int(self.path.stem, 16)


class FileSpanStore:
    """One process writes; `open_span_store` sees to that."""

    def __init__(self, directory: Path, decode: Decode, clock: Clock, *, keep_bodies: bool) -> None:
        self._log, self._lake, self._bodies = directory / "log", directory / "spans", directory / "bodies"
        self._decode, self._clock, self._keep_bodies = decode, clock, keep_bodies
        # All writing to the log happens on this one thread: appending and sealing never overlap.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="agentguard-log")
        # All work on Parquet files and sealed segments on this one: what a cancelled caller left running ends before the next begins.
        self._settler = ThreadPoolExecutor(1, thread_name_prefix="agentguard-settle")
        self._settling = asyncio.Lock()
        self._writer: SegmentWriter | None = None
        self._spans: list[pa.Table] = []
        self._sealed: list[_Sealed] = []
        self._parts: list[Part] = []
        self._superseded: list[Part] = []
        self._readers = 0
        self._newest = 0

    async def append(self, batch: SpanBatch) -> None:
        try:
            await _run(self._thread, self._append, batch)
        except OSError as error:
            log.exception("append_failed")
            raise StoreUnavailableError(f"The spans could not be written to disk ({error.strerror}). Send them again later.") from error

    async def settle(self) -> bool:
        async with self._settling:
            await _run(self._thread, self._seal)
            pending = list(self._sealed)
            for sealed in pending:
                await self._settle(sealed)
            await self._merge()
            return bool(pending)

    @asynccontextmanager
    async def window(self, received_since: int) -> AsyncIterator[Window]:
        parts = [part for part in self._parts if part.last >= received_since - received_since % NS_PER_HOUR]
        key = f"{min((p.first for p in parts), default=0)}-{max((p.last for p in parts), default=0)}"
        self._readers += 1
        try:
            yield Window(tuple(ParquetSource(part.path(self._lake)) for part in parts), key)
        finally:
            self._readers -= 1
            await self._delete_superseded()

    async def expire(self, received_before: int) -> int:
        hour = received_before - received_before % NS_PER_HOUR
        async with self._settling:
            expired = [part for part in self._parts if part.last < hour]
            self._parts = [part for part in self._parts if part.last >= hour]
            self._superseded += expired
            await self._delete_superseded()
            await _run(self._settler, self._delete_bodies, hour)
        return len(expired)

    def recover(self) -> None:
        """Find what an earlier process left: settled parts, and segments that are still to be settled."""
        for folder in (self._log, self._lake, self._bodies):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        delete_drafts(self._lake)
        found = parts_in(self._lake)
        self._parts = without_superseded(found)
        self._superseded = [part for part in found if part not in set(self._parts)]
        for path in sorted(self._log.glob(f"*{SUFFIX}")):
            cut = cut_torn_tail(path)
            log.info("segment_recovered", segment=path.name, cut_bytes=cut)
            self._sealed.append(_Sealed(path, None))
        self._newest = max([*(part.last for part in self._parts), *(sealed.id for sealed in self._sealed)], default=0)

    def close(self) -> None:
        self._thread.shutdown()
        self._settler.shutdown()
        if self._writer is not None:
            self._writer.close()

    def _append(self, batch: SpanBatch) -> None:
        writer = self._writer = self._writer or self._new_segment()
        try:
            writer.append(batch.deliveries)
        except OSError:
            self._seal()  # after a failed sync nobody knows what the disk holds: nothing more goes into this file
            raise
        self._spans.append(batch.spans)
        if writer.size > _SEGMENT_BYTES:
            self._seal()

    def _new_segment(self) -> SegmentWriter:
        self._newest = max(self._clock(), self._newest + 1)
        return SegmentWriter(self._log / f"{self._newest:016x}{SUFFIX}")

    def _seal(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._sealed.append(_Sealed(self._writer.path, self._spans))
            self._writer, self._spans = None, []

    async def _settle(self, sealed: _Sealed) -> None:
        tables = sealed.spans
        sealed.spans = None  # should this fail, the next attempt reads the log: memory stays bounded
        if tables is None:
            deliveries = await _run(self._settler, _deliveries, sealed.path)
            tables = [await self._decode(deliveries)]
        spans = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
        written = await _run(self._settler, write_parts, self._lake, sealed.id, spans)
        self._parts = without_superseded([*self._parts, *written])
        await _run(self._settler, self._retire, sealed.path)
        self._sealed.remove(sealed)

    async def _merge(self) -> None:
        for run in await _run(self._settler, mergeable, self._lake, self._parts):
            merged = await _run(self._settler, merge_parts, self._lake, run)
            self._parts = without_superseded([*self._parts, merged])
            self._superseded += run
        await self._delete_superseded()

    async def _delete_superseded(self) -> None:
        if self._superseded and not self._readers:
            gone, self._superseded = self._superseded, []
            await _run(self._settler, _delete, [part.path(self._lake) for part in gone])

    def _retire(self, path: Path) -> None:
        if self._keep_bodies and path.exists():
            path.rename(self._bodies / path.name)
            sync_folder(self._bodies)
        path.unlink(missing_ok=True)
        sync_folder(self._log)

    def _delete_bodies(self, before: int) -> None:
        _delete([path for path in self._bodies.glob(f"*{SUFFIX}") if int(path.stem, 16) < before])


@asynccontextmanager
async def open_span_store(directory: Path, decode: Decode, clock: Clock, *, keep_bodies: bool) -> AsyncIterator[FileSpanStore]:
    """Open the spans of this data directory for writing; raise DataDirectoryInUseError while another process has them open."""
    lock = FileLock(directory / "spans.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DataDirectoryInUseError(directory) from None
    store = FileSpanStore(directory, decode, clock, keep_bodies=keep_bodies)
    try:
        await asyncio.to_thread(store.recover)
        yield store
    finally:
        store.close()
        lock.release()


async def _run(thread: Executor, function: Callable[[Unpack[A]], T], *args: *A) -> T:
    return await asyncio.get_running_loop().run_in_executor(thread, function, *args)


def _deliveries(path: Path) -> list[Delivery]:
    """Return the segment's records; none if it was retired already, on behalf of a caller that did not wait for it."""
    return list(read_segment(path)) if path.exists() else []


def _delete(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
