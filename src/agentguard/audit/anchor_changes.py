"""Stores changes of anchors with the entries about them, each in one transaction.

Each change names the version of the anchor that it is based on, so that of two processes at work
one stops.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from agentguard.audit.anchor_store import AnchorStores
from agentguard.audit.anchoring import Anchor, AnchorState, outcomes, told
from agentguard.audit.anchors import AnchorReceipt
from agentguard.audit.documents import receipt_document
from agentguard.audit.recording import Acting, AuditTrail
from agentguard.kernel.clock import Clock
from agentguard.kernel.errors import ConflictError
from agentguard.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)

_MARKED_AT_ONCE = 10_000
"""Entries per transaction: other writers wait for it."""


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
            if not await stores.anchors.replace(changed):
                raise AnchorChangedError(after.size)
            await self._record(stores, who, before, after)

        await self.unit_of_work.run(work)
        if after.state is AnchorState.FINALISED:
            await mark_entries(self.unit_of_work)
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


async def mark_entries(unit_of_work: UnitOfWork[AnchorStores]) -> None:
    """Name the transaction of the newest final anchor for the entries that no earlier one covers.

    In short transactions, the oldest entries first; the next call goes on where one was cut off.
    """
    found = await unit_of_work.read(unmarked)
    if found is None or found.receipt is None:
        return
    before = await unit_of_work.read(lambda stores: stores.anchors.last_finalised(found.size))
    for first in range(0 if before is None else before.size, found.size, _MARKED_AT_ONCE):
        end = min(first + _MARKED_AT_ONCE, found.size)
        await unit_of_work.run(partial(_mark, first, end, found.receipt.anchored))


async def unmarked(stores: AnchorStores) -> Anchor | None:
    """Return the newest final anchor if its entries are not all marked: the last one is not."""
    last = await stores.anchors.last_finalised()
    due = last is not None and await stores.audit.is_unmarked(last.size - 1)
    return last if due else None


async def _mark(first: int, end: int, receipt: AnchorReceipt, stores: AnchorStores) -> None:
    await stores.audit.mark_anchored(first, end, receipt.tx_hash)
    await stores.audit.prove_incidents(first, end, receipt_document(receipt))
