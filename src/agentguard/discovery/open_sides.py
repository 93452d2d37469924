"""Sides of calls between services whose other side is not in their trace."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from agentguard.compute.arrays import factorize, hash_rows, words
from agentguard.discovery.call_sides import OpenSides, Side, WholeHop, no_open_sides
from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.ownership import Owners
from agentguard.discovery.partial import I64, U64, LinkEnd, Mask
from agentguard.discovery.rows import Rows
from agentguard.discovery.services import SERVING_ROLES
from agentguard.discovery.sides import message_digest, side
from agentguard.discovery.span_state import SpanState, encloses, nearest_ancestor
from agentguard.ingest.spans import KIND_CLIENT, KIND_CONSUMER, KIND_PRODUCER, KIND_SERVER

_CALLING = (Role.CLIENT, Role.PRODUCER, Role.MCP_CLIENT)
_STARTED = (Role.AGENT, Role.WORKFLOW, Role.TOOL, Role.SERVER, Role.CONSUMER, Role.MCP_SERVER)


@dataclass(frozen=True, slots=True)
class FoundSides:
    """What a partial result holds of the calls between its services and others."""

    sides: dict[Side, int] = field(default_factory=dict)
    open: OpenSides = field(default_factory=no_open_sides)
    whole: dict[tuple[Side, Side], WholeHop] = field(default_factory=dict)


def find_sides(s: SpanState, owned: Owners, rows: Rows, linked: Sequence[LinkEnd]) -> FoundSides:
    """Return the open sides and the whole hops of these traces.

    `linked`: the spans that spans of other traces link to, whose callees are therefore known.
    """
    spans = _Spans(s)
    described = _Described(spans)
    callers, callees = _joined(spans)
    answered = np.zeros(len(spans.parent), np.bool_)
    answered[callers] = True
    targets = np.array([end.span for end in linked], np.uint64)
    answered |= np.isin(s.tree.span[: len(answered)], targets)
    answered |= spans.with_inner_call()
    calls = np.flatnonzero(spans.calling & ~answered)
    calls = calls[described.telling(calls)]
    calls = calls[~described.repeated(calls)]
    entered = np.flatnonzero(spans.entered())
    entered = entered[~spans.enclosed(entered)]
    opened = _open_sides(spans, described, calls, entered, owned, rows)
    return FoundSides(described.codes, opened, _whole_hops(spans, described, callers, callees))


class _Spans:
    """The recorded spans, by their recorded parents."""

    def __init__(self, s: SpanState) -> None:
        self.s = s
        size = len(s.tree.spans)
        self.parent = s.tree.parent[:size]
        self.kind = s.tree.spans.column("kind").to_numpy().astype(np.int64)
        self.shape = s.classifications.shape[:size]
        self.service = s.services()[:size]
        self.serving = np.isin(self.kind, (KIND_SERVER, KIND_CONSUMER))
        role = self.of_shape(lambda r: int(r.role))
        calling = np.isin(self.kind, (KIND_CLIENT, KIND_PRODUCER)) | np.isin(role, _CALLING)
        self.named: Mask = self.of_shape(lambda r: bool(r.service)) > 0
        self.calling: Mask = calling & (role != Role.DATASTORE) & self.named

    def of_shape(self, read: Callable[..., int]) -> I64:
        """Return a number of each span's classification."""
        numbers = [read(c) for c in self.s.classifications.by_shape]
        return np.array(numbers, np.int64)[self.shape]

    def entering(self) -> I64:
        """Return the spans below one of another service, or that serve a call."""
        above = np.maximum(self.parent, 0)
        crosses = (self.service != self.service[above]) & self.named & self.named[above]
        return np.flatnonzero((self.parent >= 0) & (self.serving | crosses))

    def with_inner_call(self) -> Mask:
        """Return the calls that enclose another call of their service: their transport."""
        above = nearest_ancestor(self.parent, self.calling)
        inner = np.flatnonzero(self.calling & (above >= 0))
        inner = inner[self.service[inner] == self.service[above[inner]]]
        found = np.zeros(len(self.parent), np.bool_)
        found[above[inner]] = True
        return found

    def entered(self) -> Mask:
        """Return the spans that begin a trace or have lost their parent, and may be callees."""
        size = len(self.parent)
        begins = (self.parent < 0) | (self.s.parent[:size] < 0)
        links = self.s.tree.spans.column("links")
        linked = links.is_valid().to_numpy(zero_copy_only=False)
        takes_part = self.serving | np.isin(self.s.role[:size], _STARTED) | self.orphaned()
        polls = self.of_shape(lambda r: r.polls) > 0
        found: Mask = begins & takes_part & ~linked & ~polls & self.named
        return found & (~self.calling | self.orphaned())

    def enclosed(self, rows: I64) -> Mask:
        """Return which of these lie in time within the first server of their trace and service.

        Two instrumentations that do not nest record one entry as several roots.
        """
        leader, leads = self._leaders(rows)
        s = self.s
        within = (s.start[rows] >= s.start[leader]) & (s.end[rows] <= s.end[leader])
        found: Mask = leads & (rows != leader) & within
        return found

    def _leaders(self, rows: I64) -> tuple[I64, Mask]:
        """Return, for each row, the first of its trace and service, and whether that serves."""
        trace, s = self.s.tree.trace[rows].T, self.s
        group, _ = factorize(hash_rows(*trace, self.service[rows].astype(np.uint64)))
        order = np.lexsort((-s.end[rows], s.start[rows], ~self.serving[rows], group))
        _, first = np.unique(group[order], return_index=True)
        leader = rows[order][first][group] if len(rows) else rows
        return leader, self.serving[leader]

    def orphaned(self) -> Mask:
        """Return the spans whose parent is missing."""
        return self.s.tree.orphan[: len(self.parent)]


