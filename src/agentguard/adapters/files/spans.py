"""A SpanStore in files: a write-ahead log that is compacted into Parquet files."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, TypeVarTuple, Unpack

import pyarrow as pa
import structlog

from agentguard.adapters.files.folders import private_folder, sync_folder
from agentguard.adapters.files.locks import exclusive, shared
from agentguard.adapters.files.parts import (
    FOREIGN,
    ParquetSource,
    Part,
    damage_of,
    delete_stale_drafts,
    foreign_in,
    merge_parts,
    mergeable,
    newest_parts,
    parts_in,
    without_superseded,
    write_parts,
)
from agentguard.adapters.files.quarantine import Quarantine, damaged_file
from agentguard.adapters.files.records import SegmentContent
from agentguard.adapters.files.retention import MAINTENANCE_LOCK, READ_LOCK
from agentguard.adapters.files.segments import (
    SUFFIX,
    Segment,
    SegmentWriter,
    adopt,
    foreign_segments,
    read_segment,
    segment_id,
    segments_in,
)
from agentguard.kernel.clock import NS_PER_HOUR, NS_PER_SECOND, Clock
from agentguard.traces.damage import DamagedFile, DamagedSpansError
from agentguard.traces.errors import StoreUnavailableError
from agentguard.traces.store import Delivery, SpanBatch, Window

T = TypeVar("T")
A = TypeVarTuple("A")

log = structlog.get_logger(__name__)

USE_LOCK = "spans.lock"
"""Lock file, held shared by every process that has a data directory's spans open."""
_SEGMENT_BYTES = 64 * 1024 * 1024
_HELD_BYTES = 64 * 1024 * 1024
"""Decoded spans of sealed segments that are held. Where compaction falls further behind, it reads
the log.
"""
_MERGE_DELAY = 60 * NS_PER_SECOND
"""Minimum age of merged spans: another process may be about to create a segment of that time."""

Decode = Callable[[Sequence[Delivery]], Awaitable[pa.Table]]
"""Returns the valid spans of deliveries that were accepted before."""


@dataclass(slots=True)
class _Sealed:
    """A segment that is closed for appending."""

    segment: Segment
    spans: list[pa.Table] | None
    """Its decoded spans; None: compaction decodes the segment's bodies again."""


@dataclass(frozen=True, slots=True)
class FileSpanReader:
    """Reads the compacted spans of a data directory, which a server may be writing.

    Creates no data directory. Parts are immutable, and the reading lock keeps the server from
    deleting those that it has replaced.
    """

    directory: Path

    @asynccontextmanager
    async def window(
        self, received_since: int, *, most_spans: int | None = None
    ) -> AsyncIterator[Window]:
        lake = self.directory / "spans"
        if not await asyncio.to_thread(lake.is_dir):
            yield Window((), _key(()))
            return
        async with shared(self.directory / READ_LOCK):
            found = without_superseded(await asyncio.to_thread(parts_in, lake))
            parts = [
                part for part in found if part.last >= received_since - received_since % NS_PER_HOUR
            ]
            left_out = 0
            if most_spans is not None:
                parts, left_out = await asyncio.to_thread(newest_parts, lake, parts, most_spans)
            sources = tuple(ParquetSource(part.path(lake)) for part in parts)
            yield Window(sources, _key(parts), left_out)

    async def set_aside(self, found: DamagedFile) -> None:
        await asyncio.to_thread(Quarantine(self.directory).add, found)


