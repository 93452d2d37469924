"""The Merkle tree of RFC 9162 (and RFC 6962) over SHA-256: hashes, proofs, their verification.

A range `[start, end)` of leaves is addressed by its first and its end leaf. A range whose size is a
power of two that divides its start is a complete subtree: its hash never changes once its leaves
are there, so it is what a log stores, under its `Node`.

Prover and verifier lay a proof out by the same function, `inclusion_ranges` or
`consistency_ranges`: the ranges whose hashes make up the proof, from the leaves to the root.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from hashlib import sha256
from typing import NamedTuple, NewType, Protocol

from agentguard.audit.errors import AuditFormatError, VerificationFailedError

Digest = NewType("Digest", bytes)
"""A SHA-256 hash, 32 bytes: of a leaf, of a node, or of a whole tree."""

DIGEST_BYTES = 32
EMPTY_ROOT = Digest(sha256(b"").digest())
MAX_SIZE = (1 << 63) - 1
"""The largest number of leaves that is accepted in foreign data."""


class Node(NamedTuple):
    """A complete subtree: the leaves from `number << level` on, `1 << level` of them."""

    level: int
    number: int


class Range(NamedTuple):
    """The leaves from `start` to before `end`."""

    start: int
    end: int


class HashReader(Protocol):
    """Where the hashes of complete subtrees are stored."""

    def hash_of(self, node: Node) -> Digest:
        """Return the stored hash. Raises HashMissingError where there is none."""


def digest(raw: bytes, part: str) -> Digest:
    """Return the bytes as a hash. Raises AuditFormatError, naming `part`, if they are not 32."""
    if len(raw) != DIGEST_BYTES:
        raise AuditFormatError(part, f"a hash has {len(raw)} bytes, not {DIGEST_BYTES}")
    return Digest(raw)


def leaf_hash(data: bytes) -> Digest:
    """Return the hash of a leaf's data (RFC 9162 §2.1.1)."""
    return Digest(sha256(b"\x00" + data).digest())


def node_hash(left: Digest, right: Digest) -> Digest:
    """Return the hash of an inner node (RFC 9162 §2.1.1)."""
    return Digest(sha256(b"\x01" + left + right).digest())


def subtree_hash(nodes: bytes) -> Digest:
    """Return the root of a complete subtree, from its nodes of one level, one after the other."""
    while len(nodes) > DIGEST_BYTES:
        pairs = range(0, len(nodes), 2 * DIGEST_BYTES)
        nodes = b"".join(
            [sha256(b"\x01" + nodes[at : at + 2 * DIGEST_BYTES]).digest() for at in pairs]
        )
    return Digest(nodes)


def complete_subtrees(leaves: Range) -> tuple[Node, ...]:
    """Return the complete subtrees that make up a range of a tree, largest first.

    The range must start at a multiple of the next power of two of its size, as all ranges of RFC
    9162 do: it has at most 63 such subtrees, one for each bit of its size.
    """
    nodes = []
    start = leaves.start
    for level in reversed(range((leaves.end - leaves.start).bit_length())):
        if (leaves.end - leaves.start) >> level & 1:
            nodes.append(Node(level, start >> level))
            start += 1 << level
    return tuple(nodes)


def range_hash(leaves: Range, stored: HashReader) -> Digest:
    """Return the root hash of the leaves in this range (MTH in RFC 9162).

    Reads O(log n) stored hashes. Raises HashMissingError.
    """
    return _joined([stored.hash_of(node) for node in complete_subtrees(leaves)])


