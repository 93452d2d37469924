"""Publishes a log as static files (C2SP tlog-tiles): hashes and checkpoint, never entries."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from agentguard.audit.checkpoints import Checkpoint, SignedCheckpoint
from agentguard.audit.errors import HashMissingError
from agentguard.audit.keys import VerifierKey
from agentguard.audit.monitor import LogSource, shown_root
from agentguard.audit.sequencing import DamagedLogError
from agentguard.audit.service import AuditService
from agentguard.audit.tiles import CHECKPOINT_PATH, KEY_PATH, Tile, handover_path, tiles
from agentguard.kernel.errors import ConflictError

_AT_ONCE = 100
"""Tiles that are read per transaction."""


class LogTarget(LogSource, Protocol):
    """A place that log files are written to."""

    def write(self, path: str, content: bytes) -> None:
        """Create or replace a file: whole or not at all, and durable once this returns."""


class OtherLogPublishedError(ConflictError):
    """The target holds what this log does not extend."""

    code = "other-log-published"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The folder holds a log that this one does not extend: {reason}. Run `agentguard audit"
            " fsck`, or choose an empty folder."
        )


@dataclass(frozen=True, slots=True)
class Published:
    """What has been published."""

    size: int
    """Entries that the published log covers."""
    written: int
    """Files that are new."""


@dataclass(frozen=True, slots=True)
class Publisher:
    """Publishes what is new, the checkpoint last: a reader always finds what it names."""

    audit: AuditService
    target: LogTarget
    key: VerifierKey

    async def publish(self) -> Published:
        """Publish the log up to its newest checkpoint.

        Raises UnknownCheckpointError, OtherLogPublishedError; DamagedLogError if the tiles are not
        those of the checkpoint.
        """
        newest = await self.audit.published()
        checkpoint = SignedCheckpoint.parse(newest.note).checkpoint
        before = await asyncio.to_thread(self._before)
        since = await self._extended(before, checkpoint)
        written = await self._write_tiles(checkpoint.size, since)
        if await asyncio.to_thread(shown_root, self.target, newest.size) != checkpoint.root:
            raise DamagedLogError(newest.size)
        notes = enumerate(await self.audit.handovers())
        last = {handover_path(number): note for number, note in notes}
        last |= {KEY_PATH: f"{self.key.encode()}\n".encode(), CHECKPOINT_PATH: newest.note}
        written += await asyncio.to_thread(self._write, last)
        return Published(newest.size, written)

    def _before(self) -> Checkpoint | None:
        try:
            return SignedCheckpoint.parse(self.target.read(CHECKPOINT_PATH)).checkpoint
        except HashMissingError:
            return None

    async def _extended(self, before: Checkpoint | None, newest: Checkpoint) -> int:
        """Return the size of what is published, which the log must extend."""
        if before is None or before.size == 0:
            return 0
        if before.origin != newest.origin:
            raise OtherLogPublishedError(f"it is {before.origin!r}, this is {newest.origin!r}")
        if problem := await self.audit.difference(before, newest):
            raise OtherLogPublishedError(problem)
        return before.size

    async def _write_tiles(self, size: int, since: int) -> int:
        written = 0
        for group in _groups(tiles(size, since=since)):
            contents = await self.audit.tiles(group)
            files = {tile.path: content for tile, content in contents.items()}
            written += await asyncio.to_thread(self._write, files)
        return written

    def _write(self, files: Mapping[str, bytes]) -> int:
        """Write files that differ, in this order; return how many that were."""
        new = {path: content for path, content in files.items() if self._differs(path, content)}
        for path, content in new.items():
            self.target.write(path, content)
        return len(new)

    def _differs(self, path: str, content: bytes) -> bool:
        try:
            return self.target.read(path) != content
        except HashMissingError:
            return True


def _groups(every: Iterator[Tile]) -> Iterator[Sequence[Tile]]:
    while group := list(islice(every, _AT_ONCE)):
        yield group
