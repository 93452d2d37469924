"""Retention of the uploads of scan jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agentguard.jobs.model import Job
from agentguard.kernel.clock import NS_PER_SECOND, Clock
from agentguard.retention.policy import Item, Usage, usage_of
from agentguard.scan.jobs import KIND

_MARGIN_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class UploadRetention:
    """A LeftoverFiles: uploads go with their jobs, so this deletes those of dead processes.

    Those of ended jobs go at once. Uploads that unfinished jobs need stay, and so do those that a
    process may still be receiving.
    """

    folder: Path
    unfinished: Callable[[], Awaitable[Iterable[Job]]]
    ended: Callable[[], Awaitable[Iterable[Job]]]
    upload_seconds: float
    """How long receiving an upload may take."""
    clock: Clock
    kind: str = "uploads"

    async def usage(self) -> Usage:
        return await asyncio.to_thread(lambda: usage_of(list(self._items())))

    async def expire(self, now: int) -> int:
        # Files first: a job submitted later needs a file that is not among them.
        items = await asyncio.to_thread(lambda: list(self._items()))
        ended, wanted = _files(await self.ended()), _files(await self.unfinished())
        before = now - int((self.upload_seconds + _MARGIN_SECONDS) * NS_PER_SECOND)
        left = [
            item.id
            for item in items
            if (name := item.id.partition(".")[0]) not in wanted
            and (name in ended or item.created_at < before)
        ]
        await asyncio.to_thread(self._delete, left)
        return len(left)

    async def purge(self, before: int) -> int:  # noqa: ARG002
        return await self.expire(self.clock())

    def _items(self) -> Iterator[Item]:
        for path in self.folder.glob("*"):
            with suppress(FileNotFoundError):  # deleted by another process
                found = path.stat()
                yield Item(path.name, found.st_mtime_ns, found.st_size)

    def _delete(self, names: Iterable[str]) -> None:
        for name in names:
            (self.folder / name).unlink(missing_ok=True)


def _files(jobs: Iterable[Job]) -> set[str]:
    return {str(job.request.get("file")) for job in jobs if job.kind == KIND}
