"""Stores changes of anchors with the entries about them, each in one transaction.

Each change names the version of the anchor that it is based on, so that of two processes at work
one stops.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import structlog

from agentguard.audit.anchor_store import AnchorStores
from agentguard.audit.anchoring import Anchor, AnchorState, outcomes, told
from agentguard.audit.recording import Acting, AuditTrail
from agentguard.kernel.clock import Clock
from agentguard.kernel.errors import ConflictError
from agentguard.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)


class AnchorChangedError(ConflictError):
    """Another process has changed the anchor since it was read."""

    code = "anchor-changed"

    def __init__(self, size: int) -> None:
        super().__init__(f"Another process has moved the anchor of size {size:,}. Try again.")


@dataclass(frozen=True, slots=True)
class AnchorChanges:
    """Stores changes of anchors."""

    unit_of_work: UnitOfWork[AnchorStores]
    clock: Clock
    trail: AuditTrail = field(default_factory=AuditTrail)

    async def store(self, who: Acting, before: Anchor, after: Anchor) -> Anchor:
        """Store a change with the entries about it, and return the anchor as it is stored.

        Raises AnchorChangedError, UnavailableError.
        """
        now = self.clock()
        same = (before.state, before.problem) == (after.state, after.problem)
        changed_at = before.changed_at if same else now
        changed = replace(told(after), looked_at=now, changed_at=changed_at)

        async def work(stores: AnchorStores) -> None:
            if after.state is AnchorState.FINALISED:
                await _mark_entries(stores, after)
            if not await stores.anchors.replace(changed):
                raise AnchorChangedError(after.size)
            await self._record(stores, who, before, after)

        await self.unit_of_work.run(work)
        if not same:
            log.info("anchor_changed", size=after.size, state=after.state.value)
        return replace(changed, version=changed.version + 1)

    async def _record(
        self, stores: AnchorStores, who: Acting, before: Anchor, after: Anchor
    ) -> None:
        for outcome in outcomes(before, after):
            await self.trail.record(
                stores.audit,
                who,
                outcome.action,
                object_id=f"checkpoint-{after.size}",
                payload={"size": after.size, **outcome.facts},
            )


async def _mark_entries(stores: AnchorStores, anchor: Anchor) -> None:
    """Name the transaction for the entries that no earlier anchor covers."""
    if anchor.receipt is None:
        return
    last = await stores.anchors.last_finalised()
    first = 0 if last is None else last.size
    await stores.audit.mark_anchored(first, anchor.size, anchor.receipt.anchored.tx_hash)
