"""The connection to Redis.

Every command has a timeout. After a failure, no commands are sent for PAUSE_SECONDS.
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
"""Prefix of every key and channel. The number is the version of the stored format: AgentGuard
versions with different numbers do not read each other's data.
"""
PAUSE_SECONDS = 2.0
FAILURES = (RedisError, OSError, TimeoutError, ValueError, TypeError, LookupError)
"""Exceptions of a failed command; the last three occur when the server is not Redis."""
_CONNECTIONS = 32


class RedisUnavailableError(UnavailableError):
    """Redis is unreachable, timed out or returned an error."""

    code = "redis-unavailable"


@dataclass(slots=True)
class Connection:
    """A process's connections to one Redis database, with a circuit breaker."""

    redis: Redis
    database: int
    timeout_seconds: float
    clock: Callable[[], float] = time.monotonic
    _unavailable: bool = field(default=False, init=False)
    _paused_until: float = field(default=0.0, init=False)

    @property
    def paused(self) -> bool:
        """Whether commands are currently rejected without being sent."""
        return self._unavailable and self.clock() < self._paused_until

    async def execute(self, command: Callable[[Redis], Awaitable[T]]) -> T:
        """Return the reply to a command.

        Raise RedisUnavailableError if it fails or times out, and immediately during the pause
        after a failure.
        """
        if self.paused:
            raise RedisUnavailableError(
                f"Redis failed less than {PAUSE_SECONDS:g} s ago; the connection is retried soon."
            )
        if self._unavailable:
            self._pause()  # one caller probes; the others fail fast meanwhile
        return await self._execute(command)

    async def ping(self) -> None:
        """Send PING, even during the pause; raise RedisUnavailableError if it fails."""
        await self._execute(lambda redis: redis.ping())

    async def _execute(self, command: Callable[[Redis], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self.timeout_seconds):
                answer = await command(self.redis)
        except FAILURES as error:
            self._mark_unavailable(error)
            raise RedisUnavailableError(
                f"Redis at {self._address} is unavailable ({_reason(error)}). Check that it is"
                " running and that REDIS_URL is correct."
            ) from error
        self._mark_available()
        return answer

    @property
    def _address(self) -> str:
        options = self.redis.connection_pool.connection_kwargs
        return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"

    def _mark_unavailable(self, error: Exception) -> None:
        if not self._unavailable:
            log.warning(
                "redis_unavailable",
                reason=_reason(error),
                detail="Continuing without the shared cache, rate limits and notices.",
            )
        self._unavailable = True
        self._pause()

    def _mark_available(self) -> None:
        if self._unavailable:
            log.info("redis_available")
        self._unavailable = False

    def _pause(self) -> None:
        self._paused_until = self.clock() + PAUSE_SECONDS


@asynccontextmanager
async def open_connection(url: str, *, timeout_seconds: float) -> AsyncIterator[Connection]:
    """Yield the connection to the database in the URL.

    No command is sent: Redis may be started later.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=timeout_seconds,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        protocol=2,  # sufficient here, supported by older servers, and needs no HELLO
        retry=Retry(NoBackoff(), 1),  # pooled connections are dead after Redis restarts
    )
    async with pool:
        yield Connection(
            Redis(connection_pool=pool), int(pool.connection_kwargs.get("db") or 0), timeout_seconds
        )


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
