"""Findings about calls between services whose context is lost."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from agentguard.discovery.call_sides import Side
from agentguard.discovery.kinds import ComponentKind
from agentguard.discovery.partial import I64, Partial, Proof
from agentguard.graph.assembly.evidence import confidence, written_ids
from agentguard.graph.assembly.propagation.agreement import Agreed
from agentguard.graph.assembly.propagation.causes import Loss, WholeCalls, cause_and_repair
from agentguard.graph.assembly.propagation.clock_offsets import ClockOffsets
from agentguard.graph.assembly.propagation.joining import Joined
from agentguard.graph.assembly.propagation.matching import Match
from agentguard.graph.assembly.propagation.unrecorded_clients import UnrecordedCalls
from agentguard.graph.model import BreakKind, BrokenCall, BrokenHop, Evidence, EvidenceReason

_SHOWN = 5
"""Calls, operations and agents that a finding names."""
_Hop = tuple[BreakKind, str | None, str, str]
"""Kind, caller, callee, protocol."""


def broken_hops(
    findings: Findings,
    found: Sequence[Match],
    unrecorded: Iterable[UnrecordedCalls],
    orphans: Iterable[int],
) -> tuple[BrokenHop, ...]:
    """Return the hops that lose context, most lost calls first, then orphans by service.

    `orphans`: see unexplained_orphans.
    """
    hops = defaultdict[_Hop, list[_Call]](list)
    for match in found:
        hops[findings.hop(match)].append(_Call(match.callee, match))
    unmatched = [findings.without_client_span(calls) for calls in unrecorded]
    for callee in orphans:
        hops[findings.orphan(callee)].append(_Call(callee, None))
    every = [*unmatched, *(findings.finding(hop, calls) for hop, calls in hops.items())]
    return tuple(sorted(every, key=_order))


def _order(hop: BrokenHop) -> tuple[bool, int, str, str, str, str]:
    unknown = hop.caller is None
    return unknown, -hop.lost, hop.caller or "", hop.callee, hop.protocol, hop.kind


@dataclass(frozen=True, slots=True)
class _Call:
    """A callee's side and its match, if it has one."""

    callee: int
    match: Match | None


def unexplained_orphans(
    partial: Partial, explained: Collection[int], *, settling: int = 0
) -> list[int]:
    """Return the callees' sides whose parents are missing, but for those that have a match.

    Parents of spans that ended in the last `settling` ns of the window may be still running.
    """
    sides = partial.open_sides
    outgoing = np.array([each.outgoing for each in partial.sides], np.bool_)
    orphans = (sides.parent != 0) & (sides.end <= partial.last_seen - settling)
    if len(outgoing):
        orphans &= ~outgoing[sides.side]
    return [at for at in np.flatnonzero(orphans).tolist() if at not in explained]


def agents_started(partial: Partial, callees: Collection[int]) -> dict[int, set[str]]:
    """Return, by position in the open sides, the ids of the agents that a callee's side starts.

    Itself, or directly below it; as long as no traces are joined.
    """
    pairs = partial.open_sides.started
    pairs = pairs[np.isin(pairs[:, 0], list(callees))]
    agents, found = _agents_at(partial, pairs[:, 1]), defaultdict[int, set[str]](set)
    for at, row in pairs.tolist():
        found[at] |= agents.get(row, set())
    return found


def _agents_at(partial: Partial, rows: I64) -> dict[int, set[str]]:
    """Return the agents that are these rows or are called by them, by row."""
    calls, found = partial.calls, defaultdict[int, set[str]](set)
    below = np.flatnonzero(np.isin(calls.source, rows))
    starts = np.concatenate([rows, calls.source[below]]).tolist()
    for start, row in zip(starts, [*rows.tolist(), *below.tolist()], strict=True):
        who = partial.observations[int(calls.observation[row])].identity
        if who.kind is ComponentKind.AGENT:
            found[start].add(who.id)
    return found


