"""A SpanStore in files.

A log that is synced before the answer, settled into Parquet shortly after.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, TypeVarTuple, Unpack

import pyarrow as pa
import structlog

from agentguard.adapters.files.locks import alone, shared
from agentguard.adapters.files.parts import (
    ParquetSource,
    Part,
    delete_forsaken_drafts,
    merge_parts,
    mergeable,
    parts_in,
    without_superseded,
    write_parts,
)
from agentguard.adapters.files.segments import (
    SUFFIX,
    Segment,
    SegmentWriter,
    adopt,
    read_segment,
    segment_id,
    segments_in,
    sync_folder,
)
from agentguard.kernel.clock import NS_PER_HOUR, NS_PER_SECOND, Clock
from agentguard.traces.errors import StoreUnavailableError
from agentguard.traces.store import Delivery, SpanBatch, Window

T = TypeVar("T")
A = TypeVarTuple("A")

log = structlog.get_logger(__name__)

USE = "spans.lock"
"""Held by each process that has the spans of a data directory open."""
_SEGMENT_BYTES = 64 * 1024 * 1024
_QUIET = 60 * NS_PER_SECOND
"""What was received less than this ago is not merged: another process may be about to begin a
segment of that time.
"""

Decode = Callable[[Sequence[Delivery]], Awaitable[pa.Table]]
"""Returns the usable spans of deliveries that were accepted before."""


@dataclass(slots=True)
class _Sealed:
    """A segment that gets no more records; its spans are at hand unless it was found."""

    segment: Segment
    spans: list[pa.Table] | None


class FileSpanStore:
    """Any number of processes may write: each its own segments, which another adopts if it dies."""

    def __init__(self, directory: Path, decode: Decode, clock: Clock, *, keep_bodies: bool) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._log, self._lake, self._bodies = (
            directory / "log",
            directory / "spans",
            directory / "bodies",
        )
        self._reading, self._keeping = (
            directory / "spans.reading.lock",
            directory / "spans.keeping.lock",
        )
        self._decode, self._clock, self._keep_bodies = decode, clock, keep_bodies
        # All writing to the log happens on this one thread: appending and sealing never overlap.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="agentguard-log")
        # All work on Parquet files and sealed segments on this one: what a cancelled caller left
        # running ends before the next begins.
        self._settler = ThreadPoolExecutor(1, thread_name_prefix="agentguard-settle")
        self._settling = asyncio.Lock()
        self._writer: SegmentWriter | None = None
        self._spans: list[pa.Table] = []
        self._sealed: list[_Sealed] = []

    async def append(self, batch: SpanBatch) -> None:
        try:
            await _run(self._thread, self._append, batch)
        except OSError as error:
            log.exception("append_failed")
            raise StoreUnavailableError(
                f"The spans could not be written to disk ({error.strerror}). Send them again later."
            ) from error

    async def compact(self) -> bool:
        async with self._settling:
            await _run(self._thread, self._seal)
            await _run(self._settler, self._adopt)
            pending = list(self._sealed)
            for sealed in pending:
                await self._settle(sealed)
            await _run(self._settler, self._keep_in_order)
            return bool(pending)

    async def ping(self) -> None:
        await _run(self._thread, self._probe)

    @asynccontextmanager
    async def window(self, received_since: int) -> AsyncIterator[Window]:
        async with shared(self._reading):
            found = without_superseded(await asyncio.to_thread(parts_in, self._lake))
            parts = [
                part for part in found if part.last >= received_since - received_since % NS_PER_HOUR
            ]
            yield Window(tuple(ParquetSource(part.path(self._lake)) for part in parts), _key(parts))

    async def expire(self, received_before: int) -> int:
        async with self._settling:
            return await _run(
                self._settler, self._expire, received_before - received_before % NS_PER_HOUR
            )

    def prepare(self) -> None:
        """Make the folders, and find what a process that died left.

        Segments that are still to be settled.
        """
        for folder in (self._log, self._lake, self._bodies):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._adopt()

    def close(self) -> None:
        self._thread.shutdown()
        self._settler.shutdown()
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
            # after a failed sync nobody knows what the disk holds: nothing more goes into this file
            self._seal()
            raise
        self._spans.append(batch.spans)
        if writer.size > _SEGMENT_BYTES:
            self._seal()

    def _probe(self) -> None:
        """Write to the log's folder as an append would, and leave nothing behind."""
        with tempfile.TemporaryFile(dir=self._log) as probe:
            probe.write(b"agentguard")
            probe.flush()
            os.fsync(probe.fileno())

    def _new_segment(self) -> SegmentWriter:
        """Begin a segment whose id is higher than all there are, whatever the clock says."""
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
            except FileExistsError:  # another process was quicker
                number += 1

    def _seal(self) -> None:
        if self._writer is not None:
            self._sealed.append(_Sealed(self._writer, self._spans))
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

    async def _settle(self, sealed: _Sealed) -> None:
        tables = sealed.spans
        sealed.spans = (
            None  # should this fail, the next attempt reads the log: memory stays bounded
        )
        if tables is None:
            deliveries = await _run(self._settler, _deliveries, sealed.segment.path)
            tables = [await self._decode(deliveries)]
        spans = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
        await _run(self._settler, write_parts, self._lake, sealed.segment.id, spans)
        await _run(self._settler, self._retire, sealed)

    def _retire(self, sealed: _Sealed) -> None:
        path = sealed.segment.path
        if self._keep_bodies and path.exists():
            path.rename(self._bodies / path.name)
            sync_folder(self._bodies)
        path.unlink(missing_ok=True)
        sync_folder(self._log)
        if sealed in self._sealed:
            self._sealed.remove(sealed)
            sealed.segment.close()

    def _keep_in_order(self) -> None:
        """Merge small files and delete what was merged, unless another process is at it."""
        with alone(self._keeping) as mine:
            if not mine:
                return
            waiting = min(
                (segment_id(path) for path in segments_in(self._log)), default=self._clock()
            )
            for run in mergeable(
                self._lake, parts_in(self._lake), min(waiting, self._clock() - _QUIET)
            ):
                merge_parts(self._lake, run)
            found = parts_in(self._lake)
            self._delete_unread(set(found) - set(without_superseded(found)))
            delete_forsaken_drafts(self._lake)

    def _expire(self, hour: int) -> int:
        with alone(self._keeping) as mine:
            if not mine:
                return 0
            _delete([path for path in self._bodies.glob(f"*{SUFFIX}") if segment_id(path) < hour])
            return self._delete_unread({part for part in parts_in(self._lake) if part.last < hour})

    def _delete_unread(self, parts: set[Part]) -> int:
        """Delete files if nobody reads any now; otherwise a later round does."""
        if not parts:
            return 0
        with alone(self._reading) as unread:
            if unread:
                _delete([part.path(self._lake) for part in parts])
            return len(parts) if unread else 0


@asynccontextmanager
async def open_span_store(
    directory: Path, decode: Decode, clock: Clock, *, keep_bodies: bool
) -> AsyncIterator[FileSpanStore]:
    """Open the spans of this data directory, beside other processes that have them open."""
    store = FileSpanStore(directory, decode, clock, keep_bodies=keep_bodies)
    async with shared(directory / USE):
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


def _deliveries(path: Path) -> list[Delivery]:
    """Return the segment's records.

    None if it was retired already, on behalf of a caller that did not wait for it.
    """
    return list(read_segment(path)) if path.exists() else []


def _delete(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
