"""The rule for what to delete: pure, for every kind of kept data."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """One kept thing."""

    id: str
    created_at: int
    """ns."""
    bytes: int


@dataclass(frozen=True, slots=True)
class Limit:
    """Bounds of one kind of data; None = no bound."""

    age: int | None = None
    """ns. Older items are deleted."""
    number: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What one kind of data occupies."""

    count: int
    bytes: int
    oldest: int | None
    """ns; None if there is nothing, or its time is unknown."""


def usage_of(items: Collection[Item]) -> Usage:
    return Usage(
        len(items),
        sum(item.bytes for item in items),
        min((item.created_at for item in items), default=None),
    )


def expired(
    items: Iterable[Item], limit: Limit, now: int, pinned: Collection[str] = frozenset()
) -> tuple[str, ...]:
    """Return the ids of the items to delete, oldest first.

    Items older than the limit's age go; then the oldest of the rest until number and bytes are
    within the limit. Pinned items stay and do not count: pinning something never deletes something
    else. Among items of one time, the one with the greater id counts as newer.
    """
    free = sorted(
        (item for item in items if item.id not in pinned),
        key=lambda item: (item.created_at, item.id),
        reverse=True,
    )
    kept = sum(1 for _ in _within(free, limit, now))
    return tuple(item.id for item in reversed(free[kept:]))


def _within(newest_first: Iterable[Item], limit: Limit, now: int) -> Iterator[Item]:
    """Yield the items up to the first one beyond a bound."""
    total = 0
    for number, item in enumerate(newest_first, 1):
        total += item.bytes
        if (
            (limit.age is not None and item.created_at < now - limit.age)
            or (limit.number is not None and number > limit.number)
            or (limit.bytes is not None and total > limit.bytes)
        ):
            return
        yield item
