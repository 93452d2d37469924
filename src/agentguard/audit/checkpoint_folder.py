"""Checkpoints outside the database: files in a folder that an adversary of it cannot rewrite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agentguard.audit.anchoring import OUTCOMES
from agentguard.audit.checkpoints import Checkpoint, SignedCheckpoint
from agentguard.audit.store import AuditLog, StoredCheckpoint
from agentguard.audit.stored_tree import difference
from agentguard.kernel.clock import NS_PER_SECOND
from agentguard.kernel.errors import ConflictError, UnavailableError


@dataclass(frozen=True, slots=True)
class PublishedCheckpoint:
    """A checkpoint in the folder."""

    note: bytes
    time: int
    """When it was written, ns since the epoch."""


class CheckpointFolder(Protocol):
    """A folder of published checkpoints."""

    @property
    def place(self) -> str:
        """The folder, for people."""

    def newest(self) -> PublishedCheckpoint | None:
        """Return the checkpoint of the largest size.

        Raises CheckpointFolderError, AuditFormatError.
        """

    def put(self, size: int, note: bytes) -> None:
        """Write a checkpoint. Durable once this returns; there is never a part of it.

        One that is there with the same text stays as it is. Raises PublishedOtherwiseError if its
        text is another, CheckpointFolderError.
        """


class CheckpointFolderError(UnavailableError):
    """The folder cannot be read or written."""

    code = "checkpoint-folder-unavailable"

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(
            f"The folder {place!r} cannot be used for checkpoints: {reason}. Correct"
            " AGENTGUARD_AUDIT_CHECKPOINT_DIR, or its permissions."
        )


class PublishedOtherwiseError(ConflictError):
    """A published checkpoint is not one of this log, which was rewritten or is another."""

    code = "audit-log-forked"

    def __init__(self, size: int, place: str, problem: str) -> None:
        super().__init__(
            f"The checkpoint of size {size:,} in {place!r} is not one of this log: {problem}. Find"
            " out who changed which; if the log is another on purpose, set"
            " AGENTGUARD_AUDIT_CHECKPOINT_DIR to a new folder. Nothing is published until then."
        )


async def unpublished(
    log: AuditLog, published: PublishedCheckpoint | None, place: str, *, due_before: int
) -> StoredCheckpoint | None:
    """Return the checkpoint to publish now, or None.

    None if the newest published one was written after `due_before` (ns since the epoch), or if only
    outcomes of anchors were added since. Raises PublishedOtherwiseError.
    """
    newest = await log.checkpoint()
    if newest is None:
        return None
    if published is None:
        return newest
    earlier = SignedCheckpoint.parse(published.note).checkpoint
    await _refuse_other(log, SignedCheckpoint.parse(newest.note).checkpoint, earlier, place)
    recent = due_before < published.time
    return None if recent or not await is_news(log, earlier.size, newest.size) else newest


async def is_news(log: AuditLog, first: int, end: int) -> bool:
    """Return whether the log got more than outcomes of anchors between two sizes.

    Otherwise it would be anchored for ever, because of its own anchors.
    """
    return first < end and await log.holds_others(first, end, OUTCOMES)


def due_before(now: int, seconds: float) -> int:
    """Return the time before which something must have happened last for it to be due again."""
    return now - int(seconds * NS_PER_SECOND)


async def _refuse_other(log: AuditLog, newest: Checkpoint, earlier: Checkpoint, place: str) -> None:
    if earlier.origin != newest.origin:
        raise PublishedOtherwiseError(earlier.size, place, f"it is of {earlier.origin!r}")
    if problem := await difference(log, earlier, newest):
        raise PublishedOtherwiseError(earlier.size, place, problem)