class _Described:
    """The sides of spans, coded; one per shape and direction."""

    def __init__(self, spans: _Spans) -> None:
        self._spans = spans
        self.codes: dict[Side, int] = {}
        self._known: dict[tuple[int, int, bool], int] = {}
        """Shape, kind and direction → code."""

    def of(self, rows: I64, *, outgoing: bool) -> I64:
        """Return the code of the side that each span is."""
        spans = self._spans
        shapes, first, inverse = np.unique(
            spans.shape[rows], return_index=True, return_inverse=True
        )
        found = np.zeros(len(shapes), np.int64)
        for n, (shape, at) in enumerate(zip(shapes.tolist(), rows[first].tolist(), strict=True)):
            found[n] = self._code(shape, int(spans.kind[at]), outgoing=outgoing)
        return found[inverse] if len(rows) else np.zeros(0, np.int64)

    def _code(self, shape: int, kind: int, *, outgoing: bool) -> int:
        key = shape, kind, outgoing
        if key not in self._known:
            told = side(self._spans.s.classifications.by_shape[shape], kind, outgoing=outgoing)
            self._known[key] = self.codes.setdefault(told, len(self.codes))
        return self._known[key]

    def telling(self, calls: I64) -> Mask:
        """Return which calls record a protocol or a peer, by which their callees can be found."""
        codes = self.of(calls, outgoing=True)
        found: Mask = np.array([s.protocol != "" or s.peers != () for s in self.codes], np.bool_)
        return found[codes]

    def repeated(self, calls: I64) -> Mask:
        """Return which calls enclose a call to the same peer that tells more.

        Two instrumentations that do not nest record one call as two.
        """
        codes = self.of(calls, outgoing=True)
        vague = np.array([not s.protocol and s.peers != () for s in self.codes], np.bool_)[codes]
        found = np.zeros(len(calls), np.bool_)
        if not vague.any():
            return found
        keys = self._trace_and_peer(calls, codes)
        both = np.isin(keys, keys[vague]) & np.isin(keys, keys[~vague])
        outer, inner = np.flatnonzero(both & vague), np.flatnonzero(both & ~vague)
        found[outer] = self._encloses_any((calls[outer], keys[outer]), (calls[inner], keys[inner]))
        return found

    def _encloses_any(self, outer: tuple[I64, U64], inner: tuple[I64, U64]) -> list[bool]:
        """Return which outer spans enclose an inner one in time with the same key."""
        by_key = defaultdict[int, list[int]](list)
        for row, key in zip(inner[0].tolist(), inner[1].tolist(), strict=True):
            by_key[key].append(row)
        s = self._spans.s
        return [
            any(encloses(s, row, each) for each in by_key[key])
            for row, key in zip(outer[0].tolist(), outer[1].tolist(), strict=True)
        ]

    def _trace_and_peer(self, calls: I64, codes: I64) -> U64:
        peers: dict[tuple[str, ...], int] = {}
        peer = [peers.setdefault(each.peers, len(peers)) for each in self.codes]
        spans = self._spans
        return hash_rows(
            *spans.s.tree.trace[calls].T,
            spans.service[calls].astype(np.uint64),
            np.array(peer, np.uint64)[codes],
        )

    def correlations(self, rows: I64) -> U64:
        """Return a hash of the id that both sides of a call record; 0: none."""
        spans = self._spans
        shapes, inverse = np.unique(spans.shape[rows], return_inverse=True)
        by_shape = spans.s.classifications.by_shape
        messages = np.array([message_digest(by_shape[n]) for n in shapes.tolist()], np.uint64)
        if not len(rows):
            return np.zeros(0, np.uint64)
        found = messages[inverse]
        return np.where(found == 0, spans.s.ids("request")[rows], found)


