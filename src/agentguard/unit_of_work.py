"""The port to transactions over all stores in the database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

S_co = TypeVar("S_co", covariant=True)
T = TypeVar("T")


class UnitOfWork(Protocol[S_co]):
    """Transactions over the stores `S_co`.

    Each service declares the stores it needs as a small Protocol of read-only properties. The
    stores belong to the transaction: use them in `work` only. Raises UnavailableError where the
    database is unreachable.
    """

    async def run(self, work: Callable[[S_co], Awaitable[T]]) -> T:
        """Run `work` in one serialisable transaction and return its result, durable.

        `work` may run again after a serialisation failure: it reads, decides and writes through
        these stores, and does nothing else. Slow work comes before it; what must follow goes
        through the outbox. If `work` raises, nothing of it is kept. Cancelled, the transaction may
        have been committed or not.
        """

    async def read(self, work: Callable[[S_co], Awaitable[T]]) -> T:
        """Run `work` on one consistent snapshot and return its result; `work` must not write."""
