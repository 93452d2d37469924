"""The life of an anchor: what follows from what a chain says about its transactions.

One checkpoint has at most one anchor on the chain. Its attempts are signed transactions that are
stored before they are sent. Attempts with the same nonce exclude each other on the chain, so one of
them at most is mined; an attempt with a new nonce is made only if the older ones can never be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from agentguard.audit.anchors import AnchorReceipt, anchor_data
from agentguard.audit.chain import AccountState, MinedTransaction, SignedTransaction
from agentguard.audit.checkpoints import Checkpoint, SignedCheckpoint
from agentguard.kernel.clock import NS_PER_SECOND
from agentguard.kernel.errors import AgentGuardError


class AnchorState(StrEnum):
    """Where an anchor is in its life."""

    PENDING = "pending"
    """Nothing was sent yet, as far as is known."""
    SUBMITTED = "submitted"
    """The chain has accepted a transaction, but not mined it."""
    MINED = "mined"
    """In a block that is not final yet."""
    REORGED = "reorged"
    """The block is no longer on the chain; the transaction must be sent again."""
    RESUBMITTED = "resubmitted"
    """Sent again after that."""
    FINALISED = "finalised"
    """In a final block."""
    FAILED = "failed"
    """The transaction is final but anchors nothing, as it was reverted; or it was given up."""

    @property
    def final(self) -> bool:
        """Whether the anchor changes no more."""
        return self in (AnchorState.FINALISED, AnchorState.FAILED)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an anchor waits; it goes on once that is mended."""

    code: str
    message: str

    @classmethod
    def of(cls, error: AgentGuardError) -> Problem:
        return cls(error.code, str(error))


@dataclass(frozen=True, slots=True)
class Attempt:
    """A signed transaction of an anchor."""

    transaction: SignedTransaction
    account: str
    """The address that pays; the nonce is one of its."""
    target: str
    """The contract, or the address that the calldata is sent to."""
    signed_at: int
    """ns since the epoch."""
    tried_at: int | None = None
    """When it was sent first, accepted or not; None: never since it was signed, or reorganised."""
    sent_at: int | None = None
    """When the chain accepted it last; None: never, as far as is known."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The block that a transaction of an anchor is in, and what it cost."""

    anchored: AnchorReceipt
    gas_used: int
    gas_price: int
    """Wei per unit of gas."""

    @property
    def cost(self) -> int:
        """Wei."""
        return self.gas_used * self.gas_price


@dataclass(frozen=True, slots=True)
class Anchor:
    """The anchor of one checkpoint; times in ns since the epoch."""

    size: int
    """Of the checkpoint."""
    note: bytes
    """The checkpoint as it was signed."""
    created_at: int
    state: AnchorState = AnchorState.PENDING
    chain_id: int | None = None
    """Of the chain that the attempts are for; None: nothing was signed yet."""
    attempts: tuple[Attempt, ...] = ()
    """The newest last. Any of the same nonce may be the one that is mined."""
    receipt: Receipt | None = None
    """None: no attempt is in a block."""
    problem: Problem | None = None
    told: tuple[str, ...] = ()
    """Codes of problems that are in the audit log; each gets there once per anchor."""
    changed_at: int = 0
    """When the state or the problem changed last."""
    looked_at: int | None = None
    """When the chain was asked last."""
    version: int = 0
    """Counts the changes: one under an older version is refused."""

    @property
    def checkpoint(self) -> Checkpoint:
        return SignedCheckpoint.parse(self.note).checkpoint

    @property
    def data(self) -> bytes:
        """What is written to the chain."""
        return anchor_data(self.checkpoint)

    def waiting(self, problem: Problem) -> Anchor:
        """Return the anchor with what it waits for."""
        return replace(self, problem=problem)

    def given_up(self, by: str) -> Anchor:
        """Return the anchor, ended by a person; its checkpoint gets no other one."""
        advice = "A transaction that was sent may still be mined; later checkpoints are anchored."
        problem = Problem("given-up", f"{by} has given it up. {advice}")
        return replace(self, state=AnchorState.FAILED, problem=problem)

    def signed(self, attempt: Attempt, chain_id: int) -> Anchor:
        """Return the anchor with another attempt."""
        attempts = (*self.attempts, attempt)
        return replace(self, attempts=attempts, chain_id=chain_id, problem=None)

    def sent(self, now: int) -> Anchor:
        """Return the anchor after the chain has accepted its newest attempt."""
        tried = self.tried(now)
        newest = replace(tried.attempts[-1], sent_at=now)
        attempts = (*tried.attempts[:-1], newest)
        return replace(tried, state=_SENT[self.state], attempts=attempts)

    def tried(self, now: int) -> Anchor:
        """Return the anchor after its newest attempt was sent, accepted or not."""
        newest = self.attempts[-1]
        tried = replace(newest, tried_at=now if newest.tried_at is None else newest.tried_at)
        return replace(self, attempts=(*self.attempts[:-1], tried))

    def reorged(self) -> Anchor:
        """Return the anchor after its block has left the chain."""
        again = replace(self.attempts[-1], tried_at=None)
        attempts = (*self.attempts[:-1], again)
        return replace(self, state=AnchorState.REORGED, attempts=attempts, receipt=None)


