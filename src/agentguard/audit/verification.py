"""Checks an evidence bundle: each check is verified, failed or not checkable, and says why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from agentguard.audit.anchors import AnchorReceipt
from agentguard.audit.bundles import Bundle
from agentguard.audit.chain import ChainReader, MinedTransaction
from agentguard.audit.checkpoints import Checkpoint
from agentguard.audit.entries import Entry
from agentguard.audit.errors import AuditFormatError, VerificationFailedError
from agentguard.audit.handovers import KeyChain
from agentguard.audit.keys import VerifierKey
from agentguard.audit.merkle import Digest, leaf_hash, verify_consistency, verify_inclusion
from agentguard.kernel.clock import timestamp
from agentguard.kernel.errors import UnavailableError


class Outcome(StrEnum):
    """What became of a check."""

    VERIFIED = "verified"
    FAILED = "failed"
    NOT_CHECKABLE = "not checkable"


class CheckName(StrEnum):
    """What is checked, in this order."""

    FORMAT = "format"
    """The file is a bundle."""
    ENTRY = "entry"
    """The entry is canonical JSON of a known schema."""
    PAYLOAD = "payload"
    """The payload is the one that the entry commits to."""
    INCLUSION = "inclusion"
    """The entry is in the tree of the checkpoint, at this index."""
    SIGNATURE = "signature"
    """The log has signed the checkpoint, by a key that is trusted from elsewhere."""
    CHECKPOINT = "checkpoint"
    """The checkpoint agrees with one that is trusted from elsewhere."""
    WITNESSES = "witnesses"
    """Each trusted witness has cosigned the checkpoint."""
    ANCHOR = "anchor"
    """A blockchain holds the checkpoint, in a final block."""


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one check."""

    name: CheckName
    outcome: Outcome
    detail: str
    """What was found; of a failure, the first step that differs."""


@dataclass(frozen=True, slots=True)
class Report:
    """The outcomes of all checks of a bundle."""

    checks: tuple[Check, ...]
    asked: frozenset[CheckName] = frozenset()
    """Checks that were asked for: without all of them, nothing is verified."""

    @property
    def outcome(self) -> Outcome:
        """Failed if any check failed; verified if the entry is in a log that is trusted.

        That takes a trusted key or checkpoint from outside the bundle. Otherwise not checkable:
        the bundle is consistent, and nobody outside vouches for it. (The checks of format, entry
        and inclusion are always made: they are verified or failed.)
        """
        if any(check.outcome is Outcome.FAILED for check in self.checks):
            return Outcome.FAILED
        verified = {check.name for check in self.checks if check.outcome is Outcome.VERIFIED}
        trusted = verified & {CheckName.SIGNATURE, CheckName.CHECKPOINT}
        return Outcome.VERIFIED if trusted and self.asked <= verified else Outcome.NOT_CHECKABLE


@dataclass(frozen=True, slots=True)
class Trust:
    """What the verifier knows from elsewhere, never from the bundle."""

    keys: tuple[VerifierKey, ...] = ()
    """Of the log."""
    handovers: tuple[bytes, ...] = ()
    """Signed handover notes, beside those in the bundle, which may leave one out."""
    checkpoint: Checkpoint | None = None
    """Of the log, seen earlier, or got from somebody else."""
    consistency: tuple[Digest, ...] | None = None
    """A consistency proof between both checkpoints, for sizes that differ."""
    witnesses: tuple[VerifierKey, ...] = ()
    """All of these must have cosigned."""
    chain_id: int | None = None
    contract: str | None = None
    """The address that anchors this log: 0x and hex."""


class _NotCheckableError(Exception):
    """A check lacks something: the message says what."""


def verify_bundle(raw: bytes, trust: Trust, *, chain: ChainReader | None = None) -> Report:
    """Return the outcome of each check of a bundle's file. Raises nothing for any bytes.

    Without `chain`, an anchor is compared with the checkpoint only, and is not checkable. A bundle
    is verified only if everything is that it is held against: the trusted checkpoint, the
    witnesses, and the anchor where `chain`, a chain's id or a contract is given.
    """
    try:
        bundle = Bundle.parse(raw)
    except AuditFormatError as error:
        return Report((Check(CheckName.FORMAT, Outcome.FAILED, str(error)),))
    return Report(tuple(_checks(bundle, trust, chain)), frozenset(_asked(trust, chain)))


def _asked(trust: Trust, chain: ChainReader | None) -> Iterator[CheckName]:
    if trust.checkpoint is not None:
        yield CheckName.CHECKPOINT
    if trust.witnesses:
        yield CheckName.WITNESSES
    if chain is not None or trust.chain_id is not None or trust.contract is not None:
        yield CheckName.ANCHOR


