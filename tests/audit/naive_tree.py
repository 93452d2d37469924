"""The tree of RFC 9162 §2.1 by its recursive definitions, for comparison."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from agentguard.audit.merkle import Digest


def naive_root(leaves: Sequence[bytes]) -> Digest:
    """Return MTH(D[n]) of leaf data (§2.1.1)."""
    if not leaves:
        return Digest(sha256().digest())
    if len(leaves) == 1:
        return Digest(sha256(b"\0" + leaves[0]).digest())
    k = _split(len(leaves))
    return Digest(sha256(b"\1" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest())


def naive_path(index: int, leaves: Sequence[bytes]) -> tuple[Digest, ...]:
    """Return PATH(m, D[n]) (§2.1.3.1)."""
    if len(leaves) == 1:
        return ()
    k = _split(len(leaves))
    if index < k:
        return (*naive_path(index, leaves[:k]), naive_root(leaves[k:]))
    return (*naive_path(index - k, leaves[k:]), naive_root(leaves[:k]))


def naive_consistency(old_size: int, leaves: Sequence[bytes]) -> tuple[Digest, ...]:
    """Return PROOF(m, D[n]) (§2.1.4.1)."""
    return _subproof(old_size, leaves, known=True)


def _subproof(old_size: int, leaves: Sequence[bytes], *, known: bool) -> tuple[Digest, ...]:
    if old_size == len(leaves):
        return () if known else (naive_root(leaves),)
    k = _split(len(leaves))
    if old_size <= k:
        return (*_subproof(old_size, leaves[:k], known=known), naive_root(leaves[k:]))
    return (*_subproof(old_size - k, leaves[k:], known=False), naive_root(leaves[:k]))


def _split(size: int) -> int:
    k = 1
    while 2 * k < size:
        k *= 2
    return k
