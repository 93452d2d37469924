"""The port to a cache of answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

MOST_BYTES = 32 * 1024 * 1024
"""Of one value; what is larger is not kept."""
KEPT_SECONDS = 3600


class Cache(Protocol):
    """Answers by key.

    A key names all that the answer follows from (a graph's version, say), so that what is found is
    never stale.
    """

    async def get(self, key: str) -> bytes | None:
        """Return exactly the bytes that were put there last, or None.

        Nothing was, it is gone, or the cache is away. Never raises.
        """

    async def put(self, key: str, value: bytes) -> None:
        """Keep this for a while, if possible: what is too large is not kept, what is old goes.

        Never raises.
        """


@dataclass(frozen=True, slots=True)
class Layered:
    """A Cache in front of another one.

    The near one is asked first, and keeps what the far one had.
    """

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