class FileSpanStore:
    """A SpanStore for any number of processes.

    Each process writes its own segments; if it dies, another process adopts them.
    """

    def __init__(self, directory: Path, decode: Decode, clock: Clock, *, keep_bodies: bool) -> None:
        private_folder(directory)
        self._quarantine = Quarantine(directory)
        self._log, self._lake, self._bodies = (
            directory / "log",
            directory / "spans",
            directory / "bodies",
        )
        self._reader = FileSpanReader(directory)
        self._read_lock, self._maintenance_lock = (
            directory / READ_LOCK,
            directory / MAINTENANCE_LOCK,
        )
        self._decode, self._clock, self._keep_bodies = decode, clock, keep_bodies
        # One thread for all writes to the log, so that appending and sealing never overlap.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="agentguard-log")
        # One thread for Parquet files and sealed segments: work that a cancelled caller left
        # running finishes before the next begins.
        self._compactor = ThreadPoolExecutor(1, thread_name_prefix="agentguard-compact")
        self._compacting = asyncio.Lock()
        self._writer: SegmentWriter | None = None
        self._spans: list[pa.Table] = []
        self._sealed: list[_Sealed] = []
        self._failure: str | None = None

    async def append(self, batch: SpanBatch) -> None:
        try:
            await _run(self._thread, self._append, batch)
        except OSError as error:
            self._note(error)
            raise StoreUnavailableError(
                f"The spans could not be written to disk: {error.strerror}. Retry later."
            ) from error
        self._note(None)

    def _note(self, error: OSError | None) -> None:
        """Log the first failure of a kind, and the first success after it."""
        failure = None if error is None else error.strerror or str(error)
        if failure == self._failure:
            return
        self._failure = failure
        if failure is None:
            log.info("append_recovered")
        else:
            log.error("append_failed", error=failure)

    async def compact(self) -> bool:
        async with self._compacting:
            await _run(self._thread, self._seal)
            await _run(self._compactor, self._set_foreign_aside)
            await _run(self._compactor, self._adopt)
            pending = list(self._sealed)
            for sealed in pending:
                await self._compact_segment(sealed)
            await _run(self._compactor, self._merge_small_files)
            return bool(pending)

    async def ping(self) -> None:
        await _run(self._thread, self._probe)

    async def damaged(self) -> Sequence[DamagedFile]:
        return await asyncio.to_thread(self._quarantine.files)

    def window(
        self, received_since: int, *, most_spans: int | None = None
    ) -> AbstractAsyncContextManager[Window]:
        return self._reader.window(received_since, most_spans=most_spans)

    async def set_aside(self, found: DamagedFile) -> None:
        await self._reader.set_aside(found)

    def prepare(self) -> None:
        """Create the folders and adopt the segments of dead processes."""
        for folder in (self._log, self._lake, self._bodies):
            private_folder(folder)
        self._adopt()

    def close(self) -> None:
        self._thread.shutdown()
        self._compactor.shutdown()
        for segment in (
            *(sealed.segment for sealed in self._sealed),
            *([self._writer] if self._writer else []),
        ):
            segment.close()

    def _append(self, batch: SpanBatch) -> None:
        writer = self._writer = self._writer or self._new_segment()
        try:
            writer.append(batch.deliveries)
        except OSError:
            # After a failed sync the file's content on disk is unknown: append nothing more to it.
            self._seal()
            raise
        self._spans.append(batch.spans)
        if writer.size > _SEGMENT_BYTES:
            self._seal()

    def _probe(self) -> None:
        """Write and sync a temporary file in the log's folder."""
        with tempfile.TemporaryFile(dir=self._log) as probe:
            probe.write(b"agentguard")
            probe.flush()
            os.fsync(probe.fileno())

    def _new_segment(self) -> SegmentWriter:
        """Create a segment whose id is above all existing ones, even if the clock went back."""
        newest = max(
            [
                *(part.last for part in parts_in(self._lake)),
                *(segment_id(path) for path in segments_in(self._log)),
            ],
            default=0,
        )
        number = max(self._clock(), newest + 1)
        while True:
            try:
                return SegmentWriter(self._log / f"{number:016x}{SUFFIX}")
            except FileExistsError:  # created by another process meanwhile
                number += 1

    def _seal(self) -> None:
        if self._writer is not None:
            held = sum(table.nbytes for sealed in self._sealed for table in sealed.spans or ())
            self._sealed.append(_Sealed(self._writer, self._spans if held < _HELD_BYTES else None))
            self._writer, self._spans = None, []

    def _adopt(self) -> None:
        own = {sealed.segment.path for sealed in self._sealed} | (
            {self._writer.path} if self._writer else set()
        )
        for path in segments_in(self._log):
            segment = adopt(path) if path not in own else None
            if segment is not None:
                log.info("segment_adopted", segment=path.name)
                self._sealed.append(_Sealed(segment, None))

    def _set_foreign_aside(self) -> None:
        for path in foreign_segments(self._log):
            self._quarantine.add(self._describe(path, FOREIGN))
        for found in foreign_in(self._lake):
            self._quarantine.add(found)

    def _describe(self, path: Path, reason: str, lost: int | None = None) -> DamagedFile:
        return damaged_file(self._log.parent, path, reason, records_lost=lost)

    async def _compact_segment(self, sealed: _Sealed) -> None:
        tables, content = sealed.spans, SegmentContent(())
        # If this attempt fails, the next one reads the log, which bounds memory.
        sealed.spans = None
        if tables is None:
            content = await _run(self._compactor, _content, sealed.segment.path)
            tables = [await self._decode(content.deliveries)]
        spans = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
        await _run(self._compactor, write_parts, self._lake, sealed.segment.id, spans)
        await _run(self._compactor, self._delete_segment, sealed, content)

    def _delete_segment(self, sealed: _Sealed, content: SegmentContent) -> None:
        """Delete a segment whose records are in Parquet; keep a damaged one aside."""
        path = sealed.segment.path
        if content.incomplete_bytes:
            log.warning("segment_incomplete", segment=path.name, bytes=content.incomplete_bytes)
        if content.damaged:
            self._quarantine.add(self._describe(path, "damaged records", content.lost))
        if self._keep_bodies and path.exists():
            path.rename(self._bodies / path.name)
            sync_folder(self._bodies)
        path.unlink(missing_ok=True)
        sync_folder(self._log)
        if sealed in self._sealed:
            self._sealed.remove(sealed)
            sealed.segment.close()

    def _merge_small_files(self) -> None:
        """Merge small files and delete superseded ones, unless another process does it."""
        with exclusive(self._maintenance_lock) as mine:
            if not mine:
                return
            oldest_pending = min(
                (segment_id(path) for path in segments_in(self._log)), default=self._clock()
            )
            for run in mergeable(
                self._lake, parts_in(self._lake), min(oldest_pending, self._clock() - _MERGE_DELAY)
            ):
                self._merge(run)
            self._delete_superseded(parts_in(self._lake))
            delete_stale_drafts(self._lake)

    def _merge(self, run: Sequence[Part]) -> None:
        """Merge adjacent parts; where one is damaged, set it aside and leave the others alone."""
        try:
            merge_parts(self._lake, run)
        except DamagedSpansError as error:
            self._quarantine.add(error.found)

    def _delete_superseded(self, found: Sequence[Part]) -> None:
        """Delete parts that were merged into others, provided that those can be read."""
        kept = without_superseded(found)
        superseded = set(found) - set(kept)
        for part in kept:
            covered = {other for other in superseded if part.supersedes(other)}
            damage = damage_of(part.path(self._lake)) if covered else None
            if damage is None:
                self._delete_if_unread(covered)
            else:
                self._quarantine.add(damage)

    def _delete_if_unread(self, parts: set[Part]) -> None:
        """Delete files unless a reader holds the lock; otherwise a later compaction does."""
        if not parts:
            return
        with exclusive(self._read_lock) as unread:
            if unread:
                for part in parts:
                    part.path(self._lake).unlink(missing_ok=True)


@asynccontextmanager
async def open_span_store(
    directory: Path, decode: Decode, clock: Clock, *, keep_bodies: bool
) -> AsyncIterator[FileSpanStore]:
    """Open the spans of a data directory, which several processes may have open."""
    store = FileSpanStore(directory, decode, clock, keep_bodies=keep_bodies)
    async with shared(directory / USE_LOCK):
        try:
            await asyncio.to_thread(store.prepare)
            yield store
        finally:
            store.close()


def _key(parts: Sequence[Part]) -> str:
    names = "\n".join(f"{part.folder}/{part.first:x}-{part.last:x}" for part in parts)
    return hashlib.sha256(names.encode()).hexdigest()


async def _run(thread: Executor, function: Callable[[Unpack[A]], T], *args: *A) -> T:
    return await asyncio.get_running_loop().run_in_executor(thread, function, *args)


def _content(path: Path) -> SegmentContent:
    """Return what the segment holds.

    Nothing if the segment was already deleted for a caller that was cancelled meanwhile.
    """
    return read_segment(path) if path.exists() else SegmentContent(())
