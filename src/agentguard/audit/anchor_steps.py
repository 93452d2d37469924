"""Takes the steps of an anchor on a chain: looks, signs, sends, and stores what became of it.

What is signed is stored, and committed, before it is sent (docs/adr/0025).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from agentguard.accounts.principal import system_principal
from agentguard.audit.anchor_changes import AnchorChangedError, AnchorChanges
from agentguard.audit.anchor_store import AnchorStores
from agentguard.audit.anchoring import (
    Anchor,
    Attempt,
    Patience,
    Problem,
    Rest,
    Seen,
    Send,
    Sign,
    advance,
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


@dataclass(frozen=True, slots=True)
class AnchorSteps:
    """Moves an anchor on as far as its chain allows."""

    unit_of_work: UnitOfWork[AnchorStores]
    open_chain: Callable[[], Chain]
    """Raises the errors of a chain."""
    clock: Clock
    patience: Patience = field(default_factory=Patience)
    trail: AuditTrail = field(default_factory=AuditTrail)

    async def open(self) -> None:
        """Open the chain, so that nothing is begun that this installation cannot do.

        Raises the errors of `open_chain` that are not the chain's: those wait with the anchor.
        """
        with suppress(*_CHAIN_ERRORS):
            await asyncio.to_thread(self.open_chain)

    async def take(self, anchor: Anchor) -> None:
        """Take steps until nothing is to be done, or something is wrong, which the anchor keeps.

        Ends where another process has moved the anchor. Raises UnavailableError of the database.
        """
        try:
            await self._take(anchor)
        except AnchorChangedError:
            log.info("anchor_moved_by_another_process", size=anchor.size)

    async def _take(self, anchor: Anchor) -> None:
        changes = AnchorChanges(self.unit_of_work, self.clock, self.trail)
        for _ in range(_MOST_STEPS):
            after, goes_on = await self._next(anchor)
            anchor = await changes.store(ANCHORING, anchor, after)
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


def _look(chain: Chain, anchor: Anchor) -> Seen:
    """Return what the chain says; the account comes first, as `Seen` promises."""
    chain_id, account = chain.chain_id(), chain.account()
    hashes = [attempt.transaction.hash for attempt in anchor.attempts]
    found = {tx_hash: chain.transaction(tx_hash) for tx_hash in hashes}
    mined = {tx_hash: one for tx_hash, one in found.items() if one is not None}
    return Seen(chain_id, chain.target, account, mined)
