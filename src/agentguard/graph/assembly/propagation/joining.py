"""Joins separate traces at calls whose ids, times and peer agree."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from agentguard.compute.arrays import hash_rows
from agentguard.discovery.kinds import TYPE_CODE, ComponentKind, DependencyType
from agentguard.discovery.naming import agent_key
from agentguard.discovery.partial import I64, Calls, LinkEnd, LinkStart, Mask, Partial, Proof
from agentguard.discovery.sides import MESSAGING
from agentguard.graph.assembly.propagation.matching import Match

_USE = {
    ComponentKind.AGENT: DependencyType.DELEGATES,
    ComponentKind.TOOL: DependencyType.USES_TOOL,
    ComponentKind.MODEL: DependencyType.CALLS_MODEL,
    ComponentKind.MCP_SERVER: DependencyType.CALLS_MCP,
    ComponentKind.DATASTORE: DependencyType.USES_DATASTORE,
    ComponentKind.WORKFLOW: DependencyType.STARTS,
    ComponentKind.QUEUE: DependencyType.MESSAGING,
}
_HALVES = (ComponentKind.EXTERNAL, ComponentKind.TOOL, ComponentKind.MCP_SERVER)
"""What a caller's side alone stands for; the callee's own side replaces it."""
_BOUNDARY = (ComponentKind.EXTERNAL, ComponentKind.SERVICE)
_MEASURED = (ComponentKind.SERVICE, ComponentKind.AGENT)
_LEAST_AGREED = 2


@dataclass(frozen=True, slots=True)
class Joined:
    """What was joined."""

    matches: frozenset[Match]
    rows: frozenset[int]
    """Rows that have a caller by inference."""


def join_traces(partial: Partial, found: Iterable[Match]) -> Joined:
    """Give callees the callers that they match; change the calls and links of `partial`.

    Neither side may fit another one, and at least two of ids, peer and operation must agree.
    """
    joinable = [m for m in found if _is_certain(m)]
    started = _started(partial, joinable)
    sent = [m for m in joinable if _protocol(partial, m) == MESSAGING]
    called = [m for m in joinable if _protocol(partial, m) != MESSAGING]
    joining = _Joining(partial)
    done = {m for m in called for row in started.get(m.callee, ()) if joining.call(m, row)}
    done |= {m for m in sent if _link(partial, m, started.get(m.callee, ()))}
    rows = _without_rows(partial, joining.replaced(), joining.rows)
    return Joined(frozenset(done), frozenset(rows))


def _is_certain(match: Match) -> bool:
    return match.unique and match.agreed.value.bit_count() >= _LEAST_AGREED


def _protocol(partial: Partial, match: Match) -> str:
    return partial.sides[int(partial.open_sides.side[match.caller])].protocol


def _started(partial: Partial, found: Iterable[Match]) -> dict[int, list[int]]:
    wanted = np.array([m.callee for m in found], np.int64)
    pairs = partial.open_sides.started
    rows: dict[int, list[int]] = defaultdict(list)
    for at, row in pairs[np.isin(pairs[:, 0], wanted)].tolist():
        rows[at].append(row)
    return rows


def _link(partial: Partial, match: Match, rows: Iterable[int]) -> bool:
    """Let the receiver's runs be started by the sender, as by a span link."""
    sides, at = partial.open_sides, match.caller
    holder = int(sides.holder[at])
    if holder < 0 or not rows:
        return False
    trace, span = (int(sides.trace[at, 0]), int(sides.trace[at, 1])), int(sides.span[at])
    queue = next(iter(partial.sides[int(sides.side[at])].peers), None)
    via = f"queue:{queue}" if queue else None
    partial.link_ends.append(LinkEnd(trace, span, holder, via))
    partial.link_starts += [
        LinkStart(row, trace, span, messaging=True, inferred=True) for row in rows
    ]
    return True