def _checks(bundle: Bundle, trust: Trust, chain: ChainReader | None) -> Iterator[Check]:
    yield Check(CheckName.FORMAT, Outcome.VERIFIED, "the file is an evidence bundle")
    yield _outcome(CheckName.ENTRY, lambda: _entry(bundle))
    yield _outcome(CheckName.PAYLOAD, lambda: _payload(bundle))
    yield _outcome(CheckName.INCLUSION, lambda: _inclusion(bundle))
    yield _outcome(CheckName.SIGNATURE, lambda: _signature(bundle, trust))
    yield _outcome(CheckName.CHECKPOINT, lambda: _checkpoint(bundle, trust))
    yield _outcome(CheckName.WITNESSES, lambda: _witnesses(bundle, trust))
    yield _outcome(CheckName.ANCHOR, lambda: _anchor(bundle, trust, chain))


def _outcome(name: CheckName, check: Callable[[], str]) -> Check:
    try:
        return Check(name, Outcome.VERIFIED, check())
    except VerificationFailedError as error:
        return Check(name, Outcome.FAILED, error.reason)
    except AuditFormatError as error:
        return Check(name, Outcome.FAILED, f"the {error.part} is malformed: {error.problem}")
    except _NotCheckableError as error:
        return Check(name, Outcome.NOT_CHECKABLE, str(error))


def _entry(bundle: Bundle) -> str:
    entry = Entry.parse(bundle.leaf)
    time = timestamp(entry.time_ns) or f"{entry.time_ns} ns"
    return f"{entry.action} by {entry.actor.id} at {time}"


def _payload(bundle: Bundle) -> str:
    if bundle.payload is None:
        raise _NotCheckableError("the bundle has no payload: it was removed or is not disclosed")
    try:
        entry = Entry.parse(bundle.leaf)
    except AuditFormatError:
        raise _NotCheckableError("the entry is malformed") from None
    entry.check_payload(bundle.payload.canonical, bundle.payload.salt)
    return "the payload is the one that the entry commits to"


def _inclusion(bundle: Bundle) -> str:
    checkpoint = bundle.signed.checkpoint
    leaf = leaf_hash(bundle.leaf)
    verify_inclusion(leaf, bundle.index, checkpoint.size, bundle.proof, checkpoint.root)
    return f"the entry is number {bundle.index} of {checkpoint.size} in {checkpoint.origin}"


def _signature(bundle: Bundle, trust: Trust) -> str:
    if trust.keys:
        return f"signed by {_signers(bundle, trust)}, which leads back to a trusted key"
    if bundle.key is None:
        raise _NotCheckableError("no key is given")
    signer = _signers(bundle, replace(trust, keys=(bundle.key,)))
    raise _NotCheckableError(
        f"consistent with the key inside the bundle ({signer}); give a key that you trust"
    )


def _signers(bundle: Bundle, trust: Trust) -> str:
    chain = KeyChain.follow(trust.keys, (*bundle.handovers, *trust.handovers))
    known = chain.verify(bundle.signed)
    return ", ".join(f"{one.key.name} (key {one.key.key_id.hex()})" for one in known)


def _checkpoint(bundle: Bundle, trust: Trust) -> str:
    given, trusted = bundle.signed.checkpoint, trust.checkpoint
    if trusted is None:
        raise _NotCheckableError("no trusted checkpoint is given")
    if given.origin != trusted.origin:
        raise VerificationFailedError(
            f"the checkpoint belongs to the log {given.origin!r}, the trusted one to"
            f" {trusted.origin!r}"
        )
    if given.size == trusted.size:
        if given.root != trusted.root:
            raise VerificationFailedError(
                f"fork: the trusted checkpoint has another root hash at size {given.size}"
            )
        return f"the checkpoint is the trusted one, of size {given.size}"
    if trust.consistency is None:
        raise _NotCheckableError(
            f"the trusted checkpoint has size {trusted.size}, the bundle's {given.size}; get a"
            " consistency proof between them, or the bundle at the trusted size"
        )
    old, new = sorted((given, trusted), key=lambda checkpoint: checkpoint.size)
    verify_consistency(old.size, old.root, new.size, new.root, trust.consistency)
    if bundle.index >= trusted.size:  # anybody can extend a log, and prove that it is extended
        raise _NotCheckableError(
            f"the trusted checkpoint has {trusted.size} entries, and vouches for none after them;"
            " give the log's key, or a larger checkpoint"
        )
    return f"the checkpoints of sizes {old.size} and {new.size} are of one log"


