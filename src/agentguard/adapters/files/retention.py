"""Retention of the span store's files, by any process, whether or not a server has them open."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agentguard.adapters.files.locks import exclusive
from agentguard.adapters.files.parts import Part, parts_in
from agentguard.adapters.files.quarantine import Quarantine
from agentguard.adapters.files.segments import adopt, segment_id, segments_in
from agentguard.kernel.clock import NS_PER_HOUR
from agentguard.kernel.errors import UnavailableError
from agentguard.retention.policy import Item, Limit, Usage, expired, usage_of

READ_LOCK = "spans.reading.lock"
"""Held shared by readers of Parquet files."""
MAINTENANCE_LOCK = "spans.keeping.lock"
"""Held by the process that merges or deletes files."""
_PURGE_SECONDS = 60.0
"""How long a purge waits for readers."""
_PAUSE_SECONDS = 0.05


class SpansInUseError(UnavailableError):
    """Spans are being read without a pause."""

    code = "spans-in-use"

    def __init__(self) -> None:
        super().__init__(
            "The spans are in use by a server that computes a graph. Nothing of them was deleted."
            " Try again in a moment."
        )


@dataclass(frozen=True, slots=True)
class SpanRetention:
    """A RetainedFiles: Parquet files of spans, as old as their newest delivery.

    Age is rounded to the hour, so that a trace received within an hour goes as a whole.
    """

    directory: Path
    limit: Limit
    kind: str = "spans"

    async def usage(self) -> Usage:
        return await asyncio.to_thread(lambda: usage_of(list(_items(self._parts()))))

    async def expire(self, now: int) -> int:
        return await asyncio.to_thread(self._expire, self.limit, now) or 0

    async def purge(self, before: int) -> int:
        """Delete spans received before this time, except those of its own hour."""
        latest = time.monotonic() + _PURGE_SECONDS
        while (deleted := await asyncio.to_thread(self._expire, Limit(age=0), before)) is None:
            if time.monotonic() > latest:
                raise SpansInUseError
            await asyncio.sleep(_PAUSE_SECONDS)
        return deleted

    def _parts(self) -> dict[Path, Part]:
        lake = self.directory / "spans"
        return {part.path(lake): part for part in parts_in(lake)}

    def _expire(self, limit: Limit, now: int) -> int | None:
        """Delete what exceeds the limit; return None if another process uses the files."""
        if not self.directory.joinpath("spans").exists():
            return 0
        with exclusive(self.directory / MAINTENANCE_LOCK) as mine:
            return self._delete_unread(limit, now) if mine else None

    def _delete_unread(self, limit: Limit, now: int) -> int | None:
        gone = expired(_items(self._parts()), limit, _whole_hours(limit, now))
        if not gone:
            return 0
        with exclusive(self.directory / READ_LOCK) as unread:
            return _delete(map(Path, gone)) if unread else None


@dataclass(frozen=True, slots=True)
class _FileRetention(ABC):
    """A RetainedFiles: files of one kind that go one by one."""

    directory: Path
    limit: Limit

    async def usage(self) -> Usage:
        return await asyncio.to_thread(lambda: usage_of(list(self._items())))

    async def expire(self, now: int) -> int:
        return await asyncio.to_thread(self._expire, self.limit, now)

    async def purge(self, before: int) -> int:
        return await asyncio.to_thread(self._expire, Limit(age=0), before)

    @abstractmethod
    def _items(self) -> Iterator[Item]: ...

    @abstractmethod
    def _expire(self, limit: Limit, now: int) -> int:
        """Delete what exceeds the limit; return the number of deleted items."""


@dataclass(frozen=True, slots=True)
class BodyRetention(_FileRetention):
    """Received request bodies, kept where the settings ask for it."""

    kind: str = "bodies"

    def _items(self) -> Iterator[Item]:
        return _segments(self.directory / "bodies")

    def _expire(self, limit: Limit, now: int) -> int:
        return _delete(map(Path, expired(self._items(), limit, _whole_hours(limit, now))))


@dataclass(frozen=True, slots=True)
class QuarantineRetention(_FileRetention):
    """Damaged and foreign files, as old as their discovery."""

    kind: str = "quarantine"

    def _items(self) -> Iterator[Item]:
        for found in Quarantine(self.directory).files():
            yield Item(str(found.quarantined_as), found.found_at, found.bytes)

    def _expire(self, limit: Limit, now: int) -> int:
        gone = expired(self._items(), limit, now)
        Quarantine(self.directory).delete(gone)
        return len(gone)


@dataclass(frozen=True, slots=True)
class LogRetention:
    """A RetainedFiles: segments of the write-ahead log, which compaction deletes in any case.

    Only a purge deletes any here: those that a dead process left.
    """

    directory: Path
    kind: str = "receive_log"

    async def usage(self) -> Usage:
        return await asyncio.to_thread(lambda: usage_of(list(_segments(self.directory / "log"))))

    async def expire(self, now: int) -> int:  # noqa: ARG002
        return 0

    async def purge(self, before: int) -> int:
        return await asyncio.to_thread(self._purge, before)

    def _purge(self, before: int) -> int:
        """Delete segments that were last written before, and whose owner is dead."""
        deleted = 0
        for path in segments_in(self.directory / "log"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime_ns < before and (left := adopt(path)) is not None:
                    deleted += _delete([path])
                    left.close()
        return deleted


def _items(parts: dict[Path, Part]) -> Iterator[Item]:
    for path, part in parts.items():
        with suppress(FileNotFoundError):  # merged by another process
            yield Item(str(path), part.last, path.stat().st_size)


def _segments(folder: Path) -> Iterator[Item]:
    for path in segments_in(folder):
        with suppress(FileNotFoundError):  # compacted by another process
            yield Item(str(path), segment_id(path), path.stat().st_size)


def _whole_hours(limit: Limit, now: int) -> int:
    """Return the time at which the limit's age ends at a full hour."""
    age = limit.age or 0
    return now - (now - age) % NS_PER_HOUR


def _delete(paths: Iterable[Path]) -> int:
    deleted = 0
    for path in paths:
        path.unlink(missing_ok=True)
        deleted += 1
    return deleted
