"""Rate limits shared through Redis, with the moving window of the library `limits`."""

from __future__ import annotations

import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter

from agentguard.adapters.redis.connection import PREFIX, Connection, RedisUnavailableError
from agentguard.coordination.limits import WINDOW_SECONDS, Quota, RateLimits, until_there_is_room


class RedisRateLimits:
    """RateLimits counted in Redis.

    Timestamps come from the processes' clocks: clock skew between hosts shifts the window.
    """

    def __init__(self, connection: Connection, limit: int, meanwhile: RateLimits) -> None:
        """`meanwhile` counts in this process while Redis is unavailable."""
        self._connection, self._meanwhile = connection, meanwhile
        self._minute = RateLimitItemPerMinute(limit)
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix=f"{PREFIX}limits",
            # Documented by `limits`, but missing in its type annotations.
            connection_pool=connection.redis.connection_pool,  # type: ignore[arg-type]
        )
        self._window = MovingWindowRateLimiter(storage)

    async def admit(self, client: str) -> Quota:
        try:
            return await self._connection.execute(lambda _: self._counted(client))
        except RedisUnavailableError:
            return await self._meanwhile.admit(client)

    async def _counted(self, client: str) -> Quota:
        admitted = await self._window.hit(self._minute, client)
        stats = await self._window.get_window_stats(self._minute, client)
        seconds = until_there_is_room(stats.reset_time - WINDOW_SECONDS, time.time())
        return Quota(admitted, self._minute.amount, stats.remaining if admitted else 0, seconds)
