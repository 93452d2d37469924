"""A cache of parsed bytes, bounded in bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")

_ENTRY_BYTES = 300
"""Memory of an entry besides its key: the dictionary's slot, the key's head, a short value."""
_LARGEST_SHARE = 16
"""A key larger than this part of the cache is parsed each time: it would displace all others."""


class RecentCache(Generic[V]):
    """Parses bytes, and remembers the results for those used last.

    Entries are in two generations of half the size. Those of the older one that are used again
    move to the younger one; once that is full, it becomes the older one and the rest is forgotten.
    A hit costs one lookup in a dictionary, where exact bookkeeping of the last use costs five
    times as much.
    """

    def __init__(self, parse: Callable[[bytes], V], most_bytes: int) -> None:
        self._parse, self._generation_bytes = parse, most_bytes // 2
        self._largest = most_bytes // _LARGEST_SHARE
        self.clear()

    def __call__(self, raw: bytes) -> V:
        """Return the parsed value; raises what `parse` raises."""
        try:
            return self._young[raw]
        except KeyError:
            value = self._old[raw] if raw in self._old else self._parse(raw)
            self._add(raw, value)
            return value

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())

    def clear(self) -> None:
        """Forget all results."""
        self._young: dict[bytes, V] = {}
        self._old: dict[bytes, V] = {}
        self._young_bytes = 0

    def _add(self, raw: bytes, value: V) -> None:
        size = len(raw) + _ENTRY_BYTES
        if size > self._largest:
            return
        if self._young_bytes + size > self._generation_bytes:
            self._old, self._young, self._young_bytes = self._young, {}, 0
        self._young[raw] = value
        self._young_bytes += size
