"""The transitions of an anchor, for anything that a chain may say."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agentguard.audit.anchoring import (
    FAILED,
    FINALISED,
    REORGED,
    WAITING,
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
from agentguard.audit.chain import AccountState, MinedTransaction, SignedTransaction
from agentguard.kernel.clock import NS_PER_SECOND
from tests.audit.logs import CHAIN, CONTRACT, Log

PATIENCE = Patience(stuck=600, resend=60)
SIGNED = Log.of(3).signed()
NEW = Anchor(3, SIGNED.note.encode(), created_at=0)
ACCOUNT = "0x" + "aa" * 20
NOW = 1_800_000_000 * NS_PER_SECOND


def transaction(number: int, nonce: int) -> SignedTransaction:
    return SignedTransaction(f"0x{number:064x}", nonce, bytes([number % 256]), 50_000, 100, 30)


def account(next_nonce=0, pending=None, final=0, address=ACCOUNT) -> AccountState:
    pending = next_nonce if pending is None else pending
    return AccountState(address, 10**18, next_nonce, pending, final)


def seen(mined=None, chain_id=CHAIN, **of_account) -> Seen:
    return Seen(chain_id, CONTRACT, account(**of_account), mined or {})


def block(number=7, data=None, **changes) -> MinedTransaction:
    known = {
        "block_number": number,
        "block_hash": f"0x{number:064x}",
        "block_time": 1_700_000_000 + number,
        "succeeded": True,
        "data": {CONTRACT: (NEW.data if data is None else data,)},
        "finalised": False,
        "gas_used": 30_000,
        "gas_price": 10**9,
    }
    return MinedTransaction(**{**known, **changes})


def signed(number=1, nonce=5, tried_at=None, sent_at=None, state=AnchorState.PENDING) -> Anchor:
    attempt = Attempt(transaction(number, nonce), ACCOUNT, CONTRACT, NOW, tried_at, sent_at)
    return replace(NEW.signed(attempt, CHAIN), state=state)


SUBMITTED = signed(tried_at=NOW, sent_at=NOW, state=AnchorState.SUBMITTED)
TX = SUBMITTED.attempts[0].transaction


def in_block(anchor=SUBMITTED, **changes) -> Anchor:
    return advance(anchor, seen({TX.hash: block(**changes)}), NOW, PATIENCE).anchor


def test_a_new_anchor_is_signed_with_the_next_nonce_that_is_free():
    step = advance(NEW, seen(next_nonce=4, pending=6), NOW, PATIENCE)

    assert step == Sign(NEW, 6)


def test_what_was_signed_before_a_crash_is_sent_as_it_is():
    step = advance(signed(), seen(next_nonce=5), NOW + 10**6 * NS_PER_SECOND, PATIENCE)

    assert step == Send(signed())


def test_a_mined_anchor_is_final_only_when_the_chain_says_so():
    mined = in_block()
    final = in_block(mined, finalised=True)

    assert (mined.state, final.state) == (AnchorState.MINED, AnchorState.FINALISED)
    assert final.receipt.anchored.difference(SIGNED.checkpoint) is None
    assert [o.action for o in outcomes(mined, final)] == [FINALISED]


def test_a_block_that_left_the_chain_is_a_reorganisation_and_the_same_bytes_are_sent():
    mined = in_block()
    step = advance(mined, seen(next_nonce=5), NOW, PATIENCE)

    assert isinstance(step, Send)
    assert step.anchor.state is AnchorState.REORGED
    assert step.anchor.attempts[-1].transaction == TX
    assert [o.action for o in outcomes(mined, step.anchor)] == [REORGED]
    assert step.anchor.sent(NOW).state is AnchorState.RESUBMITTED


def test_another_block_hash_is_a_reorganisation_too():
    mined, moved = in_block(), in_block(in_block(), number=8)

    assert moved.state is AnchorState.MINED
    assert [o.action for o in outcomes(mined, moved)] == [REORGED]


def test_a_transaction_that_waits_is_sent_again_and_then_replaced():
    later = {seconds: NOW + seconds * NS_PER_SECOND for seconds in (59, 60, 600)}
    steps = [advance(SUBMITTED, seen(next_nonce=5), at, PATIENCE) for at in later.values()]

    assert steps == [Rest(SUBMITTED), Send(SUBMITTED), Sign(SUBMITTED, 5, TX)]


def test_any_attempt_of_the_nonce_counts():
    newer = Attempt(transaction(2, 5), ACCOUNT, CONTRACT, NOW)
    both = SUBMITTED.signed(newer, CHAIN)
    found = advance(both, seen({TX.hash: block()}), NOW, PATIENCE).anchor

    assert found.receipt.anchored.tx_hash == TX.hash


def test_a_nonce_that_another_transaction_used_is_given_up_only_when_that_is_final():
    waiting = advance(SUBMITTED, seen(next_nonce=6), NOW, PATIENCE)
    final = seen(next_nonce=6, final=6)
    first = advance(SUBMITTED, final, NOW, PATIENCE)
    given_up = advance(waiting.anchor, final, NOW, PATIENCE)

    assert isinstance(waiting, Rest)
    assert waiting.anchor.problem.code == "nonce-used"
    assert first == waiting, "a node that lags may miss the receipt once"
    assert given_up == Sign(SUBMITTED, 6)


def test_another_account_sends_the_old_transaction_and_signs_none():
    other = account(next_nonce=9, final=9, address="0x" + "bb" * 20)
    for at in (NOW, NOW + 60 * NS_PER_SECOND, NOW + 10**4 * NS_PER_SECOND):
        step = advance(SUBMITTED, Seen(CHAIN, CONTRACT, other, {}), at, PATIENCE)

        assert not isinstance(step, Sign)
        assert step.anchor.problem.code == "other-account"


def test_on_another_chain_nothing_is_done():
    step = advance(SUBMITTED, seen(chain_id=137, final=99), NOW, PATIENCE)

    assert isinstance(step, Rest)
    assert step.anchor.problem.code == "wrong-chain"


def test_a_reverted_transaction_fails_once_it_is_final():
    mined = in_block(succeeded=False)
    failed = in_block(mined, succeeded=False, finalised=True)

    assert (mined.state, mined.problem.code) == (AnchorState.MINED, "transaction-reverted")
    assert failed.state is AnchorState.FAILED
    assert failed.receipt.cost == 30_000 * 10**9
    assert [o.action for o in outcomes(mined, failed)] == [FAILED]


def test_a_transaction_that_wrote_something_else_is_no_anchor():
    assert in_block(data=b"\1" * 96, finalised=True).state is AnchorState.FAILED
    assert in_block(data=NEW.data, finalised=True).state is AnchorState.FINALISED


def test_a_problem_is_told_once():
    poor = NEW.waiting(Problem("balance-too-low", "It has 0."))

    assert [o.action for o in outcomes(NEW, poor)] == [WAITING]
    assert list(outcomes(NEW, told(poor))) == []
    assert list(outcomes(told(poor), told(poor))) == []


NONCES = st.integers(0, 6)
ACCOUNTS = st.builds(AccountState, st.just(ACCOUNT), st.just(1), NONCES, NONCES, NONCES)


@given(
    of_account=ACCOUNTS,
    nonces=st.lists(NONCES, max_size=3).map(sorted),
    mined=st.sets(st.integers(0, 2)),
    state=st.sampled_from([s for s in AnchorState if not s.final]),
    elapsed=st.integers(0, 2000),
)
def test_a_further_nonce_is_taken_only_if_the_older_ones_are_used_up_for_good(
    of_account, nonces, mined, state, elapsed
):
    anchor = NEW
    for number, nonce in enumerate(nonces):
        anchor = anchor.signed(
            Attempt(transaction(number, nonce), ACCOUNT, CONTRACT, NOW, NOW, NOW), CHAIN
        )
    anchor = replace(anchor, state=state)
    found = {transaction(number, 0).hash: block(number) for number in mined}
    view = Seen(CHAIN, CONTRACT, of_account, found)
    step = advance(anchor, view, NOW + elapsed * NS_PER_SECOND, PATIENCE)

    if isinstance(step, Sign) and nonces:
        same = step.nonce == nonces[-1] and step.replaced == anchor.attempts[-1].transaction
        assert same or (step.nonce > nonces[-1] and of_account.finalised_nonce > nonces[-1])
    if found.keys() & {attempt.transaction.hash for attempt in anchor.attempts}:
        assert isinstance(step, Rest)


@given(
    final=st.sampled_from([in_block(finalised=True), in_block(finalised=True, succeeded=False)]),
    of_account=ACCOUNTS,
    mined=st.booleans(),
)
def test_final_is_final(final, of_account, mined):
    found = {TX.hash: block(9)} if mined else {}
    step = advance(final, Seen(CHAIN, CONTRACT, of_account, found), NOW * 2, PATIENCE)

    assert step == Rest(final)


@dataclass
class ModelChain:
    """One account on a chain: blocks of one transaction at most, a pool, and a finalised block."""

    blocks: list[SignedTransaction | None] = field(default_factory=list)
    pool: list[SignedTransaction] = field(default_factory=list)
    final: int = 0
    """Blocks that are final."""
    forks: int = 0

    def nonce(self, blocks=None) -> int:
        found = self.blocks if blocks is None else self.blocks[:blocks]
        return sum(tx is not None for tx in found)

    def seen(self) -> Seen:
        known = {tx.nonce for tx in self.pool}
        pending = self.nonce()
        while pending in known:
            pending += 1
        state = AccountState(ACCOUNT, 1, self.nonce(), pending, self.nonce(self.final))
        mined = {
            tx.hash: block(
                height,
                block_hash=f"0x{self.forks * 1000 + height:064x}",
                finalised=height < self.final,
            )
            for height, tx in enumerate(self.blocks)
            if tx is not None
        }
        return Seen(CHAIN, CONTRACT, state, mined)

    def send(self, tx: SignedTransaction) -> bool:
        """Return whether it is taken."""
        if tx.nonce < self.nonce():
            return False
        self.pool.append(tx)
        return True


class Anchoring(RuleBasedStateMachine):
    """An anchor on a chain that reorganises, forgets, and mines what others send."""

    def __init__(self):
        super().__init__()
        self.chain = ModelChain()
        self.stored = NEW
        self.now = NOW
        self.signed = 0
        self.sent: list[SignedTransaction] = []
        self.ended: Anchor | None = None

    @rule(crash=st.sampled_from(["never", "before storing", "before sending", "after sending"]))
    def take_a_step(self, crash):
        step = advance(self.stored, self.chain.seen(), self.now, PATIENCE)
        match step:
            case Rest():
                self.stored = step.anchor
            case Sign():
                self.signed += 1
                made = transaction(self.signed, step.nonce)
                if crash != "before storing":
                    attempt = Attempt(made, ACCOUNT, CONTRACT, self.now)
                    self.stored = step.anchor.signed(attempt, CHAIN)
            case Send() if crash != "before sending":
                made = step.anchor.attempts[-1].transaction
                taken = self.chain.send(made)
                self.sent.append(made)
                if crash != "after sending":
                    anchor = step.anchor
                    self.stored = anchor.sent(self.now) if taken else anchor.tried(self.now)

    @rule(choice=st.integers(0, 5))
    def mine(self, choice):
        ready = [tx for tx in self.chain.pool if tx.nonce == self.chain.nonce()]
        mined = ready[choice % len(ready)] if ready else None
        self.chain.blocks.append(mined)
        self.chain.pool = [tx for tx in self.chain.pool if tx.nonce >= self.chain.nonce()]

    @rule()
    def another_program_sends(self):
        self.chain.send(transaction(100_000 + len(self.chain.blocks), self.chain.nonce()))

    @rule(depth=st.integers(1, 4), remembers=st.booleans())
    def reorganise(self, depth, remembers):
        keep = max(self.chain.final, len(self.chain.blocks) - depth)
        gone = [tx for tx in self.chain.blocks[keep:] if tx is not None]
        self.chain.blocks = self.chain.blocks[:keep]
        self.chain.forks += 1
        if remembers:
            self.chain.pool += gone

    @precondition(lambda self: self.chain.pool)
    @rule()
    def forget(self):
        self.chain.pool.clear()

    @rule(blocks=st.integers(1, 3))
    def finalise(self, blocks):
        self.chain.final = min(self.chain.final + blocks, len(self.chain.blocks))

    @rule(seconds=st.sampled_from([1, 60, 700]))
    def wait(self, seconds):
        self.now += seconds * NS_PER_SECOND

    @invariant()
    def at_most_one_is_on_the_chain(self):
        ours = {tx.hash for tx in self.sent}
        assert sum(tx is not None and tx.hash in ours for tx in self.chain.blocks) <= 1

    @invariant()
    def only_the_newest_nonce_can_still_be_mined(self):
        used_up = self.chain.nonce(self.chain.final)
        open_nonces = {tx.nonce for tx in self.sent if tx.nonce >= used_up}
        assert len(open_nonces) <= 1

    @invariant()
    def what_is_final_stays_on_the_chain(self):
        if self.ended is not None:
            assert self.stored == self.ended
        if self.stored.state is AnchorState.FINALISED:
            self.ended = self.stored
            final = [tx.hash for tx in self.chain.blocks[: self.chain.final] if tx is not None]
            assert self.stored.receipt.anchored.tx_hash in final


TestAnchoring = Anchoring.TestCase
