"""In-process rate limits."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from cachetools import TTLCache

from agentguard.coordination.limits import WINDOW_SECONDS, Quota, until_there_is_room

_MAX_CLIENTS = 10_000
"""Above this number, the least recently active clients are forgotten, which bounds memory."""


class MemoryRateLimits:
    """RateLimits that keep the time of each request per client."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._clock = limit, clock
        self._requests: TTLCache[str, deque[float]] = TTLCache(
            _MAX_CLIENTS, WINDOW_SECONDS + 1, timer=clock
        )

    async def admit(self, client: str) -> Quota:
        now = self._clock()
        requests = self._requests.get(client, deque())
        while requests and requests[0] < now - WINDOW_SECONDS:
            requests.popleft()
        admitted = len(requests) < self._limit
        if admitted:
            requests.append(now)
            self._requests[client] = requests  # assigning again restarts the TTL
        return Quota(
            admitted,
            self._limit,
            self._limit - len(requests),
            until_there_is_room(requests[0], now),
        )
