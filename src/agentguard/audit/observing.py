"""Entries about what a process has found: left only where it differs from the last one."""

from __future__ import annotations

from dataclasses import dataclass, field

from agentguard.audit.canonical import canonical_json
from agentguard.audit.entries import Entry
from agentguard.audit.recording import Acting, AuditTrail
from agentguard.audit.store import AuditLog, AuditStores, StoredEntry
from agentguard.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Observation:
    """What a process has found."""

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
class Observer:
    """Enters what processes find when they start."""

    unit_of_work: UnitOfWork[AuditStores]
    trail: AuditTrail = field(default_factory=AuditTrail)

    async def enter(self, found: Observation) -> bool:
        """Leave an entry if the last one says something else; of processes at once, one does."""
        if await self.unit_of_work.read(lambda stores: _is_known(stores.audit, found)):
            return False

        async def work(stores: AuditStores) -> bool:
            if await _is_known(stores.audit, found):
                return False
            await self.trail.record(
                stores.audit,
                found.who,
                found.action,
                object_id=found.object_id,
                payload=found.payload,
            )
            return True

        return await self.unit_of_work.run(work)


async def _is_known(log: AuditLog, found: Observation) -> bool:
    actor = None if found.of_all else found.who.id
    return found.is_told_by(await log.newest(found.action, actor))