def _witnesses(bundle: Bundle, trust: Trust) -> str:
    if not trust.witnesses:
        others = {s.name: None for s in bundle.signed.note.signatures}
        others.pop(bundle.signed.checkpoint.origin, None)
        named = f"; it claims cosignatures by {', '.join(others)}" if others else ""
        raise _NotCheckableError(f"no witness's key is given{named}")
    known = [bundle.signed.note.verify([witness]) for witness in trust.witnesses]
    signed = ", ".join(f"{one.key.name} at {one.time_seconds} s" for ones in known for one in ones)
    return f"cosigned by {signed}"


def _anchor(bundle: Bundle, trust: Trust, chain: ChainReader | None) -> str:
    receipt = bundle.receipt
    if receipt is None:
        raise _NotCheckableError("the bundle has no anchor receipt")
    if difference := receipt.difference(bundle.signed.checkpoint) or _misplaced(receipt, trust):
        raise VerificationFailedError(difference)
    if chain is None:
        raise _NotCheckableError(
            f"the receipt is for this checkpoint; give an RPC of chain {receipt.chain_id} to ask"
            " whether the chain has it"
        )
    try:
        mined = _ask(receipt, chain)
    except UnavailableError as error:
        raise _NotCheckableError(str(error)) from None
    if difference := _mined_otherwise(receipt, mined):
        raise VerificationFailedError(difference)
    if not mined.finalised:
        raise _NotCheckableError(f"block {mined.block_number} is not final yet; try again later")
    by = "the trusted contract" if trust.contract else "the address that the bundle names,"
    return (
        f"anchored through {by} {receipt.contract} in block {mined.block_number} of chain"
        f" {receipt.chain_id} at {mined.block_time} s"
    )


def _misplaced(receipt: AnchorReceipt, trust: Trust) -> str | None:
    """Return how a receipt differs from where the verifier expects the log's anchors."""
    if trust.chain_id is not None and receipt.chain_id != trust.chain_id:
        return f"the anchor receipt is of chain {receipt.chain_id}, not {trust.chain_id}"
    if trust.contract is not None and receipt.contract != trust.contract.lower():
        return f"the anchor receipt is of the contract {receipt.contract}, not {trust.contract}"
    return None


def _ask(receipt: AnchorReceipt, chain: ChainReader) -> MinedTransaction:
    served = chain.chain_id()
    if served != receipt.chain_id:
        raise _NotCheckableError(
            f"the RPC serves chain {served}, the receipt is of chain {receipt.chain_id}"
        )
    mined = chain.transaction(receipt.tx_hash)
    if mined is None:
        raise _unrecorded(receipt, chain)
    return mined


def _unrecorded(receipt: AnchorReceipt, chain: ChainReader) -> Exception:
    """Return what is known of a transaction that the endpoint has no record of.

    Nodes drop the records of old transactions, and old blocks. Only the block itself contradicts.
    """
    tx_hash, number = receipt.tx_hash, receipt.block_number
    unknown = f"the endpoint has no record of transaction {tx_hash}"
    block = chain.block(number)
    if block is None:
        why = f"{unknown}, nor of block {number}; ask one that keeps old transactions"
        return _NotCheckableError(why)
    gone = "it was never mined, or its block was reorganised away"
    if block.hash != receipt.block_hash:
        return VerificationFailedError(f"{unknown}, and block {number} has another hash: {gone}")
    if tx_hash not in block.transactions:
        return VerificationFailedError(f"{unknown}, and block {number} does not hold it: {gone}")
    return _NotCheckableError(
        f"{unknown}, although block {number} holds it; ask one that keeps old transactions"
    )


def _mined_otherwise(receipt: AnchorReceipt, mined: MinedTransaction) -> str | None:
    """Return the first difference between a receipt and what the chain has, or None."""
    data = mined.data.get(receipt.contract)
    steps = (
        (
            mined.block_number != receipt.block_number,
            f"the transaction is in block {mined.block_number}, not {receipt.block_number}",
        ),
        (
            mined.block_hash != receipt.block_hash,
            f"block {mined.block_number} has another hash: the chain was reorganised",
        ),
        (
            mined.block_time != receipt.block_time,
            f"block {mined.block_number} is of {mined.block_time} s, not {receipt.block_time} s",
        ),
        (not mined.succeeded, "the transaction was reverted"),
        (data is None, f"the transaction does not concern the contract {receipt.contract}"),
        (receipt.data not in (data or ()), "the transaction anchors other data than the receipt"),
    )
    return next((difference for differs, difference in steps if differs), None)
