"""The connection to Redis.

Every question has a timeout, and after a failure there is a pause in which nothing is asked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from agentguard.kernel.errors import UnavailableError

log = structlog.get_logger(__name__)

T = TypeVar("T")

PREFIX = "agentguard:1:"
"""Before every key and channel. The number changes with the form of what stands behind them:
versions that differ in it do not meet.
"""
PAUSE_SECONDS = 2.0
FAILURES = (RedisError, OSError, TimeoutError, ValueError, TypeError, LookupError)
"""What a question to Redis may end with; the last three where something else answers in its place.
"""
_CONNECTIONS = 32


class RedisAwayError(UnavailableError):
    """Redis gives no answer."""

    code = "redis-away"


@dataclass(slots=True)
class Connection:
    """One process's connections to one database of Redis, and whether it is worth asking now."""

    redis: Redis
    database: int
    timeout_seconds: float
    clock: Callable[[], float] = time.monotonic
    _away: bool = field(default=False, init=False)
    _paused_until: float = field(default=0.0, init=False)

    @property
    def paused(self) -> bool:
        """Whether nothing is asked now."""
        return self._away and self.clock() < self._paused_until

    async def ask(self, question: Callable[[Redis], Awaitable[T]]) -> T:
        """Return Redis's answer.

        Raise RedisAwayError where it does not come in time, and during the pause that follows, at
        once.
        """
        if self.paused:
            raise RedisAwayError("Redis did not answer a moment ago; it is asked again soon.")
        if self._away:
            self._pause()  # one asks whether it is back, and the others need not wait with it
        return await self._ask(question)

    async def ping(self) -> None:
        """Ask whether it answers, pause or not; raise RedisAwayError where it does not."""
        await self._ask(lambda redis: redis.ping())

    async def _ask(self, question: Callable[[Redis], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self.timeout_seconds):
                answer = await question(self.redis)
        except FAILURES as error:
            self._left(error)
            raise RedisAwayError(
                f"Redis does not answer: {_reason(error)}. Check REDIS_URL, and that it runs."
            ) from error
        self._came_back()
        return answer

    def _left(self, error: Exception) -> None:
        if not self._away:
            log.warning(
                "redis_away", reason=_reason(error), detail="Work goes on without it, more slowly."
            )
        self._away = True
        self._pause()

    def _came_back(self) -> None:
        if self._away:
            log.info("redis_back")
        self._away = False

    def _pause(self) -> None:
        self._paused_until = self.clock() + PAUSE_SECONDS


@asynccontextmanager
async def open_connection(url: str, *, timeout_seconds: float) -> AsyncIterator[Connection]:
    """Give the connection to the database that the URL names.

    Nothing is asked yet: Redis may come later.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=timeout_seconds,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        protocol=2,  # says all that is needed, also with older servers, and connects in fewer steps
        retry=Retry(
            NoBackoff(), 1
        ),  # after a restart of Redis the connections in the pool are dead, and a new one works
    )
    async with pool:
        yield Connection(
            Redis(connection_pool=pool), int(pool.connection_kwargs.get("db") or 0), timeout_seconds
        )


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
