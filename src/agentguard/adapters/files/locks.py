"""Locks on files, held by many or by one.

The system lets go of them when their holder dies (flock(2)).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

_PAUSE_SECONDS = 0.01


def take(handle: int) -> bool:
    """Lock an open file for this handle alone; return whether that was possible."""
    return _locked(handle, fcntl.LOCK_EX)


@asynccontextmanager
async def shared(path: Path) -> AsyncIterator[None]:
    """Hold the lock together with others, waiting while one holds it alone."""
    with _opened(path) as handle:
        # another process lets go, and tells nobody
        while not _locked(handle, fcntl.LOCK_SH):  # noqa: ASYNC110
            await asyncio.sleep(_PAUSE_SECONDS)
        yield


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Hold the lock alone, if nobody holds it now: gives whether that was possible."""
    with _opened(path) as handle:
        yield take(handle)


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
