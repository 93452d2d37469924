"""The rate limits of one process."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from cachetools import TTLCache

from agentguard.coordination.limits import WINDOW_SECONDS, Quota, until_there_is_room

_MOST_CLIENTS = 10_000
"""Of more than these, the ones that asked longest ago are forgotten: memory must not grow with
strangers.
"""


class MemoryRateLimits:
    """RateLimits with the time of each request, by client."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._clock = limit, clock
        self._requests: TTLCache[str, deque[float]] = TTLCache(
            _MOST_CLIENTS, WINDOW_SECONDS + 1, timer=clock
        )

    async def admit(self, client: str) -> Quota:
        now = self._clock()
        requests = self._requests.get(client, deque())
        while requests and requests[0] < now - WINDOW_SECONDS:
            requests.popleft()
        admitted = len(requests) < self._limit
        if admitted:
            requests.append(now)
            self._requests[client] = requests  # put anew, its minute begins again
        return Quota(
            admitted,
            self._limit,
            self._limit - len(requests),
            until_there_is_room(requests[0], now),
        )
