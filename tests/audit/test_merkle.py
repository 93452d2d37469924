"""The Merkle tree agrees with the published vectors and with the recursive definitions."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.audit.errors import HashMissingError, VerificationFailedError
from agentguard.audit.merkle import (
    EMPTY_ROOT,
    MAX_SIZE,
    Digest,
    Frontier,
    Node,
    Range,
    complete_subtrees,
    consistency_nodes,
    consistency_proof,
    inclusion_nodes,
    inclusion_proof,
    leaf_hash,
    node_hash,
    range_hash,
    root,
    verify_consistency,
    verify_inclusion,
    verify_subtree_consistency,
)
from tests.audit.hashes import StoredHashes
from tests.audit.naive_tree import naive_consistency, naive_path, naive_root
from tests.audit.vectors import document, lines

TREE = document("merkle_tree.json")
LEAVES = st.lists(st.binary(max_size=4), min_size=1, max_size=70)


def held(check: Callable[[], None]) -> bool:
    """Return whether a check passes; any other error than the declared one fails the test."""
    try:
        check()
    except VerificationFailedError:
        return False
    return True


def grown(leaves: Sequence[bytes]) -> tuple[Frontier, StoredHashes]:
    frontier, new = Frontier().extended(leaf_hash(leaf) for leaf in leaves)
    return frontier, StoredHashes(new)


def proof_of(case: dict[str, Any]) -> list[bytes]:
    return [b64decode(value) for value in case["proof"] or []]


def field(case: dict[str, Any], name: str) -> Digest:
    return Digest(b64decode(case[name]))


def inclusion(case: dict[str, Any]) -> bool:
    return held(
        lambda: verify_inclusion(
            field(case, "leafHash"),
            case["leafIdx"],
            case["treeSize"],
            proof_of(case),
            field(case, "root"),
        )
    )


def consistency(case: dict[str, Any]) -> bool:
    return held(
        lambda: verify_consistency(
            case["size1"],
            field(case, "root1"),
            case["size2"],
            field(case, "root2"),
            proof_of(case),
        )
    )


def subtree_inclusion(case: dict[str, Any]) -> bool:
    start, end = case["start"], case["end"]
    return held(
        lambda: verify_inclusion(
            field(case, "leafHash"),
            case["leafIdx"] - start,
            end - start,
            proof_of(case),
            field(case, "root"),
        )
    )


def subtree_consistency(case: dict[str, Any]) -> bool:
    return held(
        lambda: verify_subtree_consistency(
            Range(case["start"], case["end"]),
            field(case, "root1"),
            case["size"],
            field(case, "root2"),
            proof_of(case),
        )
    )


@pytest.mark.parametrize(
    ("name", "accepted", "count", "good"),
    [
        ("merkle_inclusion.jsonl", inclusion, 98, 6),
        ("merkle_consistency.jsonl", consistency, 98, 6),
        ("merkle_subtreeinclusion.jsonl", subtree_inclusion, 204, 12),
        ("merkle_subtreeconsistency.jsonl", subtree_consistency, 118, 12),
    ],
)
def test_good_vectors_are_accepted_and_bad_ones_refused(name, accepted, count, good):
    cases = lines(name)

    wrong = [case["id"] for case in cases if accepted(case) == case["wantErr"]]

    assert wrong == []
    assert len(cases) == count
    assert sum(accepted(case) for case in cases) == good


@pytest.mark.parametrize("size", range(9))
def test_the_reference_tree_has_the_published_roots(size):
    leaves = [bytes.fromhex(leaf) for leaf in TREE["leaves"][:size]]
    frontier, stored = grown(leaves)

    assert [leaf_hash(leaf).hex() for leaf in leaves] == TREE["leaf_hashes"][:size]
    assert frontier.root().hex() == TREE["roots"][size]
    assert root(size, stored).hex() == TREE["roots"][size]


def test_leaves_and_nodes_hash_in_separate_domains():
    left, right = leaf_hash(b"a"), leaf_hash(b"b")

    assert node_hash(left, right) != leaf_hash(left + right)
    assert Frontier().root() == EMPTY_ROOT != leaf_hash(b"")


@given(leaves=LEAVES, data=st.data())
def test_proofs_are_those_of_the_definition_and_verify(leaves, data):
    size = len(leaves)
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    whole, before = naive_root(leaves), naive_root(leaves[:old])
    frontier, stored = grown(leaves)

    path = inclusion_proof(index, size, stored)
    extension = consistency_proof(old, size, stored)

    assert frontier.root() == root(size, stored) == whole
    assert path == naive_path(index, leaves)
    assert extension == naive_consistency(old, leaves)
    verify_inclusion(leaf_hash(leaves[index]), index, size, path, whole)
    verify_consistency(old, before, size, whole, extension)


@given(leaves=LEAVES, data=st.data())
def test_any_subtree_is_shown_to_be_part_of_the_tree(leaves, data):
    size = len(leaves)
    length = data.draw(st.integers(1, size))
    step = 1 << (length - 1).bit_length()
    start = step * data.draw(st.integers(0, (size - length) // step))
    part = Range(start, start + length)
    frontier, stored = grown(leaves)
    ranges = [*_layout(part, size)]

    proof = [range_hash(leaves, stored) for leaves in ranges]

    verify_subtree_consistency(
        part, naive_root(leaves[part.start : part.end]), size, frontier.root(), proof
    )


def _layout(part: Range, size: int) -> list[Range]:
    """SUBTREE_PROOF of draft-ietf-plants-merkle-tree-certs §4.4.1, by its recursion."""

    def below(start, end, offset, size, known):
        if (start, end) == (0, size):
            return [] if known else [Range(offset, offset + size)]
        k = 1
        while 2 * k < size:
            k *= 2
        if end <= k:
            return [*below(start, end, offset, k, known), Range(offset + k, offset + size)]
        known = known and k <= start
        inner = below(max(0, start - k), end - k, offset + k, size - k, known)
        return [*inner, Range(offset, offset + k)]

    return below(*part, 0, size, known=True)


@given(leaves=LEAVES, data=st.data())
def test_no_altered_inclusion_proof_verifies(leaves, data):
    size = len(leaves)
    index = data.draw(st.integers(0, size - 1))
    path = list(naive_path(index, leaves))
    whole, leaf = naive_root(leaves), leaf_hash(leaves[index])
    altered = data.draw(st.sampled_from(["leaf", "root", "index", "size", "cut", "more", "bit"]))
    if altered == "leaf":
        leaf = leaf_hash(leaves[index] + b"x")
    elif altered == "root":
        whole = leaf_hash(whole)
    elif altered == "index":
        other = data.draw(st.integers(-1, size + 1).filter(lambda other: other != index))
        if 0 <= other < size and leaves[other] == leaves[index]:
            return
        index = other
    elif altered == "size":
        size = data.draw(st.sampled_from([0, -1, index, MAX_SIZE, MAX_SIZE + 1, 1 << 70]))
    elif altered == "more":
        path.append(leaf)
    elif not path:
        return
    elif altered == "cut":
        path.pop()
    else:
        at = data.draw(st.integers(0, len(path) - 1))
        path[at] = Digest(bytes([path[at][0] ^ 1]) + path[at][1:])

    with pytest.raises(VerificationFailedError):
        verify_inclusion(leaf, index, size, path, whole)


@given(leaves=LEAVES, other=LEAVES, data=st.data())
def test_no_consistency_proof_hides_a_rewritten_leaf(leaves, other, data):
    old = data.draw(st.integers(1, len(leaves)))
    at = data.draw(st.integers(0, old - 1))
    rewritten = [*leaves[:at], leaves[at] + b"x", *leaves[at + 1 :]]
    frontier, stored = grown(rewritten)
    for size, proof in (
        (len(rewritten), consistency_proof(old, len(rewritten), stored)),
        (len(rewritten), naive_consistency(old, leaves)),
        (len(rewritten), tuple(leaf_hash(leaf) for leaf in other)),
    ):
        with pytest.raises(VerificationFailedError):
            verify_consistency(old, naive_root(leaves[:old]), size, frontier.root(), proof)


@given(
    numbers=st.tuples(*[st.integers(-2, 1 << 65)] * 3),
    proof=st.lists(st.binary(max_size=40), max_size=70),
    hashes=st.tuples(*[st.binary(max_size=40)] * 2),
)
def test_no_input_breaks_a_verifier(numbers, proof, hashes):
    first, second, third = numbers
    digests = [Digest(value) for value in hashes]

    held(lambda: verify_inclusion(digests[0], first, second, proof, digests[1]))
    held(lambda: verify_consistency(first, digests[0], second, digests[1], proof))
    held(
        lambda: verify_subtree_consistency(
            Range(first, second), digests[0], third, digests[1], proof
        )
    )


def test_no_tree_is_larger_than_63_bits_can_count():
    leaf, path = leaf_hash(b""), [leaf_hash(bytes([n])) for n in range(63)]
    top = leaf
    for sibling in path:
        top = node_hash(top, sibling)

    verify_inclusion(leaf, 0, MAX_SIZE, path, top)
    verify_consistency(1, leaf, MAX_SIZE, top, path)
    with pytest.raises(VerificationFailedError, match="has no leaf"):
        verify_inclusion(leaf, 0, MAX_SIZE + 1, path, top)
    with pytest.raises(VerificationFailedError, match="can be proven"):
        verify_consistency(1, leaf, MAX_SIZE + 1, top, path)


@given(first=LEAVES, second=st.lists(st.binary(max_size=4), max_size=70))
def test_appending_in_two_steps_is_appending_at_once(first, second):
    frontier, stored = grown(first)

    twice, added = frontier.extended(leaf_hash(leaf) for leaf in second)
    at_once, all_hashes = grown([*first, *second])

    assert twice == at_once
    assert {**stored.hashes, **added} == all_hashes.hashes
    assert Frontier.read(at_once.size, all_hashes) == at_once
    assert not stored.hashes.keys() & added.keys()


@pytest.mark.parametrize("size", [1, 1_000_000, MAX_SIZE])
def test_a_proof_reads_few_hashes(size):
    assert len(inclusion_nodes(size // 3, size)) <= 126
    assert len(consistency_nodes(size // 3 + 1, size)) <= 126
    assert len(complete_subtrees(Range(0, size))) == size.bit_count()


def test_a_hash_of_a_proof_has_32_bytes():
    leaf = leaf_hash(b"a")
    for wrong in (b"", bytes(31), bytes(33)):
        with pytest.raises(VerificationFailedError, match="not 32 bytes"):
            verify_inclusion(leaf, 0, 2, [wrong], node_hash(leaf, Digest(wrong)))


def test_a_missing_hash_is_named():
    _, stored = grown([b"a", b"b", b"c"])
    holes = StoredHashes({k: v for k, v in stored.hashes.items() if k != Node(1, 0)})

    with pytest.raises(HashMissingError, match="subtree 0 at level 1"):
        inclusion_proof(2, 3, holes)


@pytest.mark.parametrize(("index", "size"), [(3, 3), (-1, 3), (0, 0)])
def test_no_proof_is_made_for_a_leaf_that_is_not_there(index, size):
    _, stored = grown([b"a", b"b", b"c"])

    with pytest.raises(ValueError, match="has no leaf"):
        inclusion_proof(index, size, stored)


@pytest.mark.parametrize(("old", "size"), [(0, 3), (4, 3), (-1, 3)])
def test_no_proof_leads_from_an_empty_or_a_larger_tree(old, size):
    _, stored = grown([b"a", b"b", b"c"])

    with pytest.raises(ValueError, match="no consistency proof"):
        consistency_proof(old, size, stored)
