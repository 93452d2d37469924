"""Small cascades, and their exact probabilities by enumeration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from agentguard.simulation.cascade import Cascade, Faults

Groups = Sequence[tuple[int, Sequence[int]]]


def cascade(
    size: int,
    groups: Groups,
    chance: Sequence[float] | np.ndarray,
    unhelpful: Sequence[float] | None = None,
) -> Cascade:
    members = [m for _, group in groups for m in group]
    counts = [len(group) for _, group in groups]
    return Cascade(
        size=size,
        owner=np.array([owner for owner, _ in groups], dtype=np.int64),
        start=np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]),
        member=np.array(members, dtype=np.int64),
        chance=np.array(chance, dtype=np.float64).reshape(len(groups), -1)
        if len(groups)
        else np.zeros((0, 1)),
        key=np.arange(len(groups), dtype=np.uint64),
        unhelpful=np.zeros(len(members)) if unhelpful is None else np.array(unhelpful, float),
        member_key=np.arange(len(members), dtype=np.uint64),
    )


def faults(nodes: Iterable[int], chance: float = 1.0, lost: Sequence[tuple[int, float]] = ()):
    """`lost`: members with the chance that they are lost to their groups."""
    at = np.array(sorted(nodes), dtype=np.int64)
    return Faults(
        node=at,
        chance=np.full(len(at), chance),
        key=at.astype(np.uint64),
        member=np.array([m for m, _ in lost], dtype=np.int64),
        member_chance=np.array([c for _, c in lost], dtype=np.float64),
    )


def exact(size: int, groups: Groups, chance: Sequence[float], failed: Iterable[int]) -> np.ndarray:
    """How likely each node fails: the sum over all states of the groups."""
    fires = (np.arange(2 ** len(groups))[:, None] >> np.arange(len(groups)) & 1).astype(bool)
    weight = np.prod(np.where(fires, chance, 1 - np.array(chance, float)), axis=1)
    down, before = np.zeros((len(fires), size), bool), -1
    down[:, sorted(failed)] = True
    while down.sum() != before:
        before = down.sum()
        for place, (owner, members) in enumerate(groups):
            down[:, owner] |= fires[:, place] & down[:, list(members)].all(axis=1)
    return np.clip(weight @ down, 0, 1)


def closure(groups: Groups, fires: Sequence[bool], start: Iterable[int]) -> set[int]:
    down, before = set(start), None
    while down != before:
        before = set(down)
        down |= {o for (o, g), f in zip(groups, fires, strict=True) if f and down.issuperset(g)}
    return down