_SENT = {state: state for state in AnchorState} | {
    AnchorState.PENDING: AnchorState.SUBMITTED,
    AnchorState.REORGED: AnchorState.RESUBMITTED,
}
"""The state after the newest attempt was sent."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a chain says at one moment. The account was asked before the transactions.

    So a transaction that used up a finalised nonce of this account is among `mined` if it is ours.
    """

    chain_id: int
    target: str
    account: AccountState
    mined: Mapping[str, MinedTransaction]
    """By hash: the attempts that are in blocks."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds."""

    stuck: float = 600
    """For a transaction to be mined, before it is replaced by one with higher fees."""
    resend: float = 60
    """Before the same transaction is sent again: nodes forget."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing is to be done until the chain goes on."""

    anchor: Anchor


@dataclass(frozen=True, slots=True)
class Sign:
    """A transaction is to be signed and stored; it must not be sent before it is stored.

    With `replaced`, it has the nonce of the newest attempt, which may be sent again otherwise.
    """

    anchor: Anchor
    nonce: int
    replaced: SignedTransaction | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """The newest attempt is to be sent, for the first time or again."""

    anchor: Anchor


Step: TypeAlias = Rest | Sign | Send


def advance(anchor: Anchor, seen: Seen, now: int, patience: Patience) -> Step:
    """Return the next step of an anchor, given what the chain says now (ns since the epoch)."""
    if anchor.state.final:
        return Rest(anchor)
    if anchor.chain_id not in (None, seen.chain_id):
        return Rest(anchor.waiting(_other_chain(anchor, seen)))
    for attempt in reversed(anchor.attempts):
        if (mined := seen.mined.get(attempt.transaction.hash)) is not None:
            return Rest(_in_block(anchor, attempt, mined, seen.chain_id))
    if anchor.receipt is not None:
        anchor = anchor.reorged()
    return _not_in_block(replace(anchor, problem=None), seen, now, patience, anchor.problem)


def _in_block(anchor: Anchor, attempt: Attempt, mined: MinedTransaction, chain_id: int) -> Anchor:
    anchored = AnchorReceipt(
        chain_id,
        attempt.transaction.hash,
        mined.block_number,
        mined.block_hash,
        mined.block_time,
        attempt.target,
        anchor.data,
    )
    fault = _fault(anchored, mined)
    ended = AnchorState.FINALISED if fault is None else AnchorState.FAILED
    state = ended if mined.finalised else AnchorState.MINED
    receipt = Receipt(anchored, mined.gas_used, mined.gas_price)
    return replace(anchor, state=state, receipt=receipt, problem=fault)


def _fault(anchored: AnchorReceipt, mined: MinedTransaction) -> Problem | None:
    """Return why a mined transaction is no anchor of the checkpoint."""
    if not mined.succeeded:
        return Problem("transaction-reverted", f"The transaction {anchored.tx_hash} was reverted.")
    if anchored.data not in mined.data.get(anchored.contract, ()):
        return Problem(
            "anchor-not-written",
            f"The transaction {anchored.tx_hash} was mined, but {anchored.contract} did not write"
            " the checkpoint: it is not a contract for anchors.",
        )
    return None