def root(size: int, stored: HashReader) -> Digest:
    """Return the hash of the tree of the first `size` leaves. Raises HashMissingError."""
    return range_hash(Range(0, size), stored)


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Return the ranges of an inclusion proof, from leaf to root: PATH of RFC 9162 §2.1.3.1."""
    ranges = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            ranges.append(Range(middle, end))
            end = middle
        else:
            ranges.append(Range(start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(old: Range, size: int) -> list[Range]:
    """Return the ranges of a consistency proof, from the leaves to the root.

    `old` is a tree of the first leaves, `Range(0, old size)`: PROOF of RFC 9162 §2.1.4.1. More
    generally it is a subtree of draft-ietf-plants-merkle-tree-certs §4.4.

    If `old` is one of the subtrees met on the way down, the proof starts from its own root, which
    the verifier knows; otherwise the first range is the one that both trees are built upon.
    """
    ranges = []
    start, end = 0, size
    while end != old.end or start < old.start:
        middle = start + _split(end - start)
        if old.end <= middle:
            ranges.append(Range(middle, end))
            end = middle
        else:
            ranges.append(Range(start, middle))
            start = middle
    if (start, end) != old:
        ranges.append(Range(start, end))
    return ranges[::-1]


def inclusion_nodes(index: int, size: int) -> tuple[Node, ...]:
    """Return the nodes that `inclusion_proof` reads: at most 126 of them."""
    return _nodes(inclusion_ranges(index, size))


def consistency_nodes(old_size: int, size: int) -> tuple[Node, ...]:
    """Return the nodes that `consistency_proof` reads: at most 126 of them."""
    return _nodes(consistency_ranges(Range(0, old_size), size))


def inclusion_proof(index: int, size: int, stored: HashReader) -> tuple[Digest, ...]:
    """Return the proof that the leaf is in the tree of this size (RFC 9162 §2.1.3.1).

    Raises HashMissingError where a hash is not stored, ValueError if the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    return tuple(range_hash(leaves, stored) for leaves in inclusion_ranges(index, size))


def consistency_proof(old_size: int, size: int, stored: HashReader) -> tuple[Digest, ...]:
    """Return the proof that the tree of `size` leaves extends that of `old_size` (§2.1.4.1).

    Raises HashMissingError where a hash is not stored, ValueError if the sizes are not
    `0 < old_size <= size`.
    """
    if not 0 < old_size <= size:
        raise ValueError(f"no consistency proof leads from {old_size} to {size} leaves")
    ranges = consistency_ranges(Range(0, old_size), size)
    return tuple(range_hash(leaves, stored) for leaves in ranges)


def verify_inclusion(
    leaf: Digest, index: int, size: int, proof: Sequence[bytes], expected: Digest
) -> None:
    """Check that the tree of `size` leaves with root `expected` has `leaf` at `index`.

    RFC 9162 §2.1.3.2. Raises VerificationFailedError with the first step that differs.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise VerificationFailedError(f"a tree of {size} leaves has no leaf {index}")
    ranges = inclusion_ranges(index, size)
    hashes = _proof_hashes(proof, len(ranges))
    if len(leaf) != DIGEST_BYTES:
        raise VerificationFailedError(f"the leaf hash is not {DIGEST_BYTES} bytes long")
    if _above(index, leaf, zip(ranges, hashes, strict=True)) != expected:
        raise VerificationFailedError("the inclusion proof leads to another root hash")


def verify_consistency(
    old_size: int, old_root: Digest, size: int, new_root: Digest, proof: Sequence[bytes]
) -> None:
    """Check that the tree with `new_root` extends the tree with `old_root` (RFC 9162 §2.1.4.2).

    An old tree without leaves is refused: it proves nothing. Raises VerificationFailedError with
    the first step that differs.
    """
    if old_size < 1:
        raise VerificationFailedError(f"no consistency proof starts from {old_size} leaves")
    verify_subtree_consistency(Range(0, old_size), old_root, size, new_root, proof)


def verify_subtree_consistency(
    old: Range, old_root: Digest, size: int, new_root: Digest, proof: Sequence[bytes]
) -> None:
    """Check that the tree with `new_root` has the leaves of a range with the hash `old_root`.

    draft-ietf-plants-merkle-tree-certs §4.4.3; a tree that was extended is the case of a range
    that starts at 0. An empty range is part of any tree. Raises VerificationFailedError.
    """
    if not _is_subtree(old) or not old.end <= size <= MAX_SIZE:
        raise VerificationFailedError(
            f"leaves {old.start} to {old.end} are no part of a tree of {size} leaves that can be"
            " proven"
        )
    if old.start == old.end:
        _verify_nothing(old_root, proof)
        return
    ranges = consistency_ranges(old, size)
    hashes = _proof_hashes(proof, len(ranges))
    steps = list(zip(ranges, hashes, strict=True))
    start, seed = old.start, old_root
    if ranges and _is_part(ranges[0], old):
        start, seed = ranges[0].start, hashes[0]
        steps = steps[1:]
    if _above(start, seed, [step for step in steps if _is_part(step[0], old)]) != old_root:
        raise VerificationFailedError("the consistency proof leads to another old root hash")
    if _above(start, seed, steps) != new_root:
        raise VerificationFailedError("the consistency proof leads to another new root hash")


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a tree: all that appending needs, in at most 63 hashes."""

    size: int = 0
    hashes: tuple[Digest, ...] = ()
    """Of `complete_subtrees(Range(0, size))`, largest first."""

    @classmethod
    def read(cls, size: int, stored: HashReader) -> Frontier:
        """Return the frontier of a stored tree. Raises HashMissingError."""
        return cls(size, tuple(stored.hash_of(n) for n in complete_subtrees(Range(0, size))))

    def extended(self, leaves: Iterable[Digest]) -> tuple[Frontier, dict[Node, Digest]]:
        """Return the frontier after appending leaf hashes, and the complete subtrees that are new.

        The new subtrees include the leaves themselves, at level 0: they are what to store. About
        two hashes are computed for each leaf.
        """
        size, edge = self.size, list(self.hashes)
        new: dict[Node, Digest] = {}
        for leaf in leaves:
            new[Node(0, size)] = current = leaf
            level, index = 0, size
            while index & 1:
                current = node_hash(edge.pop(), current)
                level, index = level + 1, index >> 1
                new[Node(level, index)] = current
            edge.append(current)
            size += 1
        return Frontier(size, tuple(edge)), new

    def root(self) -> Digest:
        """Return the hash of the whole tree."""
        return _joined(self.hashes)


