"""Refused requests, counted by source and minute, so that strangers can fill no log."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from agentguard.accounts.principal import system_principal
from agentguard.audit.entries import Actor, Event
from agentguard.audit.recording import AuditTrail
from agentguard.audit.store import AuditStores
from agentguard.kernel.clock import NS_PER_SECOND, Clock, timestamp
from agentguard.kernel.errors import AgentGuardError
from agentguard.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)

MOST_SOURCES = 8
"""Per minute and process; further ones are counted together."""
OTHERS = "others"
_MOST_COUNTS = 500
"""In memory, while the database is unreachable; further refusals are counted together."""
_MINUTE = 60 * NS_PER_SECOND
_ANY_MINUTE = -1
_LONGEST_SOURCE = 64
_PAUSE_SECONDS = 60.0


@dataclass(slots=True)
class RefusalCount:
    """The refusals of one source in one minute; times in ns since the epoch."""

    source: str
    first: int
    last: int
    reasons: Counter[str] = field(default_factory=Counter)
    routes: Counter[str] = field(default_factory=Counter)

    def with_later(self, later: RefusalCount) -> RefusalCount:
        """Return both counts as one."""
        reasons, routes = self.reasons + later.reasons, self.routes + later.routes
        return RefusalCount(self.source, self.first, later.last, reasons, routes)

    def event(self) -> Event:
        """Return the entry: the address is in the payload, which can be removed."""
        who = system_principal("access")
        facts: Mapping[str, object] = {
            "source": self.source,
            "number": self.reasons.total(),
            "reasons": dict(self.reasons),
            "routes": dict(self.routes),
            "first": timestamp(self.first),
            "last": timestamp(self.last),
        }
        return Event(Actor(who.id, str(who.kind)), "access.refused", payload=facts)


@dataclass(slots=True)
class RefusedAccess:
    """Counts refusals in memory; its size is bounded, whatever is sent."""

    clock: Clock
    _counts: dict[tuple[int, str], RefusalCount] = field(default_factory=dict)

    def note(self, source: str, reason: str, route: str) -> None:
        """Count a refused request by its address; `reason` and `route` are of few kinds."""
        now = self.clock()
        key = self._key(now // _MINUTE, source[:_LONGEST_SOURCE])
        count = self._counts.setdefault(key, RefusalCount(key[1], now, now))
        count.last = now
        count.reasons[reason] += 1
        count.routes[route] += 1

    def take(self, *, unfinished: bool = False) -> dict[tuple[int, str], RefusalCount]:
        """Remove and return the counts of past minutes; with `unfinished` also of this one."""
        this = self.clock() // _MINUTE
        taken = {key: count for key, count in self._counts.items() if unfinished or key[0] != this}
        for key in taken:
            del self._counts[key]
        return taken

    def put_back(self, taken: Mapping[tuple[int, str], RefusalCount]) -> None:
        """Keep counts that could not be stored, for the next attempt."""
        for key, count in taken.items():
            newer = self._counts.get(key)
            self._counts[key] = count if newer is None else count.with_later(newer)

    def _key(self, minute: int, source: str) -> tuple[int, str]:
        if (minute, source) in self._counts:
            return minute, source
        if len(self._counts) >= _MOST_COUNTS:
            return _ANY_MINUTE, OTHERS
        of_minute = sum(1 for known, name in self._counts if known == minute and name != OTHERS)
        return (minute, source if of_minute < MOST_SOURCES else OTHERS)


@dataclass(slots=True)
class RefusalLoop:
    """Enters each minute's refusals of this process."""

    refused: RefusedAccess
    unit_of_work: UnitOfWork[AuditStores]
    trail: AuditTrail = field(default_factory=AuditTrail)

    async def run(self) -> None:
        """Work until cancelled; then enter what is left."""
        try:
            while True:
                await asyncio.sleep(_PAUSE_SECONDS)
                await self._enter()
        finally:
            await asyncio.shield(self._enter(unfinished=True))

    async def enter(self, *, unfinished: bool = False) -> int:
        """Enter the refusals of past minutes, or all; return how many entries that were.

        Raises UnavailableError, OSError; then they are kept for the next time.
        """
        taken = self.refused.take(unfinished=unfinished)
        if not taken:
            return 0
        events = [count.event() for count in taken.values()]
        try:
            await self.unit_of_work.run(lambda stores: self.trail.record_all(stores.audit, events))
        except (AgentGuardError, OSError):
            self.refused.put_back(taken)
            raise
        return len(events)

    async def _enter(self, *, unfinished: bool = False) -> None:
        try:
            await self.enter(unfinished=unfinished)
        except (AgentGuardError, OSError) as error:
            log.warning("refused_access_not_entered", error=str(error))
        # The outermost frame of a loop: the next round tries again.
        except Exception:
            log.exception("refused_access_failed")