@dataclass(frozen=True, slots=True)
class Findings:
    """Describes hops that lose context."""

    partial: Partial
    joined: Joined
    offsets: ClockOffsets
    agents: Mapping[int, set[str]]
    """See agents_started."""
    whole: WholeCalls

    def hop(self, match: Match) -> _Hop:
        sides = self.partial.open_sides
        caller, callee = self._side(match.caller), self._side(match.callee)
        same = (sides.trace[match.caller] == sides.trace[match.callee]).all()
        kind = BreakKind.SEPARATE_TRACES
        if sides.parent[match.callee] == sides.span[match.caller]:
            kind = BreakKind.CHANGED_TRACE_ID
        elif same and sides.parent[match.callee]:
            kind = BreakKind.MISSING_SPAN
        return kind, caller.service, callee.service, caller.protocol or callee.protocol

    def orphan(self, callee: int) -> _Hop:
        return BreakKind.MISSING_PARENT, None, self._side(callee).service, ""

    def _side(self, at: int) -> Side:
        return self.partial.sides[int(self.partial.open_sides.side[at])]

    def finding(self, hop: _Hop, calls: Sequence[_Call], component: str = "") -> BrokenHop:
        """Return what is known of the calls; `component` makes them, if known."""
        kind, caller, callee, protocol = hop
        loss = self._loss(hop, calls, component)
        cause, repair = cause_and_repair(loss)
        matched = [call.match for call in calls if call.match is not None]
        names = Counter(self._side(call.callee).name for call in calls)
        return BrokenHop(
            kind,
            caller,
            callee,
            protocol,
            operations=_most_frequent(names),
            agents=self._agents(calls),
            lost=len(calls),
            intact=loss.intact,
            inferred=sum(match in self.joined.matches for match in matched),
            agreed=_agreed(matched),
            clock_offset=self.offsets.estimate_of(caller or "", callee),
            cause=cause,
            repair=repair,
            confidence=_confidence(matched, len(calls)),
            calls=self._shown(calls),
        )

    def without_client_span(self, found: UnrecordedCalls) -> BrokenHop:
        """Return the finding on calls that only the times of both sides show."""
        calls = [_Call(callee, None) for callee in found.callees]
        side = self._side(found.callees[0])
        hop = (BreakKind.NO_CLIENT_SPAN, found.service, side.service, side.protocol)
        shown = (
            BrokenCall(run, self._evidence(callee), inferred=False)
            for run, callee in zip(found.callers, found.callees, strict=True)
        )
        return replace(
            self.finding(hop, calls, found.component),
            agreed=("times",),
            confidence=confidence(Proof.TEXT, len(calls)),
            calls=tuple(sorted(shown, key=lambda call: -call.callee.time)[:_SHOWN]),
        )

    def _agents(self, calls: Sequence[_Call]) -> tuple[str, ...]:
        found = set[str]().union(*(self.agents.get(call.callee, set()) for call in calls))
        return tuple(sorted(found)[:_SHOWN])

    def _loss(self, hop: _Hop, calls: Sequence[_Call], component: str) -> Loss:
        kind, caller, callee, protocol = hop
        serving = 2 * sum(self._side(call.callee).serving for call in calls) >= len(calls)
        lost = len(calls)
        return Loss(kind, caller or "", callee, protocol, serving, lost, self.whole, component)

    def _shown(self, calls: Sequence[_Call]) -> tuple[BrokenCall, ...]:
        sides = self.partial.open_sides
        newest = sorted(
            calls, key=lambda c: (-int(sides.start[c.callee]), sides.trace[c.callee].tolist())
        )
        return tuple(
            BrokenCall(
                None if call.match is None else self._evidence(call.match.caller),
                self._evidence(call.callee),
                call.match in self.joined.matches,
            )
            for call in newest[:_SHOWN]
        )

    def _evidence(self, at: int) -> Evidence:
        sides = self.partial.open_sides
        trace, span = written_ids(sides.trace[at], sides.span[at], self.partial.labels)
        return Evidence(trace, span, int(sides.start[at]), EvidenceReason.SAMPLE)


def _most_frequent(names: Counter[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: (-names[name], name))[:_SHOWN])


def _agreed(matched: Sequence[Match]) -> tuple[str, ...]:
    """Return what agrees in every match; times always agree."""
    if not matched:
        return ()
    common = Agreed(~0)
    for match in matched:
        common &= match.agreed
    names = {Agreed.IDS: "ids", Agreed.OPERATION: "operation", Agreed.PEER: "peer"}
    return (*(name for flag, name in names.items() if flag & common), "times")


def _confidence(matched: Sequence[Match], calls: int) -> float:
    """Return how sure it is that the calls belong together; of an orphan that it is one."""
    if not matched:
        return confidence(Proof.ATTRIBUTE, calls)
    strong = sum(m.unique and m.agreed.value.bit_count() > 1 for m in matched)
    return confidence(Proof.MATCH if 2 * strong >= len(matched) else Proof.TEXT, calls)
