"""The document that says where an entry is anchored."""

from __future__ import annotations

import pytest

from agentguard.audit.documents import blockchain_proof_document
from agentguard.audit.merkle import leaf_hash
from agentguard.audit.verification import Check, CheckName, Trust, verify_bundle
from tests.audit.logs import CHAIN, CONTRACT, TX_HASH, Chain, Log, receipt

LOG = Log.of(5)
SIGNED = LOG.signed()
RECEIPT = receipt(SIGNED)
ANCHORED = LOG.bundle(3, receipt=RECEIPT)


def asked(chain: Chain) -> Check:
    report = verify_bundle(ANCHORED.encode(), Trust(), chain=chain)
    return next(check for check in report.checks if check.name is CheckName.ANCHOR)


def test_it_has_what_clients_rely_on():
    document = blockchain_proof_document(ANCHORED, asked(Chain.of(RECEIPT)))

    assert document.pop("reason").startswith("anchored through")
    assert document == {
        "chain": "Polygon Amoy",
        "chain_id": CHAIN,
        "tx_hash": TX_HASH,
        "block": 7,
        "timestamp": "2023-11-14T22:15:00.000000000Z",
        "contract": CONTRACT,
        "data_hash": leaf_hash(LOG.entries[3].leaf).hex(),
        "verified": True,
    }


@pytest.mark.parametrize(
    ("chain", "verified", "reason"),
    [
        (Chain.of(RECEIPT, finalised=False), None, "not final yet"),
        (Chain.of(RECEIPT, block_hash="0x" + "ee" * 32), False, "reorganised"),
        (Chain({}), False, "has no transaction"),
        (Chain({}, away=True), None, "unreachable"),
        (Chain({}, id=137), None, "serves chain 137"),
    ],
)
def test_it_is_verified_only_if_the_chain_says_so(chain, verified, reason):
    document = blockchain_proof_document(ANCHORED, asked(chain))

    assert document["verified"] is verified
    assert reason in document["reason"]


def test_a_receipt_alone_verifies_nothing():
    document = blockchain_proof_document(ANCHORED)

    assert (document["verified"], document["reason"]) == (None, "The chain was not asked.")


def test_an_entry_that_is_not_anchored_has_no_transaction():
    document = blockchain_proof_document(LOG.bundle(3), None)

    assert [document[name] for name in ("chain", "tx_hash", "block", "timestamp")] == [None] * 4
    assert document["verified"] is None
    assert "final yet" in document["reason"]
