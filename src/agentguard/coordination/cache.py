"""The port to a cache of answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

MOST_BYTES = 32 * 1024 * 1024
"""Maximum size of one value; larger values are not cached."""
KEPT_SECONDS = 3600


class Cache(Protocol):
    """Cached answers by key.

    A key identifies everything that the answer depends on (a graph version, for example), so that
    a cached value is never stale.
    """

    async def get(self, key: str) -> bytes | None:
        """Return exactly the bytes last put under this key.

        Return None if there are none, they expired or the cache is unavailable. Never raises.
        """

    async def put(self, key: str, value: bytes) -> None:
        """Store the value for up to KEPT_SECONDS, best effort; drop values above MOST_BYTES.

        Never raises.
        """


@dataclass(frozen=True, slots=True)
class Layered:
    """A two-level Cache: the near level is read first and filled from the far level."""

    near: Cache
    far: Cache

    async def get(self, key: str) -> bytes | None:
        value = await self.near.get(key)
        if value is None and (value := await self.far.get(key)) is not None:
            await self.near.put(key, value)
        return value

    async def put(self, key: str, value: bytes) -> None:
        await self.near.put(key, value)
        await self.far.put(key, value)
