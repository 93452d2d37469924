"""Takes the steps of an anchor on a chain: looks, signs, sends, and stores what became of it.

What is signed is stored, and committed, before it is sent (docs/adr/0025). Each change of an anchor
names the version that it is based on, so that of two processes at work one stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog

from agentguard.accounts.principal import system_principal
from agentguard.audit.anchor_store import AnchorStores
from agentguard.audit.anchoring import (
    Anchor,
    AnchorState,
    Attempt,
    Patience,
    Problem,
    Rest,
    Seen,
    Send,
    Sign,
    advance,
    outcomes,
    told,
)
from agentguard.audit.chain import Chain, NonceUsedError
from agentguard.audit.recording import AuditTrail
from agentguard.kernel.clock import Clock
from agentguard.kernel.errors import ConflictError, UnavailableError
from agentguard.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)

ANCHORING = system_principal("anchoring")
_MOST_STEPS = 8
"""In one round: look, sign, send, look again, and so on; the next round goes on."""
_CHAIN_ERRORS = (UnavailableError, ConflictError)
"""What a chain raises: see its port."""


class _ChangedMeanwhileError(Exception):
    """Another process has changed the anchor since it was read."""


@dataclass(frozen=True, slots=True)
class AnchorSteps:
    """Moves an anchor on as far as its chain allows."""

    unit_of_work: UnitOfWork[AnchorStores]
    open_chain: Callable[[], Chain]
    """Raises the errors of a chain."""
    clock: Clock
    patience: Patience = field(default_factory=Patience)
    trail: AuditTrail = field(default_factory=AuditTrail)

    async def take(self, anchor: Anchor) -> None:
        """Take steps until nothing is to be done, or something is wrong, which the anchor keeps.

        Ends where another process has moved the anchor. Raises UnavailableError of the database.
        """
        try:
            await self._take(anchor)
        except _ChangedMeanwhileError:
            log.info("anchor_moved_by_another_process", size=anchor.size)

    async def _take(self, anchor: Anchor) -> None:
        for _ in range(_MOST_STEPS):
            after, goes_on = await self._next(anchor)
            anchor = await self._store(anchor, after)
            if not goes_on:
                return

    async def _next(self, anchor: Anchor) -> tuple[Anchor, bool]:
        """Return the anchor after one step, not stored yet, and whether another may follow."""
        try:
            chain = await asyncio.to_thread(self.open_chain)
            seen = await asyncio.to_thread(_look, chain, anchor)
        except _CHAIN_ERRORS as error:
            return anchor.waiting(Problem.of(error)), False
        step = advance(anchor, seen, self.clock(), self.patience)
        if step.anchor.state is not anchor.state and not isinstance(step, Rest):
            return step.anchor, True  # what was found is stored before anything is done about it
        match step:
            case Sign():
                return await self._signed(chain, step, seen)
            case Send():
                return await self._sent(chain, step.anchor)
            case Rest():
                return step.anchor, False

    async def _signed(self, chain: Chain, step: Sign, seen: Seen) -> tuple[Anchor, bool]:
        data, replaced = step.anchor.data, step.replaced
        try:
            signed = await asyncio.to_thread(chain.sign, data, step.nonce, replaced)
        except _CHAIN_ERRORS as error:
            anchor = step.anchor
            if replaced is not None:  # nodes forget
                anchor, _ = await self._sent(chain, anchor)
            return anchor.waiting(Problem.of(error)), False
        attempt = Attempt(signed, seen.account.address, seen.target, self.clock())
        return step.anchor.signed(attempt, seen.chain_id), True

    async def _sent(self, chain: Chain, anchor: Anchor) -> tuple[Anchor, bool]:
        newest, now = anchor.attempts[-1], self.clock()
        try:
            await asyncio.to_thread(chain.send, newest.transaction.raw)
        except NonceUsedError:  # by an attempt that was just mined, or another transaction
            return anchor.tried(now), False
        except _CHAIN_ERRORS as error:
            return anchor.tried(now).waiting(Problem.of(error)), False
        return anchor.sent(now), True

    async def _store(self, before: Anchor, after: Anchor) -> Anchor:
        """Store a step with the entries about it, and return the anchor as it is stored."""
        now = self.clock()
        same = (before.state, before.problem) == (after.state, after.problem)
        changed_at = before.changed_at if same else now
        changed = replace(told(after), looked_at=now, changed_at=changed_at)

        async def work(stores: AnchorStores) -> None:
            if after.state is AnchorState.FINALISED:
                await _mark_entries(stores, after)
            if not await stores.anchors.replace(changed):
                raise _ChangedMeanwhileError
            for outcome in outcomes(before, after):
                facts = {"size": after.size, **outcome.facts}
                await self.trail.record(
                    stores.audit,
                    ANCHORING,
                    outcome.action,
                    object_id=f"checkpoint-{after.size}",
                    payload=facts,
                )

        await self.unit_of_work.run(work)
        if not same:
            log.info("anchor_changed", size=after.size, state=after.state.value)
        return replace(changed, version=changed.version + 1)


def _look(chain: Chain, anchor: Anchor) -> Seen:
    """Return what the chain says; the account comes first, as `Seen` promises."""
    chain_id, account = chain.chain_id(), chain.account()
    hashes = [attempt.transaction.hash for attempt in anchor.attempts]
    found = {tx_hash: chain.transaction(tx_hash) for tx_hash in hashes}
    mined = {tx_hash: one for tx_hash, one in found.items() if one is not None}
    return Seen(chain_id, chain.target, account, mined)


async def _mark_entries(stores: AnchorStores, anchor: Anchor) -> None:
    """Name the transaction for the entries that no earlier anchor covers."""
    if anchor.receipt is None:
        return
    last = await stores.anchors.last_finalised()
    first = 0 if last is None else last.size
    await stores.audit.mark_anchored(first, anchor.size, anchor.receipt.anchored.tx_hash)