class _Joining:
    """Rewrites the rows of callees."""

    def __init__(self, partial: Partial) -> None:
        self._partial, self._calls = partial, partial.calls
        self._kinds = [observation.identity.kind for observation in partial.observations]
        self.rows: set[int] = set()
        self._callers: set[int] = set()
        self._client_halves: set[int] = set()
        self._below, self._callees = self._agents_below(), self._callee_counts()

    def call(self, match: Match, row: int) -> bool:
        """Let the row be called by what holds the caller's span; return whether anything does."""
        sides, at = self._partial.open_sides, match.caller
        holder, server = int(sides.holder[at]), int(sides.server[at])
        if holder < 0:
            return False
        service = self._kind(row) is ComponentKind.SERVICE
        self._attach(row, server if service and server >= 0 else holder, at)
        for agent in self._below.get(row, ()) if service else ():
            self._attach(agent, holder, at)
        if sides.row[at] >= 0 and self._kind(int(sides.row[at])) in _HALVES:
            self._callers.add(int(sides.row[at]))
        return True

    def _attach(self, row: int, holder: int, at: int) -> None:
        """Set the caller of a row as ownership does where the callee is in the caller's trace."""
        calls, sides, kind = self._calls, self._partial.open_sides, self._kind(row)
        if kind in _MEASURED:
            calls.client_start[row], calls.client_end[row] = sides.start[at], sides.end[at]
            calls.has_client_span[row] = True
        calls.failed[row] |= sides.failed[at] & (kind is not ComponentKind.AGENT)
        calls.source[row], calls.proof[row] = holder, Proof.MATCH
        calls.type[row] = TYPE_CODE[_USE.get(kind, DependencyType.HTTP)]
        self.rows.add(row)
        if kind is ComponentKind.AGENT:
            self._attach_agent(row, holder)

    def _attach_agent(self, row: int, holder: int) -> None:
        """Set the agent that calls another one, or whose run the holder only mirrors."""
        calls = self._calls
        if self._is_client_half(holder, row):
            self._client_halves.add(holder)
            calls.source[row], calls.type[row] = calls.source[holder], calls.type[holder]
            calls.via[row] = calls.via[holder]
            calls.failed[row] |= calls.failed[holder]
            return
        calls.source[row], tool = self._run_above(holder)
        calls.via[row] = self._partial.via_code(f"tool:{tool}" if tool else "http")

    def _is_client_half(self, holder: int, row: int) -> bool:
        """Return whether the holder is the caller's span of this remote run.

        See discovery.remote_agents.
        """
        if self._kind(holder) is not ComponentKind.AGENT or self._callees.get(holder):
            return False
        return agent_key(self._name(holder)) == agent_key(self._name(row))

    def _run_above(self, row: int) -> tuple[int, str | None]:
        """Return the row itself or what called it across tools, and the innermost of these."""
        tool = None
        while self._kind(row) is ComponentKind.TOOL and self._calls.source[row] >= 0:
            tool = tool or self._name(row)
            row = int(self._calls.source[row])
        return row, tool

    def _agents_below(self) -> Mapping[int, list[int]]:
        is_agent = np.array([kind is ComponentKind.AGENT for kind in self._kinds], np.bool_)
        calls, below = self._calls, defaultdict[int, list[int]](list)
        agents = is_agent[calls.observation] if len(is_agent) else np.zeros(0, np.bool_)
        delegated = calls.type == TYPE_CODE[DependencyType.DELEGATES]
        for row in np.flatnonzero(agents & delegated & (calls.source >= 0)).tolist():
            below[int(calls.source[row])].append(row)
        return below

    def _callee_counts(self) -> Counter[int]:
        """Return how many callees each row has besides services and unknown peers."""
        calls = self._calls
        proper = np.array([kind not in _BOUNDARY for kind in self._kinds], np.bool_)
        rows = np.flatnonzero(calls.source >= 0)
        return Counter(calls.source[rows[proper[calls.observation[rows]]]].tolist())

    def _kind(self, row: int) -> ComponentKind:
        return self._kinds[int(self._calls.observation[row])]

    def _name(self, row: int) -> str:
        return self._partial.observations[int(self._calls.observation[row])].identity.name

    def replaced(self) -> Mask:
        """Return the rows of callers' sides, for which the callees' rows stand.

        What they call besides gets their own caller.
        """
        calls, rows = self._calls, np.array(sorted(self._callers), np.int64)
        keys = hash_rows(calls.trace[:, 0], calls.trace[:, 1], calls.span)
        halves = np.array([kind in _HALVES for kind in self._kinds], np.bool_)
        found = np.isin(keys, keys[rows])
        found &= halves[calls.observation] if len(halves) else found
        mirrored = np.array(sorted(self._client_halves), np.int64)
        below = np.flatnonzero(np.isin(calls.source, mirrored))
        calls.source[below] = calls.source[calls.source[below]]
        found[mirrored] = True
        return found


def _without_rows(partial: Partial, dropped: Mask, marked: Iterable[int]) -> list[int]:
    """Drop rows of calls that call nothing; return where the marked rows are then."""
    kept = ~dropped
    place = np.where(kept, np.cumsum(kept) - 1, -1)
    calls = partial.calls
    columns = {f.name: getattr(calls, f.name)[kept] for f in fields(Calls)}
    columns |= {name: _moved(columns[name], place) for name in ("source", "inside")}
    partial.calls = Calls(**columns)
    partial.link_ends = [replace(e, row=int(place[e.row])) for e in partial.link_ends]
    partial.link_starts = [replace(e, row=int(place[e.row])) for e in partial.link_starts]
    return [int(place[row]) for row in marked]


def _moved(rows: I64, place: I64) -> I64:
    return np.where(rows >= 0, place[rows], -1)
