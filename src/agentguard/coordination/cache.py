"""The port to a cache of answers."""

from __future__ import annotations

from typing import Protocol


class Cache(Protocol):
    """Answers by key. A key names all that the answer follows from (a graph's version, say), so that what is found is never stale."""

    async def get(self, key: str) -> bytes | None:
        """Return what was put there, or None: it was never put, is gone, or the cache is away. Never raises."""

    async def put(self, key: str, value: bytes) -> None:
        """Keep this for a while, if possible. Never raises."""