def _not_in_block(
    anchor: Anchor, seen: Seen, now: int, patience: Patience, before: Problem | None
) -> Step:
    """Return the step of an anchor that is in no block; `before`: what it waited for until now."""
    account = seen.account
    free = max(account.next_pending_nonce, account.finalised_nonce)
    if not anchor.attempts:
        return Sign(anchor, free)
    newest = anchor.attempts[-1]
    nonce = newest.transaction.nonce
    if newest.account == account.address:
        used = _nonce_used(nonce)
        # Said twice, a poll apart: a node behind the same endpoint may lag and miss our receipt.
        if nonce < account.finalised_nonce and before == used:
            return Sign(anchor, free)  # another transaction has used the nonce up, for good
        if nonce < account.next_nonce:
            return Rest(anchor.waiting(used))
        return _can_be_mined(anchor, now, patience)
    step = _can_be_mined(anchor, now, patience)
    waiting = anchor.waiting(_other_account(newest, account))
    return Send(waiting) if isinstance(step, Send) else Rest(waiting)


def _can_be_mined(anchor: Anchor, now: int, patience: Patience) -> Step:
    """Return the step of an anchor whose newest attempt can still be mined."""
    newest = anchor.attempts[-1]
    if newest.tried_at is None:
        return Send(anchor)
    if _passed(newest.tried_at, patience.stuck, now):
        return Sign(anchor, newest.transaction.nonce, newest.transaction)
    again = newest.sent_at is None or _passed(newest.sent_at, patience.resend, now)
    return Send(anchor) if again else Rest(anchor)


def _passed(since: int, seconds: float, now: int) -> bool:
    """Return whether the clock has gone on by this many seconds, or was set back by as many."""
    return abs(now - since) >= seconds * NS_PER_SECOND


def _other_chain(anchor: Anchor, seen: Seen) -> Problem:
    return Problem(
        "wrong-chain",
        f"The transaction is for chain {anchor.chain_id}, and the RPC endpoint serves chain"
        f" {seen.chain_id}. Set WEB3_PROVIDER_URL to an endpoint of chain {anchor.chain_id}.",
    )


def _other_account(newest: Attempt, account: AccountState) -> Problem:
    return Problem(
        "other-account",
        f"The transaction is of the account {newest.account}, and WEB3_PRIVATE_KEY is now that of"
        f" {account.address}. It is sent again, but cannot be replaced by one with higher fees.",
    )


def _nonce_used(nonce: int) -> Problem:
    return Problem(
        "nonce-used",
        f"Another transaction of the account has the nonce {nonce}. A new one is signed once that"
        " is final.",
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the audit log tells about an anchor."""

    action: str
    facts: Mapping[str, object]


FINALISED, FAILED = "anchor.finalised", "anchor.failed"
REORGED, WAITING = "anchor.reorged", "anchor.waiting"
OUTCOMES = (FINALISED, FAILED, REORGED, WAITING)
"""Actions of entries about anchors: nothing is anchored because of them alone."""


def outcomes(before: Anchor, after: Anchor) -> Iterator[Outcome]:
    """Yield what has become of an anchor, each outcome once."""
    was, now = before.receipt, after.receipt
    if was is not None and (now is None or now.anchored.block_hash != was.anchored.block_hash):
        yield Outcome(REORGED, _facts(was.anchored))
    if after.state is AnchorState.FINALISED and not before.state.final and now is not None:
        yield Outcome(FINALISED, _facts(now.anchored))
    if after.state is AnchorState.FAILED and not before.state.final:
        facts = {} if now is None else _facts(now.anchored)
        yield Outcome(FAILED, facts | _problem(after))
    if _is_untold(after):
        yield Outcome(WAITING, _problem(after))


def told(anchor: Anchor) -> Anchor:
    """Return the anchor after its outcomes were entered."""
    if anchor.problem is None or anchor.problem.code in anchor.told:
        return anchor
    return replace(anchor, told=(*anchor.told, anchor.problem.code))


def _is_untold(anchor: Anchor) -> bool:
    problem = anchor.problem
    return problem is not None and problem.code not in anchor.told and not anchor.state.final


def _problem(anchor: Anchor) -> dict[str, object]:
    return {"problem": None if anchor.problem is None else anchor.problem.code}


def _facts(anchored: AnchorReceipt) -> dict[str, object]:
    return {
        "chain_id": anchored.chain_id,
        "tx_hash": anchored.tx_hash,
        "block": anchored.block_number,
        "block_hash": anchored.block_hash,
    }
