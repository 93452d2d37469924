"""The port to the outbox: what must follow a transaction, written in the same transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from agentguard.kernel.clock import NS_PER_SECOND

MOST_AHEAD = 600 * NS_PER_SECOND
"""No claim or pause is longer (ns): a time further ahead is of a clock that was set back."""


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One thing to do after a transaction; times in ns."""

    id: int
    topic: str
    """Names the handler."""
    key: str
    """Entries of one topic and key are handled one after the other, in the order of writing."""
    payload: Mapping[str, Any]
    attempts: int
    """How often it was claimed; a claim with an outdated number is void."""
    claimed_until: int | None
    """The end of the claim of the process that handles it; None while nobody does."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Entries that are not handled yet, of every topic."""

    count: int
    bytes: int
    oldest: int | None
    """ns; None if there is none."""


class Outbox(Protocol):
    """Entries that wait for their handlers; every method runs in the caller's transaction."""

    async def put(self, topic: str, key: str, payload: Mapping[str, Any]) -> None:
        """Add an entry that is due now.

        Where an unclaimed one of the same topic and key waits, its payload is replaced instead: a
        payload is the newest state of its key, so one entry is enough however long it waits.
        """

    async def due(self, topics: Collection[str], now: int) -> OutboxEntry | None:
        """Return the oldest entry that may be claimed now, or None.

        It is due, nobody's claim holds it, and no older entry has its topic and key.
        """

    async def claim(self, entry: OutboxEntry, *, now: int, until: int) -> OutboxEntry | None:
        """Claim the entry until then; return None if another process claimed it first."""

    async def extend(self, claimed: OutboxEntry, until: int) -> bool:
        """Prolong the claim; return False, and change nothing, if the claim is void."""

    async def remove(self, claimed: OutboxEntry) -> bool:
        """Delete a handled entry; return False, and change nothing, if the claim is void."""

    async def postpone(self, claimed: OutboxEntry, due_at: int) -> bool:
        """Give up the claim until then; return False, and change nothing, if the claim is void."""

    async def waiting(self, topics: Collection[str]) -> tuple[OutboxEntry, ...]:
        """Return every entry of these topics that is not handled yet, oldest first."""

    async def backlog(self) -> Backlog:
        """Return what the entries that are not handled yet occupy."""


class OutboxStores(Protocol):
    """What dispatching needs."""

    @property
    def outbox(self) -> Outbox: ...
