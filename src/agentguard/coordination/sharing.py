"""Reads that concurrent callers share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SharedReads(Generic[T]):
    """Reads once for all callers that ask before the read begins.

    Nobody gets what was read before the call, so an answer is as new as that of an own read.
    """

    _waiting: dict[Hashable, asyncio.Task[T]] = field(default_factory=dict)
    _begun: dict[Hashable, asyncio.Task[T]] = field(default_factory=dict)

    async def of(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """Return what `read` returns, or raise what it raises; equal keys mean equal reads."""
        task = self._waiting.get(key)
        if task is None:
            task = asyncio.create_task(self._read(key, self._begun.get(key), read))
            task.add_done_callback(_forget_failure)
            self._waiting[key] = task
        return await asyncio.shield(task)

    async def _read(
        self, key: Hashable, before: asyncio.Task[T] | None, read: Callable[[], Awaitable[T]]
    ) -> T:
        if before is not None:
            await asyncio.wait([before])
        task = self._begun[key] = self._waiting.pop(key)
        try:
            return await read()
        finally:
            if self._begun.get(key) is task:
                del self._begun[key]


def _forget_failure(task: asyncio.Task[T]) -> None:
    """Nobody is left to hear of it if all callers were cancelled."""
    if not task.cancelled():
        task.exception()
