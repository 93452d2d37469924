"""A published log of 15 entries with a signed checkpoint at every size."""

from __future__ import annotations

from base64 import b64decode

import pytest

from agentguard.audit.checkpoints import SignedCheckpoint
from agentguard.audit.errors import VerificationFailedError
from agentguard.audit.keys import VerifierKey
from agentguard.audit.merkle import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from tests.audit.hashes import StoredHashes
from tests.audit.vectors import document

LOG = document("signed_log.json")
KEY = VerifierKey.parse(LOG["vkey"])
LEAVES = [leaf_hash(b64decode(entry)) for entry in LOG["entries"]]
SIGNED = [SignedCheckpoint.parse(note.encode()) for note in LOG["checkpoints"]]
STORED = StoredHashes(Frontier().extended(LEAVES)[1])
ROOTS = [signed.checkpoint.root for signed in SIGNED]
PAIRS = [(old, size) for size in range(1, 16) for old in range(1, size)]


def test_each_checkpoint_is_signed_and_has_the_root_of_its_size():
    for size, signed in enumerate(SIGNED):
        assert signed.verify([KEY])
        assert signed.checkpoint.size == size
        assert Frontier().extended(LEAVES[:size])[0].root() == signed.checkpoint.root
    assert [leaf_hash(b64decode(entry)) for entry in LOG["entries"]] == [
        b64decode(value) for value in LOG["leaf_hashes"]
    ]


def test_each_entry_is_proven_at_each_size():
    proven = [(index, size) for size in range(1, 16) for index in range(size)]
    for index, size in proven:
        path = inclusion_proof(index, size, STORED)
        verify_inclusion(LEAVES[index], index, size, path, ROOTS[size])

    assert len(proven) == 120


def test_each_size_extends_each_smaller_one():
    for old, size in PAIRS:
        proof = consistency_proof(old, size, STORED)
        verify_consistency(old, ROOTS[old], size, ROOTS[size], proof)

    assert len(PAIRS) == 105


@pytest.mark.parametrize("changed", range(15))
def test_a_rewritten_entry_is_refused_everywhere(changed):
    leaves = [*LEAVES[:changed], leaf_hash(b"changed"), *LEAVES[changed + 1 :]]
    stored = StoredHashes(Frontier().extended(leaves)[1])
    for size in range(changed + 1, 16):
        for index in range(size):
            path = inclusion_proof(index, size, stored)
            with pytest.raises(VerificationFailedError):
                verify_inclusion(leaves[index], index, size, path, ROOTS[size])
    for old, size in PAIRS:
        if changed < size:
            proof = consistency_proof(old, size, stored)
            rewritten = Frontier().extended(leaves[:size])[0].root()
            claimed = rewritten if changed < old else ROOTS[size]
            with pytest.raises(VerificationFailedError):
                verify_consistency(old, ROOTS[old], size, claimed, proof)
