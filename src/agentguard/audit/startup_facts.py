"""Entries about what a process finds at its start, left only where that has changed."""

from __future__ import annotations

from dataclasses import dataclass, field

from agentguard.audit.canonical import canonical_json
from agentguard.audit.entries import Entry
from agentguard.audit.recording import Acting, AuditTrail
from agentguard.audit.store import AuditLog, AuditStores, StoredEntry
from agentguard.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class StartupFact:
    """What a process finds at its start: its catalog, its settings."""

    who: Acting
    action: str
    object_id: str | None
    payload: object
    of_all: bool
    """Whether it is compared with what any process found last, or only those with this actor."""

    def is_told_by(self, last: StoredEntry | None) -> bool:
        """Return whether an entry says the same, as far as its payload is still there."""
        if last is None:
            return False
        same = Entry.parse(last.leaf).object_id == self.object_id
        return same and last.payload == canonical_json(self.payload)


@dataclass(frozen=True, slots=True)
class StartupFacts:
    """Enters the facts that have changed since they were entered last."""

    unit_of_work: UnitOfWork[AuditStores]
    trail: AuditTrail = field(default_factory=AuditTrail)

    async def enter(self, fact: StartupFact) -> bool:
        """Leave an entry if the last one says something else; of processes at once, one does."""
        if await self.unit_of_work.read(lambda stores: _is_known(stores.audit, fact)):
            return False

        async def work(stores: AuditStores) -> bool:
            if await _is_known(stores.audit, fact):
                return False
            await self.trail.record(
                stores.audit,
                fact.who,
                fact.action,
                object_id=fact.object_id,
                payload=fact.payload,
            )
            return True

        return await self.unit_of_work.run(work)


async def _is_known(log: AuditLog, fact: StartupFact) -> bool:
    actor = None if fact.of_all else fact.who.id
    return fact.is_told_by(await log.newest(fact.action, actor))