def _split(size: int) -> int:
    """Return the largest power of two below `size`, the k of RFC 9162 §2.1.1."""
    return 1 << ((size - 1).bit_length() - 1)


def _joined(hashes: Sequence[Digest]) -> Digest:
    """Return the hash over adjacent complete subtrees, given largest first."""
    if not hashes:
        return EMPTY_ROOT
    return reduce(lambda right, left: node_hash(left, right), reversed(hashes))


def _nodes(ranges: Iterable[Range]) -> tuple[Node, ...]:
    return tuple(node for leaves in ranges for node in complete_subtrees(leaves))


def _is_part(leaves: Range, whole: Range) -> bool:
    return whole.start <= leaves.start and leaves.end <= whole.end


def _is_subtree(leaves: Range) -> bool:
    """Return whether a range can be a subtree: its start is a multiple of its rounded-up size."""
    size = leaves.end - leaves.start
    if leaves.start < 0 or size < 1:
        return leaves.start >= 0 and size == 0
    return leaves.start % (1 << (size - 1).bit_length()) == 0


def _verify_nothing(old_root: Digest, proof: Sequence[bytes]) -> None:
    _proof_hashes(proof, 0)
    if old_root != EMPTY_ROOT:
        raise VerificationFailedError("the hash of an empty range is that of nothing")


def _above(start: int, current: Digest, steps: Iterable[tuple[Range, Digest]]) -> Digest:
    """Return the root above the subtree that holds leaf `start`, given its siblings upwards."""
    for leaves, sibling in steps:
        left = leaves.end <= start
        current = node_hash(sibling, current) if left else node_hash(current, sibling)
    return current


def _proof_hashes(proof: Sequence[bytes], expected: int) -> tuple[Digest, ...]:
    if len(proof) != expected:
        raise VerificationFailedError(f"the proof has {len(proof)} hashes, not {expected}")
    if any(len(value) != DIGEST_BYTES for value in proof):
        raise VerificationFailedError(f"a hash of the proof is not {DIGEST_BYTES} bytes long")
    return tuple(Digest(value) for value in proof)
