"""When spans were deleted, as the audit log tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from agentguard.audit.canonical import parse_canonical_json
from agentguard.audit.entries import Entry
from agentguard.audit.service import Page
from agentguard.audit.store import EXPIRED, EntryFilter, StoredEntry
from agentguard.kernel.clock import NS_PER_SECOND

PURGED = "data.purged"
"""Action of the entries about purges; see retention.service."""
SPANS = "spans"
"""The kind of the stored spans; see adapters.files.retention."""
_MOST = 200
"""Entries of each action that are read, the newest first."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """A deletion of spans."""

    at: int
    """ns."""
    received_until: int
    """ns; to the microsecond: the newest of the deleted spans were received then or before."""


class Entries(Protocol):
    """Lists audit entries; see audit.service.AuditService."""

    async def entries(self, wanted: EntryFilter, limit: int) -> Page:
        """Return the newest entries that match."""


@dataclass(frozen=True, slots=True)
class ExpiryLog:
    """The deletions of spans that the audit log has, expiries as well as purges."""

    audit: Entries

    async def expiries(self) -> tuple[Expiry, ...]:
        """Return the deletions of spans that are known, the newest first; the last few hundred.

        Those whose payload was removed are left out.
        """
        expired = await self.audit.entries(EntryFilter(action=EXPIRED, object=SPANS), _MOST)
        purged = await self.audit.entries(EntryFilter(action=PURGED), _MOST)
        found = [*_expiries(expired, "newest"), *_expiries(purged, "before")]
        return tuple(sorted(found, key=lambda expiry: expiry.at, reverse=True))


def _expiries(page: Page, until: str) -> Iterator[Expiry]:
    for stored in page.entries:
        if (time := _told(stored, until)) is not None:
            yield Expiry(Entry.parse(stored.leaf).time_ns, time)


def _told(stored: StoredEntry, until: str) -> int | None:
    """Return the time that an entry about deleted spans tells."""
    payload = None if stored.payload is None else parse_canonical_json(stored.payload, "payload")
    if not isinstance(payload, dict) or payload.get(SPANS) == 0:
        return None
    told = payload.get(until)
    return _nanoseconds(told) if isinstance(told, str) else None


def _nanoseconds(written: str) -> int | None:
    """Return a timestamp of `kernel.clock.timestamp`, to the microsecond."""
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return None
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * NS_PER_SECOND + since.microseconds * 1000
