"""Requirements with interchangeable nodes merged, ordered for a pass from callees to callers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from agentguard.compute.digraphs import component_numbers
from agentguard.simulation.fixpoint import Requirements

I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """Requirements between sets of nodes, in which all nodes of a set fail together.

    A set is a strongly connected component of the groups with one member: each of its nodes brings
    down all others. Each different group of several members is a further set, without nodes, that
    fails when all of its members have failed. Sets are numbered callees first, except in cycles
    through groups.
    """

    set_of: I64
    """Node → its set; -1 for broken nodes, which fail in every scenario."""
    callees: Sequence[Sequence[int]]
    """Set → the sets of which one fails it, or all in a group."""
    is_group: Sequence[bool]
    stretches: Sequence[tuple[int, int, bool]]
    """All sets as ranges (first, after the last), in order; True: a cycle."""
    needed: NDArray[np.bool_]
    """Set → whether another set has it among its callees."""


def merged(needs: Requirements) -> Merged:
    """Merge the nodes that fail together; two searches for strongly connected components."""
    edges = _edges(needs)
    cycle_of = _cycles(edges)
    set_of = _numbered(edges, cycle_of)
    callers, callees = set_of[edges.callers], set_of[edges.callees]
    sets = int(set_of.max(initial=-1)) + 1
    cycle = np.zeros(sets, np.int64)
    cycle[set_of] = cycle_of
    lists, needed = _callees(sets, callers, callees)
    is_group = np.zeros(sets, np.bool_)
    is_group[set_of[needs.size :]] = True
    nodes = set_of[: needs.size].copy()
    nodes[list(needs.broken)] = -1
    return Merged(nodes, lists, is_group.tolist(), _stretches(cycle), needed)


@dataclass(frozen=True, slots=True, eq=False)
class _Edges:
    """A graph in which each different group of several members is a node of its own."""

    size: int
    callers: I64
    callees: I64
    single: NDArray[np.bool_]
    """Whether a caller fails with this callee alone: its caller is no group."""


def _edges(needs: Requirements) -> _Edges:
    alive = np.ones(needs.size, np.bool_)
    alive[list(needs.broken)] = False
    groups: dict[tuple[int, ...], int] = {}
    callers, callees = np.concatenate([_alone(needs, alive), _several(needs, alive, groups)], 1)
    lengths = list(map(len, groups))
    members = np.fromiter(chain.from_iterable(groups), np.int64, sum(lengths))
    nodes = np.arange(needs.size, needs.size + len(groups))
    return _Edges(
        needs.size + len(groups),
        np.concatenate([callers, np.repeat(nodes, lengths)]),
        np.concatenate([callees, members]),
        np.arange(len(callers) + len(members)) < len(callers),
    )


def _alone(needs: Requirements, alive: NDArray[np.bool_]) -> I64:
    """Return (2, n): owners and members of the groups with one member."""
    sizes = np.fromiter(map(len, needs.members), np.int64, len(needs.members))
    flat = np.fromiter(chain.from_iterable(needs.members), np.int64, int(sizes.sum()))
    owners = np.array(needs.owners, np.int64)
    chosen = (sizes == 1) & alive[owners]
    return np.stack([owners[chosen], flat[(np.cumsum(sizes) - 1)[chosen]]])


def _several(
    needs: Requirements, alive: NDArray[np.bool_], groups: dict[tuple[int, ...], int]
) -> I64:
    """Return (2, n): owners of groups with several members, and the groups' nodes.

    Adds the members of each different group to `groups`. Broken members are no help, so a group
    with one other member is that member.
    """
    found: list[tuple[int, int]] = []
    for owner, members in zip(needs.owners, needs.members, strict=True):
        if len(members) > 1 and alive[owner]:
            left = tuple(m for m in members if alive[m])
            node = groups.setdefault(left, needs.size + len(groups)) if len(left) > 1 else left[0]
            found.append((owner, node))
    return np.array(found, np.int64).reshape(-1, 2).T


def _cycles(edges: _Edges) -> I64:
    """Return the strongly connected component by node, those that nothing needs last."""
    needed = np.zeros(edges.size, np.bool_)
    needed[edges.callees] = True
    place = np.where(needed, np.cumsum(needed), needed.sum() + np.cumsum(~needed)) - 1
    inner = needed[edges.callers]
    found = component_numbers(
        int(needed.sum()), place[edges.callers[inner]], place[edges.callees[inner]]
    )
    numbers: I64 = np.concatenate([found, np.arange(len(found), edges.size)])[place]
    return numbers


def _numbered(edges: _Edges, cycle_of: I64) -> I64:
    """Return the set by node: by cycle, and within it by the callees that fail it alone."""
    inside = edges.single & (cycle_of[edges.callers] == cycle_of[edges.callees])
    inside &= edges.callers != edges.callees
    part_of = np.arange(edges.size) + edges.size
    nodes, ends = np.unique([edges.callers[inside], edges.callees[inside]], return_inverse=True)
    ends = ends.reshape(2, -1)
    part_of[nodes] = component_numbers(len(nodes), ends[0], ends[1])
    order = np.lexsort((part_of, cycle_of))
    new = np.ones(edges.size, np.int64)
    new[1:] = np.diff(part_of[order]) != 0
    numbers = np.empty(edges.size, np.int64)
    numbers[order] = np.cumsum(new) - 1
    return numbers


def _callees(
    sets: int, callers: I64, callees: I64
) -> tuple[Sequence[Sequence[int]], NDArray[np.bool_]]:
    """Return the callees by set, each once and without itself, and which sets are callees."""
    keys = np.sort((callers * sets + callees)[callers != callees])
    keys = keys[np.diff(keys, prepend=-1) != 0]
    callers, callees = np.divmod(keys, max(1, sets))
    needed = np.zeros(sets, np.bool_)
    needed[callees] = True
    ends = np.cumsum(np.bincount(callers, minlength=sets)).tolist()
    flat = callees.tolist()
    return [flat[a:b] for a, b in zip([0, *ends], ends, strict=False)], needed


def _stretches(cycle: I64) -> Sequence[tuple[int, int, bool]]:
    """Return the runs of sets that are cycles, and the runs between them."""
    sizes = np.bincount(cycle)
    kind = np.where(sizes[cycle] > 1, cycle, -1)
    firsts = np.flatnonzero(np.diff(kind, prepend=-2)).tolist()
    return [
        (first, after, bool(kind[first] >= 0)) for first, after in pairwise([*firsts, len(cycle)])
    ]
