"""Caches, limits and notices as processes have them.

Every call opens what one more process would.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from agentguard.adapters.memory.cache import MemoryCache
from agentguard.adapters.memory.limits import MemoryRateLimits
from agentguard.adapters.memory.notices import MemoryNotices
from agentguard.adapters.redis.cache import RedisCache
from agentguard.adapters.redis.connection import Connection, open_connection
from agentguard.adapters.redis.limits import RedisRateLimits
from agentguard.adapters.redis.notices import RedisNotices
from agentguard.coordination.cache import Cache, Layered
from agentguard.coordination.limits import RateLimits
from agentguard.coordination.notices import Notices

PATIENT = 20.0
"""Seconds that Redis may take where it is there: the machine may be busy with other tests."""


@dataclass
class Clock:
    """A clock that a test moves."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Processes:
    """Opens what a process has, on one Redis or on none; all is closed with the stack."""

    stack: AsyncExitStack
    url: str | None
    clock: Clock = field(default_factory=Clock)
    timeout_seconds: float = PATIENT
    connections: list[Connection] = field(default_factory=list)

    async def cache(self, *, layered: bool = False) -> Cache:
        near = MemoryCache(self.clock)
        if self.url is None:
            return near
        far = RedisCache(await self._connection())
        return Layered(near, far) if layered else far

    async def limits(self, limit: int) -> RateLimits:
        own = MemoryRateLimits(limit, self.clock)
        return own if self.url is None else RedisRateLimits(await self._connection(), limit, own)

    async def notices(self) -> Notices:
        if self.url is None:
            return MemoryNotices()
        connection = await self._connection()
        notices = RedisNotices(connection, MemoryNotices())
        await self.stack.enter_async_context(_running(notices.follow))
        return notices

    async def _connection(self) -> Connection:
        assert self.url is not None
        connection = await self.stack.enter_async_context(
            open_connection(self.url, timeout_seconds=self.timeout_seconds)
        )
        self.connections.append(connection)
        return connection


@asynccontextmanager
async def processes(url: str | None, **how: Any) -> AsyncIterator[Processes]:
    async with AsyncExitStack() as stack:
        yield Processes(stack, url, **how)


def drive_redis_limits(monkeypatch: pytest.MonkeyPatch, clock: Callable[[], float]) -> None:
    """Let the library that counts in Redis, and what reads its counts, go by a test's clock."""
    for module in ("limits.aio.storage.redis.redispy", "agentguard.adapters.redis.limits"):
        monkeypatch.setattr(f"{module}.time", SimpleNamespace(time=clock))


@asynccontextmanager
async def _running(loop: Callable[[], Any]) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(loop())
        try:
            yield
        finally:
            task.cancel()
