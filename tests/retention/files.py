"""Deletes files as housekeeping and a purge do, without entering it."""

from __future__ import annotations

from agentguard.retention.retained import RetainedFiles


async def expired(files: RetainedFiles, now: int) -> int:
    """Delete what exceeds the limits; return the number of files."""
    async with files.expiring(now) as selected:
        await files.delete(selected)
    return len(selected)


async def purged(files: RetainedFiles, before: int) -> int:
    """Delete what was made before this time; return the number of files."""
    async with files.purging(before) as selected:
        await files.delete(selected)
    return len(selected)
