"""Shared and exclusive file locks, which the kernel releases when their holder dies (flock(2))."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

_PAUSE_SECONDS = 0.01


def try_lock(handle: int) -> bool:
    """Lock an open file exclusively without waiting; return whether that succeeded."""
    return _locked(handle, fcntl.LOCK_EX)


def try_shared_lock(handle: int) -> bool:
    """Lock an open file without waiting, unless it is locked exclusively; return the success."""
    return _locked(handle, fcntl.LOCK_SH)


@asynccontextmanager
async def shared(path: Path) -> AsyncIterator[None]:
    """Hold a shared lock, waiting while it is held exclusively."""
    with _opened(path) as handle:
        # flock(2) gives no notification when another process releases the lock.
        while not _locked(handle, fcntl.LOCK_SH):  # noqa: ASYNC110
            await asyncio.sleep(_PAUSE_SECONDS)
        yield


@contextmanager
def exclusive(path: Path) -> Iterator[bool]:
    """Try to hold the lock exclusively without waiting; yield whether that succeeded."""
    with _opened(path) as handle:
        yield try_lock(handle)


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Hold the lock exclusively, blocking until it is free: for short work in a thread."""
    with _opened(path) as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield handle
    finally:
        os.close(handle)


def _locked(handle: int, kind: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
        return True
    return False
