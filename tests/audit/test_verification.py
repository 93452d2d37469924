"""Each way to tamper with a bundle is detected, with the right words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.audit.anchors import AnchorReceipt, anchor_data
from agentguard.audit.bundles import Bundle
from agentguard.audit.chain import MinedBlock
from agentguard.audit.checkpoints import SignedCheckpoint
from agentguard.audit.errors import AuditFormatError
from agentguard.audit.handovers import hand_over
from agentguard.audit.merkle import EMPTY_ROOT
from agentguard.audit.proofs import TlogProof
from agentguard.audit.verification import Check, CheckName, Outcome, Trust, verify_bundle
from tests.audit.keys import KEY, NEXT_KEY, WITNESS, signing_key
from tests.audit.logs import CHAIN, CONTRACT, TX_HASH, Chain, Log, entry, receipt
from tests.audit.tampering import (
    ANCHORED,
    CASES,
    GOOD,
    INDEX,
    LOG,
    RECEIPT,
    SIZE,
    TRUSTED_KEY,
)
from tests.audit.vectors import document


def check(name: CheckName, raw: bytes, trust: Trust, chain=None) -> Check:
    (found,) = [c for c in verify_bundle(raw, trust, chain=chain).checks if c.name is name]
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_tampering_is_detected(case):
    report = verify_bundle(case.raw, case.trust)

    failed = {c.name: c.detail for c in report.checks if c.outcome is Outcome.FAILED}
    assert failed.keys() == case.failed.keys()
    assert all(words in failed[name] for name, words in case.failed.items())
    assert report.outcome is case.outcome


def test_every_check_is_reported_in_order():
    report = verify_bundle(ANCHORED.encode(), TRUSTED_KEY)

    assert [c.name for c in report.checks] == list(CheckName)
    assert [c.outcome for c in report.checks] == [
        Outcome.VERIFIED,
        Outcome.VERIFIED,
        Outcome.VERIFIED,
        Outcome.VERIFIED,
        Outcome.VERIFIED,
        Outcome.NOT_CHECKABLE,
        Outcome.NOT_CHECKABLE,
        Outcome.NOT_CHECKABLE,
    ]


def test_a_key_inside_the_bundle_is_trusted_by_nobody():
    found = check(CheckName.SIGNATURE, GOOD.encode(), Trust())

    assert found.outcome is Outcome.NOT_CHECKABLE
    assert "consistent with the key inside the bundle" in found.detail


def test_a_hand_over_that_the_bundle_leaves_out_still_counts():
    raw = GOOD.encode()
    trust = replace(TRUSTED_KEY, handovers=(hand_over(KEY, NEXT_KEY, size=SIZE - 1).encode(),))

    found = check(CheckName.SIGNATURE, raw, trust)

    assert check(CheckName.SIGNATURE, raw, TRUSTED_KEY).outcome is Outcome.VERIFIED
    assert found.outcome is Outcome.FAILED
    assert "was replaced at size 10, and signed size 11" in found.detail


def test_a_bundle_reads_back():
    for bundle in (GOOD, ANCHORED, replace(GOOD, payload=None, key=None), Log.of(1).bundle(0)):
        raw = bundle.encode()

        assert Bundle.parse(raw) == bundle
        assert Bundle.parse(raw).encode() == raw


def test_a_bundle_is_a_proof_of_the_specification():
    lines = GOOD.encode().decode().split("\n")

    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1].startswith("extra ")
    assert lines[2] == "index 5"
    assert lines[7:11] == ["", KEY.name, "11", lines[10]]
    assert lines[12].startswith(f"— {KEY.name} ")


def test_a_proof_without_extra_data_reads_back():
    signed = SignedCheckpoint.parse(document("signed_log.json")["checkpoints"][3].encode())
    proof = TlogProof(1, (EMPTY_ROOT, EMPTY_ROOT), signed)

    assert TlogProof.parse(proof.encode()) == proof
    assert b"extra" not in proof.encode()
    with pytest.raises(AuditFormatError, match="no extra data"):
        Bundle.parse(proof.encode())


@given(st.binary(max_size=300))
def test_other_bytes_raise_one_error_only(raw):
    for parse in (TlogProof.parse, Bundle.parse):
        with pytest.raises(AuditFormatError):
            parse(raw)


@given(st.integers(0, len(ANCHORED.encode()) - 1), st.binary(max_size=2))
def test_a_changed_byte_never_verifies_silently(at, replacement):
    raw = ANCHORED.encode()
    changed = raw[:at] + replacement + raw[at + 1 :]

    report = verify_bundle(changed, replace(TRUSTED_KEY, chain_id=CHAIN), chain=Chain.of(RECEIPT))

    if report.outcome is Outcome.VERIFIED and changed != raw:
        same, bundle = ANCHORED, Bundle.parse(changed)
        assert (bundle.leaf, bundle.index, bundle.signed.checkpoint) == (
            same.leaf,
            same.index,
            same.signed.checkpoint,
        )


@given(
    st.dictionaries(
        st.sampled_from([*RECEIPT.document(), "more"]),
        st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(["0x", "0X" + "0" * 64]),
        min_size=1,
    )
    | st.none()
    | st.text(max_size=3)
)
def test_other_documents_are_no_receipts(change):
    document = {**RECEIPT.document(), **change} if isinstance(change, dict) else change

    try:
        parsed = AnchorReceipt.parse(document)
    except AuditFormatError:
        return

    assert parsed.document() == document


def test_the_anchored_data_are_96_bytes_of_abi():
    data = anchor_data(LOG.signed(SIZE).checkpoint)

    assert len(data) == 96
    assert int.from_bytes(data[32:64], "big") == SIZE
    assert data[64:] == LOG.signed(SIZE).checkpoint.root


@pytest.mark.parametrize("size", [7, 13])
def test_a_trusted_checkpoint_of_another_size_needs_a_consistency_proof(size):
    other = LOG.signed(size).checkpoint
    old, new = sorted((size, SIZE))
    proof = LOG.consistency(old, new)

    held = check(CheckName.CHECKPOINT, GOOD.encode(), Trust(checkpoint=other, consistency=proof))
    refused = check(
        CheckName.CHECKPOINT, GOOD.encode(), Trust(checkpoint=other, consistency=proof[1:])
    )

    assert held.outcome is Outcome.VERIFIED
    assert held.detail == f"the checkpoints of sizes {old} and {new} are of one log"
    assert refused.outcome is Outcome.FAILED
    assert "hashes, not" in refused.detail


def test_a_rewritten_log_is_not_consistent_with_the_trusted_checkpoint():
    rewritten = Log([*LOG.entries[:8], LOG.entries[9], *LOG.entries[9:]])
    trust = Trust(checkpoint=LOG.signed(9).checkpoint, consistency=rewritten.consistency(9, SIZE))

    found = check(CheckName.CHECKPOINT, rewritten.bundle(5, SIZE).encode(), trust)

    assert found.outcome is Outcome.FAILED
    assert "leads to another old root hash" in found.detail


def test_trusted_witnesses_must_have_cosigned():
    cosigned = LOG.bundle(5, signed=LOG.signed(SIZE, WITNESS)).encode()
    trust = replace(TRUSTED_KEY, witnesses=(WITNESS.verifier,))
    another = signing_key("w2", "witness.example/w2", WITNESS.type).verifier

    held = check(CheckName.WITNESSES, cosigned, trust)
    missing = check(CheckName.WITNESSES, GOOD.encode(), trust)
    both = check(
        CheckName.WITNESSES, cosigned, replace(trust, witnesses=(WITNESS.verifier, another))
    )

    assert held == Check(
        CheckName.WITNESSES,
        Outcome.VERIFIED,
        "cosigned by witness.example/w1 at 1700000000 s",
    )
    assert missing.outcome is both.outcome is Outcome.FAILED
    assert "no signature is by witness.example/w2" in both.detail


OTHER = "0x" + "0c" * 20


def unrecorded(block_hash: str, *transactions: str) -> Chain:
    """Return a chain without a record of the transaction, with a block at its height."""
    return Chain(blocks={RECEIPT.block_number: MinedBlock(block_hash, frozenset(transactions))})


@pytest.mark.parametrize(
    ("chain", "outcome", "words"),
    [
        (Chain.of(RECEIPT), Outcome.VERIFIED, f"in block 7 of chain {CHAIN} at 1700000100 s"),
        (Chain(), Outcome.NOT_CHECKABLE, f"no record of transaction {TX_HASH}, nor of block 7"),
        (unrecorded(RECEIPT.block_hash, TX_HASH), Outcome.NOT_CHECKABLE, "although block 7 holds"),
        (unrecorded(RECEIPT.block_hash), Outcome.FAILED, "block 7 does not hold it: it was never"),
        (unrecorded(OTHER, TX_HASH), Outcome.FAILED, "another hash: it was never mined, or its bl"),
        (Chain.of(RECEIPT, block_number=8), Outcome.FAILED, "is in block 8, not 7"),
        (Chain.of(RECEIPT, block_hash="0x" + "00" * 32), Outcome.FAILED, "was reorganised"),
        (Chain.of(RECEIPT, block_time=5), Outcome.FAILED, "is of 5 s, not 1700000100 s"),
        (Chain.of(RECEIPT, succeeded=False), Outcome.FAILED, "was reverted"),
        (
            Chain.of(RECEIPT, data={OTHER: (RECEIPT.data,)}),
            Outcome.FAILED,
            "not concern the contract",
        ),
        (Chain.of(RECEIPT, data={CONTRACT: (bytes(96),)}), Outcome.FAILED, "anchors other data"),
        (Chain.of(RECEIPT, finalised=False), Outcome.NOT_CHECKABLE, "block 7 is not final yet"),
        (Chain(id=137), Outcome.NOT_CHECKABLE, "the RPC serves chain 137, the receipt is of chain"),
        (Chain(away=True), Outcome.NOT_CHECKABLE, "the RPC is unreachable"),
        (None, Outcome.NOT_CHECKABLE, "give an RPC of chain 80002"),
    ],
)
def test_an_anchor_is_what_the_chain_says(chain, outcome, words):
    found = check(CheckName.ANCHOR, ANCHORED.encode(), TRUSTED_KEY, chain)

    assert found.outcome is outcome
    assert words in found.detail


@pytest.mark.parametrize(
    ("trust", "words"),
    [
        (Trust(chain_id=137), "is of chain 80002, not 137"),
        (Trust(contract=OTHER), f"is of the contract {CONTRACT}, not {OTHER}"),
    ],
)
def test_a_receipt_of_another_chain_or_contract_is_refused(trust, words):
    found = check(CheckName.ANCHOR, ANCHORED.encode(), trust, Chain.of(RECEIPT))

    assert found.outcome is Outcome.FAILED
    assert words in found.detail


def test_the_trusted_contract_is_named_whatever_its_case():
    trust = Trust(contract=CONTRACT.upper().replace("X", "x"), chain_id=CHAIN)

    found = check(CheckName.ANCHOR, ANCHORED.encode(), trust, Chain.of(RECEIPT))

    assert found.outcome is Outcome.VERIFIED
    assert "through the trusted contract" in found.detail


def test_a_new_anchor_of_a_rewritten_log_shows_its_late_time():
    rewritten = Log([*LOG.entries[:8], LOG.entries[9], *LOG.entries[9:]])
    late = receipt(rewritten.signed(SIZE), block_number=9_000, block_time=1_800_000_000)
    bundle = rewritten.bundle(5, SIZE, receipt=late)

    found = check(CheckName.ANCHOR, bundle.encode(), TRUSTED_KEY, Chain.of(late))

    assert "at 1800000000 s" in found.detail


def test_a_checkpoint_vouches_for_no_entry_after_it() -> None:
    """Anybody can extend a public log, sign that with a key of his own, and prove the extension."""
    trusted = LOG.signed(SIZE).checkpoint
    forged = Log([*LOG.entries[:SIZE], entry(SIZE, {"forged": True})], signing_key("forger"))
    bundle = forged.bundle(SIZE, SIZE + 1)
    trust = Trust(checkpoint=trusted, consistency=forged.consistency(SIZE, SIZE + 1))

    report = verify_bundle(bundle.encode(), trust)

    assert report.outcome is not Outcome.VERIFIED
    assert "vouches for none after them" in next(
        c.detail for c in report.checks if c.name is CheckName.CHECKPOINT
    )
    earlier = verify_bundle(forged.bundle(INDEX, SIZE + 1).encode(), trust)
    assert earlier.outcome is Outcome.VERIFIED, "of the entries before it the proof says enough"


def test_an_anchor_that_the_chain_was_asked_for_must_be_there() -> None:
    anchored = ANCHORED.encode()

    away = verify_bundle(anchored, TRUSTED_KEY, chain=Chain(away=True))
    there = verify_bundle(anchored, TRUSTED_KEY, chain=Chain.of(RECEIPT))
    without = verify_bundle(GOOD.encode(), TRUSTED_KEY, chain=Chain.of(RECEIPT))

    assert (away.outcome, without.outcome) == (Outcome.NOT_CHECKABLE, Outcome.NOT_CHECKABLE)
    assert there.outcome is Outcome.VERIFIED
    assert verify_bundle(anchored, TRUSTED_KEY).outcome is Outcome.VERIFIED, "it was not asked"
