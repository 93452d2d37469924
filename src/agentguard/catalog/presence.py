"""Whether what was declared is still there: seen, not seen, or a ghost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from agentguard.catalog.claims import Index, Named
from agentguard.catalog.matching import Matches, ids, named, named_workflow
from agentguard.catalog.model import Entry
from agentguard.graph.history import NS_PER_DAY, History
from agentguard.graph.model import Graph
from agentguard.kernel.clock import timestamp


class State(StrEnum):
    """How an entry stands to what was seen."""

    SEEN = "seen"
    NOT_SEEN = "not_seen"
    """Nothing in this graph fits it; that alone says little."""
    GHOST = "ghost"
    """Declared, and not seen for as many days as it takes, though something was seen on as many."""


@dataclass(frozen=True, slots=True)
class Presence:
    """The finding on one entry, with why."""

    entry: Entry
    state: State
    reason: str
    components: tuple[str, ...]
    """What fits it in this graph."""
    first_seen: int
    """In the whole history and this graph; 0 = never, or at no known time."""
    last_seen: int


def presences(
    graph: Graph, matches: Matches, history: History, *, now: int, ghost_days: int
) -> tuple[Presence, ...]:
    """Return how every entry stands, in the catalogue's order.

    A ghost was last seen more than `ghost_days` before `now` (or never), and since then (or ever)
    something was seen on at least that many days, the last of them within `ghost_days`: where
    nothing at all was observed, absence proves nothing.
    """
    if matches.catalog is None:
        return ()
    here = _seen_by_entry(Index(matches.catalog, ids(graph)), _in_graph(graph))
    ever = _seen_by_entry(
        Index(matches.catalog, (s.id for s in history.components)), _in_history(history)
    )
    judged = _Judge(history.days, now, ghost_days)
    return tuple(
        judged.presence(e, here.get(id(e), []), ever.get(id(e), []))
        for e in matches.catalog.entries
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    id: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _Judge:
    days: tuple[int, ...]
    now: int
    ghost_days: int

    def presence(self, entry: Entry, here: list[_Seen], ever: list[_Seen]) -> Presence:
        every = [*here, *ever]
        first, last = (
            min((s.first for s in every if s.first), default=0),
            max((s.last for s in every), default=0),
        )
        state, reason = self._state(last, timeless=bool(every) and not last, here=bool(here))
        return Presence(entry, state, reason, tuple(s.id for s in here), first, last)

    def _state(self, last: int, *, timeless: bool, here: bool) -> tuple[State, str]:
        absent = State.SEEN if here else State.NOT_SEEN
        if timeless:
            return absent, "Seen, at a time that its spans do not say."
        since = [day for day in self.days if last // NS_PER_DAY < day <= self.now // NS_PER_DAY]
        told = f"Last seen {timestamp(last)}" if last else "Never seen"
        if last and self.now - last <= self.ghost_days * NS_PER_DAY:
            return absent, f"{told}." if here else f"Not in this graph. {told}."
        if not since or since[-1] < self.now // NS_PER_DAY - self.ghost_days:
            return (
                absent,
                (
                    f"{told}; nothing at all was seen in the last {_days(self.ghost_days)}, so"
                    " nothing follows from that."
                ),
            )
        if len(since) < self.ghost_days:
            return (
                absent,
                (
                    f"{told}; {_since(last)} only {_days(len(since))} observed, too few to call it"
                    f" a ghost ({self.ghost_days})."
                ),
            )
        return (
            State.GHOST,
            f"{told}, though {_since(last)} something was seen on {_days(len(since))}.",
        )


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number:,} days"


def _since(last: int) -> str:
    return "since then" if last else "so far"


def _in_graph(graph: Graph) -> Iterator[tuple[Named, _Seen]]:
    for c in graph.components:
        if c.identified:
            yield named(c), _Seen(c.id, c.first_seen, c.last_seen)
    for w in graph.workflows:
        yield named_workflow(w), _Seen(w.id, w.first_seen, w.last_seen)


def _in_history(history: History) -> Iterator[tuple[Named, _Seen]]:
    for s in history.components:
        yield (
            Named(s.kind, s.id, s.name, s.spellings, s.environment),
            _Seen(s.id, s.first_seen, s.last_seen),
        )


def _seen_by_entry(index: Index, seen: Iterable[tuple[Named, _Seen]]) -> dict[int, list[_Seen]]:
    found: dict[int, list[_Seen]] = {}
    for what, times in seen:
        for claim in index.claims(what):
            if times not in found.setdefault(id(claim.entry), []):
                found[id(claim.entry)].append(times)
    return found
