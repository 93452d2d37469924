"""Matches callers' sides with callees' sides of other traces by ids and times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace

import numpy as np

from agentguard.discovery.call_sides import OpenSides
from agentguard.discovery.partial import I64, U64, Mask, Partial
from agentguard.discovery.sides import MESSAGING
from agentguard.graph.assembly.propagation.agreement import Agreed, SidePair, side_pairs
from agentguard.graph.assembly.propagation.clock_offsets import (
    TOLERANCE,
    ClockOffsets,
    offsets_of,
)
from agentguard.kernel.clock import NS_PER_SECOND

_CANDIDATES = 32
"""Callers considered for one callee: the last to start before it."""
_NEARLY = 2
"""Level of a callee that starts in its caller only within the tolerance of the clocks."""
_QUEUED = 600 * NS_PER_SECOND
"""Longest time in a queue of a message that bears no id."""


@dataclass(frozen=True, slots=True)
class Match:
    """A caller's and a callee's side that are one call; positions in the open sides."""

    caller: int
    callee: int
    agreed: Agreed
    unique: bool
    """Whether neither could belong to another side."""


@dataclass(frozen=True, slots=True)
class _Edges:
    """Possible matches; arrays over n."""

    caller: I64
    callee: I64
    agreed: I64
    level: I64
    """(n,) 0: the callee lies within the caller; 1: it starts in it; 2: nearly so."""
    distance: I64
    """(n,) ns between the middles of both."""

    def __getitem__(self, chosen: Mask | I64) -> _Edges:
        return _Edges(*(getattr(self, column.name)[chosen] for column in fields(self)))

    def __len__(self) -> int:
        return len(self.caller)


def matches(partial: Partial) -> tuple[list[Match], ClockOffsets]:
    """Return the matches, in order of position, and the offsets between clocks."""
    found = partial.open_sides
    offsets = offsets_of(partial.whole_hops)
    by_side = _by_side(found.side)
    outgoing = {code for code in by_side if partial.sides[code].outgoing}
    pairs = list(
        side_pairs(partial.sides, sorted(outgoing), by_side.keys() - outgoing, partial.whole_hops)
    )
    _add_estimates(partial, pairs, by_side, offsets)
    timed = (_timed(partial, pair, by_side, offsets) for pair in pairs)
    edges = _with_ids(found, _joined([*timed, _by_id(partial, by_side, outgoing)]))
    return list(_assigned(found, edges)), offsets


def _by_side(codes: I64) -> dict[int, I64]:
    """Return the positions of each side."""
    order = np.argsort(codes, kind="stable")
    kinds, first = np.unique(codes[order], return_index=True)
    return dict(zip(kinds.tolist(), np.split(order, first[1:]), strict=True)) if len(kinds) else {}


def _add_estimates(
    partial: Partial, pairs: Iterable[SidePair], by_side: dict[int, I64], offsets: ClockOffsets
) -> None:
    """Estimate the offsets between services none of whose calls share a trace."""
    hops = defaultdict[tuple[str, str], list[SidePair]](list)
    for pair in pairs:
        caller, callee = partial.sides[pair.caller], partial.sides[pair.callee]
        if pair.agreed & Agreed.PEER and caller.protocol != MESSAGING:
            hops[caller.service, callee.service].append(pair)
    for services in hops.keys() - offsets.known.keys():
        calls = _positions(by_side, {pair.caller for pair in hops[services]})
        entered = _positions(by_side, {pair.callee for pair in hops[services]})
        sides = partial.open_sides
        offsets.estimate(services, _times(sides, calls), _times(sides, entered))


def _times(sides: OpenSides, spans: I64) -> tuple[I64, I64]:
    return sides.start[spans], sides.end[spans]


def _timed(
    partial: Partial, pair: SidePair, by_side: dict[int, I64], offsets: ClockOffsets
) -> _Edges:
    """Return the callees that start while a caller of their hop waits, or after it has sent."""
    caller, callee = partial.sides[pair.caller], partial.sides[pair.callee]
    edges = _near(
        partial.open_sides,
        (by_side[pair.caller], by_side[pair.callee]),
        offsets.of(caller.service, callee.service),
        _QUEUED if caller.protocol == MESSAGING else 0,
    )
    agreed = np.full(len(edges), pair.agreed.value)
    if (caller.service, callee.service) in offsets.estimated:
        return replace(edges, agreed=agreed, level=np.full(len(edges), _NEARLY))
    return replace(edges, agreed=agreed)


def _near(sides: OpenSides, ends: tuple[I64, I64], offset: int, queued: int) -> _Edges:
    """Return the callees that start before a caller ends, `queued` ns later at most."""
    calls, entered = ends
    calls = calls[np.argsort(sides.start[calls], kind="stable")]
    at, until = (times - offset for times in _times(sides, entered))
    one, other = _before(sides.start[calls], at + TOLERANCE)
    start, end = _times(sides, calls[one])
    at, until, end = at[other], until[other], end + queued
    distance = np.abs(at - start + until - end)
    level = _levels((start, end), (at, until))
    edges = _Edges(calls[one], entered[other], np.zeros(len(one), np.int64), level, distance)
    return edges[at <= end + TOLERANCE]


def _levels(caller: tuple[I64, I64], callee: tuple[I64, I64]) -> I64:
    begins = (caller[0] <= callee[0]) & (callee[0] <= caller[1])
    within = begins & (callee[1] <= caller[1])
    return np.where(within, 0, np.where(begins, 1, _NEARLY))


def _before(starts: I64, at: I64) -> tuple[I64, I64]:
    """Return pairs of positions: the last of the sorted starts up to each time."""
    most = np.searchsorted(starts, at, side="right")
    least = np.maximum(most - _CANDIDATES, 0)
    sizes = most - least
    other = np.repeat(np.arange(len(at)), sizes)
    ahead = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.repeat(least, sizes) + ahead, other


def _by_id(partial: Partial, by_side: dict[int, I64], outgoing: set[int]) -> _Edges:
    """Return the callees whose parent or message is the one of a caller."""
    found = partial.open_sides
    calls = _positions(by_side, outgoing)
    entered = _positions(by_side, by_side.keys() - outgoing)
    messages = _messages(partial, calls)
    one, other = _equal(found.span[calls], found.parent[entered])
    sent, received = _equal(found.correlation[messages], found.correlation[entered])
    later = found.start[messages[sent]] <= found.start[entered[received]] + TOLERANCE
    callers = np.concatenate([calls[one], messages[sent[later]]])
    callees = np.concatenate([entered[other], entered[received[later]]])
    nothing = np.zeros(len(callers), np.int64)
    return _Edges(callers, callees, nothing, nothing, nothing)


def _positions(by_side: dict[int, I64], codes: Iterable[int]) -> I64:
    every = [by_side[code] for code in codes]
    return np.sort(np.concatenate([np.zeros(0, np.int64), *every]))


def _messages(partial: Partial, calls: I64) -> I64:
    sending = [code for code, s in enumerate(partial.sides) if s.protocol == MESSAGING]
    return calls[np.isin(partial.open_sides.side[calls], sending)]


def _equal(ids: U64, others: U64) -> tuple[I64, I64]:
    """Return pairs of positions with equal ids that are not 0."""
    order = np.argsort(ids, kind="stable")
    low, high = (np.searchsorted(ids[order], others, side=side) for side in ("left", "right"))
    sizes = np.where(others != 0, high - low, 0)
    other = np.repeat(np.arange(len(others)), sizes)
    ahead = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return order[np.repeat(low, sizes) + ahead], other


def _joined(parts: Iterable[_Edges]) -> _Edges:
    every = [part for part in parts if len(part)]
    nothing = np.zeros(0, np.int64)
    columns = ([getattr(p, column.name) for p in every] for column in fields(_Edges))
    return _Edges(*(np.concatenate([nothing, *column]) for column in columns))


def _with_ids(sides: OpenSides, edges: _Edges) -> _Edges:
    """Drop edges whose ids differ; note where they agree; keep the best of equal edges.

    A callee with a caller in its own trace, or with the id of a caller as its parent's, has no
    other one.
    """
    one, other = edges.caller, edges.callee
    parent = sides.parent[other] == sides.span[one]
    same = (sides.trace[one] == sides.trace[other]).all(axis=1)
    ids, others = sides.correlation[one], sides.correlation[other]
    both = (ids != 0) & (others != 0)
    best = np.zeros(len(sides), np.int64)
    strength = 2 * parent + same
    np.maximum.at(best, other, strength)
    agree = (both & (ids == others)) | parent | same
    agreed = edges.agreed | np.where(agree, Agreed.IDS.value, 0)
    kept = (~both | (ids == others) | parent) & (strength == best[other])
    return _without_repetition(replace(edges, agreed=agreed)[kept])


def _without_repetition(edges: _Edges) -> _Edges:
    order = np.lexsort((edges.level, edges.caller, edges.callee))
    edges = edges[order]
    first = np.ones(len(edges), np.bool_)
    first[1:] = (edges.caller[1:] != edges.caller[:-1]) | (edges.callee[1:] != edges.callee[:-1])
    group = np.cumsum(first) - 1
    agreed = np.zeros(int(first.sum()), np.int64)
    np.bitwise_or.at(agreed, group, edges.agreed)
    return replace(edges[first], agreed=agreed)


def _assigned(found: OpenSides, edges: _Edges) -> Iterator[Match]:
    """Yield the matches: first those that are the only ones, level by level, then the nearest."""
    free = np.ones(len(found), np.bool_)
    for level in range(_NEARLY + 1):
        while True:
            open_edges = edges[(edges.level <= level) & free[edges.caller] & free[edges.callee]]
            only = open_edges[_only(open_edges, len(found))]
            if not len(only):
                break
            yield from _matches(only, unique=True)
            free[only.caller] = free[only.callee] = False
    rest = edges[free[edges.callee]]
    yield from _nearest(found, rest, free)


def _only(edges: _Edges, size: int) -> Mask:
    callers, callees = (np.bincount(ends, minlength=size) for ends in (edges.caller, edges.callee))
    alone: Mask = (callers[edges.caller] == 1) & (callees[edges.callee] == 1)
    return alone


def _nearest(found: OpenSides, edges: _Edges, free: Mask) -> Iterator[Match]:
    """Yield for each callee, in order of start, the free caller that is closest to it."""
    order = np.lexsort(
        (edges.caller, edges.distance, edges.level, edges.callee, found.start[edges.callee])
    )
    for position in order.tolist():
        caller, callee = int(edges.caller[position]), int(edges.callee[position])
        if free[caller] and free[callee]:
            free[caller] = free[callee] = False
            yield Match(caller, callee, Agreed(int(edges.agreed[position])), unique=False)


def _matches(edges: _Edges, *, unique: bool) -> Iterator[Match]:
    columns = (edges.caller.tolist(), edges.callee.tolist(), edges.agreed.tolist())
    for caller, callee, agreed in zip(*columns, strict=True):
        yield Match(caller, callee, Agreed(agreed), unique)