def _joined(spans: _Spans) -> tuple[I64, I64]:
    """Return the calls whose sides share a trace: each caller's span with one of its callee's."""
    entering = spans.entering()
    above = nearest_ancestor(spans.parent, spans.calling)[entering]
    parent = spans.parent[entering]
    own = (above >= 0) & (spans.service[above] == spans.service[parent])
    callers = np.where(own, above, parent)
    order = np.lexsort((spans.s.start[entering], ~spans.serving[entering], callers))
    callers, first = np.unique(callers[order], return_index=True)
    return callers, entering[order][first]


def _whole_hops(
    spans: _Spans, described: _Described, callers: I64, callees: I64
) -> dict[tuple[Side, Side], WholeHop]:
    crossing = spans.service[callers] != spans.service[callees]
    callers, callees = callers[crossing], callees[crossing]
    one, other = described.of(callers, outgoing=True), described.of(callees, outgoing=False)
    pairs, inverse = np.unique(np.stack([one, other], axis=1), axis=0, return_inverse=True)
    hops = _summed(spans.s, callers, callees, inverse.reshape(-1), len(pairs))
    sides = list(described.codes)
    return {(sides[a], sides[b]): hop for (a, b), hop in zip(pairs.tolist(), hops, strict=True)}


def _summed(s: SpanState, callers: I64, callees: I64, group: I64, size: int) -> list[WholeHop]:
    lead, lag = np.full(size, np.iinfo(np.int64).max), np.full(size, np.iinfo(np.int64).min)
    np.minimum.at(lead, group, s.start[callees] - s.start[callers])
    np.maximum.at(lag, group, s.end[callees] - s.end[callers])
    counts = np.bincount(group, minlength=size)
    return list(map(WholeHop, counts.tolist(), lead.tolist(), lag.tolist()))


def _open_sides(
    spans: _Spans, described: _Described, calls: I64, entered: I64, owned: Owners, rows: Rows
) -> OpenSides:
    s, every = spans.s, np.concatenate([calls, entered])
    codes = [described.of(calls, outgoing=True), described.of(entered, outgoing=False)]
    serving = nearest_ancestor(s.parent, np.isin(s.role, SERVING_ROLES))
    return OpenSides(
        side=np.concatenate(codes),
        trace=s.tree.trace[every],
        span=s.tree.span[every],
        parent=_missing_parents(s, every),
        start=s.start[every],
        end=s.end[every],
        failed=s.failed[every],
        correlation=described.correlations(every),
        row=rows.row_of[every],
        holder=_padded(rows.row_of, owned.holder[calls], len(every)),
        server=_padded(rows.row_of, serving[calls], len(every)),
        started=_started(owned, rows, len(calls), entered),
    )


def _missing_parents(s: SpanState, spans: I64) -> U64:
    """Return the ids of parents that are missing; 0: none is."""
    parent = words(s.tree.spans.column("parent_id"), 8)[:, 0]
    return np.where(s.tree.orphan[spans], parent[spans], np.uint64(0))


def _padded(row_of: I64, spans: I64, size: int) -> I64:
    """Return the rows of these spans (-1: none), followed by -1 up to this size."""
    rows = np.where(spans >= 0, row_of[spans], -1)
    return np.pad(rows, (0, size - len(rows)), constant_values=-1)


def _started(owned: Owners, rows: Rows, before: int, entered: I64) -> I64:
    """Return the rows that the call of each of these spans starts, by position in the arrays."""
    at = np.full(len(owned.holder) + 1, -1, np.int64)
    at[entered] = np.arange(before, before + len(entered))
    pending = np.flatnonzero(owned.pending >= 0)
    servers = np.arange(len(rows.mcp)) + rows.primary_rows.stop
    place = np.concatenate([at[entered], at[owned.pending[pending]], at[rows.mcp]])
    row = np.concatenate([rows.row_of[entered], rows.row_of[pending], servers])
    found = np.stack([place, row], axis=1)
    kept: I64 = found[(place >= 0) & (row >= 0)]
    return kept
