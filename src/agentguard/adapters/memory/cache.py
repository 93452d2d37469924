"""An in-process cache, bounded in bytes and time."""

from __future__ import annotations

import time
from collections.abc import Callable

from cachetools import TTLCache

from agentguard.coordination.cache import KEPT_SECONDS, MOST_BYTES

_ALL_BYTES = 2 * MOST_BYTES


class MemoryCache:
    """A Cache that evicts the least recently used value first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._values: TTLCache[str, bytes] = TTLCache(
            _ALL_BYTES, KEPT_SECONDS, timer=clock, getsizeof=len
        )

    async def get(self, key: str) -> bytes | None:
        return self._values.get(key)

    async def put(self, key: str, value: bytes) -> None:
        if len(value) > MOST_BYTES:
            self._values.pop(key, None)
        else:
            self._values[key] = value
