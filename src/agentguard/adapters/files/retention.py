"""Retention of the span store's files, by any process, whether or not a server has them open."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
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

    @asynccontextmanager
    async def expiring(self, now: int) -> AsyncIterator[tuple[Item, ...]]:
        with ExitStack() as held:
            found = await asyncio.to_thread(self._selected, held, self.limit, now)
            yield found or ()

    @asynccontextmanager
    async def purging(self, before: int) -> AsyncIterator[tuple[Item, ...]]:
        """Select spans received before this time, except those of its own hour."""
        latest = time.monotonic() + _PURGE_SECONDS
        while True:
            with ExitStack() as held:
                found = await asyncio.to_thread(self._selected, held, Limit(age=0), before)
                if found is not None:
                    yield found
                    return
            if time.monotonic() > latest:
                raise SpansInUseError
            await asyncio.sleep(_PAUSE_SECONDS)

    async def delete(self, selected: Sequence[Item]) -> None:
        await asyncio.to_thread(_delete, selected)

    def _parts(self) -> dict[Path, Part]:
        lake = self.directory / "spans"
        return {part.path(lake): part for part in parts_in(lake)}

    def _selected(self, held: ExitStack, limit: Limit, now: int) -> tuple[Item, ...] | None:
        """Return what exceeds the limit, locked; None if another process uses the files."""
        if not self.directory.joinpath("spans").exists():
            return ()
        if not held.enter_context(exclusive(self.directory / MAINTENANCE_LOCK)):
            return None
        found = _exceeding(_items(self._parts()), limit, _whole_hours(limit, now))
        if not found:
            return ()
        return found if held.enter_context(exclusive(self.directory / READ_LOCK)) else None


@dataclass(frozen=True, slots=True)
class _FileRetention(ABC):
    """A RetainedFiles: files of one kind that go one by one."""

    directory: Path
    limit: Limit

    async def usage(self) -> Usage:
        return await asyncio.to_thread(lambda: usage_of(list(self._items())))

    @asynccontextmanager
    async def expiring(self, now: int) -> AsyncIterator[tuple[Item, ...]]:
        yield await asyncio.to_thread(self._selected, self.limit, now)

    @asynccontextmanager
    async def purging(self, before: int) -> AsyncIterator[tuple[Item, ...]]:
        yield await asyncio.to_thread(self._selected, Limit(age=0), before)

    @abstractmethod
    async def delete(self, selected: Sequence[Item]) -> None: ...

    @abstractmethod
    def _items(self) -> Iterator[Item]: ...

    @abstractmethod
    def _selected(self, limit: Limit, now: int) -> tuple[Item, ...]:
        """Return what exceeds the limit."""


@dataclass(frozen=True, slots=True)
class BodyRetention(_FileRetention):
    """Received request bodies, kept where the settings ask for it."""

    kind: str = "bodies"

    async def delete(self, selected: Sequence[Item]) -> None:
        await asyncio.to_thread(_delete, selected)

    def _items(self) -> Iterator[Item]:
        return _segments(self.directory / "bodies")

    def _selected(self, limit: Limit, now: int) -> tuple[Item, ...]:
        return _exceeding(self._items(), limit, _whole_hours(limit, now))


@dataclass(frozen=True, slots=True)
class QuarantineRetention(_FileRetention):
    """Damaged and foreign files, as old as their discovery."""

    kind: str = "quarantine"

    async def delete(self, selected: Sequence[Item]) -> None:
        names = [item.id for item in selected]
        await asyncio.to_thread(Quarantine(self.directory).delete, names)

    def _items(self) -> Iterator[Item]:
        for found in Quarantine(self.directory).files():
            yield Item(str(found.quarantined_as), found.found_at, found.bytes)

    def _selected(self, limit: Limit, now: int) -> tuple[Item, ...]:
        return _exceeding(self._items(), limit, now)


@dataclass(frozen=True, slots=True)
class LogRetention:
    """A RetainedFiles: segments of the write-ahead log, which compaction deletes in any case.

    Only a purge deletes any here: those that a dead process left.
    """

    directory: Path
    kind: str = "receive_log"

    async def usage(self) -> Usage:
        return await asyncio.to_thread(lambda: usage_of(list(_segments(self.directory / "log"))))

    @asynccontextmanager
    async def expiring(self, now: int) -> AsyncIterator[tuple[Item, ...]]:  # noqa: ARG002
        yield ()

    @asynccontextmanager
    async def purging(self, before: int) -> AsyncIterator[tuple[Item, ...]]:
        with ExitStack() as held:
            yield await asyncio.to_thread(self._selected, held, before)

    async def delete(self, selected: Sequence[Item]) -> None:
        await asyncio.to_thread(_delete, selected)

    def _selected(self, held: ExitStack, before: int) -> tuple[Item, ...]:
        """Return segments that were last written before, and whose owner is dead."""
        found = []
        for path in segments_in(self.directory / "log"):
            with suppress(FileNotFoundError):
                stat = path.stat()
                if stat.st_mtime_ns < before and (left := adopt(path)) is not None:
                    held.callback(left.close)
                    found.append(Item(str(path), segment_id(path), stat.st_size))
        return tuple(found)


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


def _exceeding(items: Iterable[Item], limit: Limit, now: int) -> tuple[Item, ...]:
    """Return the items to delete, oldest first."""
    by_id = {item.id: item for item in items}
    return tuple(by_id[each] for each in expired(by_id.values(), limit, now))


def _delete(selected: Iterable[Item]) -> None:
    for item in selected:
        Path(item.id).unlink(missing_ok=True)
