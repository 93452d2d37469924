"""Presence of declared components: seen, not seen, or ghost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from agentguard.catalog.candidates import Index, Subject
from agentguard.catalog.matching import Matches, component_subject, ids, workflow_subject
from agentguard.catalog.model import Entry
from agentguard.graph.model import Graph
from agentguard.graph.storage.history import History
from agentguard.kernel.clock import NS_PER_DAY, timestamp


class PresenceState(StrEnum):
    """The presence of an entry."""

    SEEN = "seen"
    NOT_SEEN = "not_seen"
    """Nothing in this graph matches it; this alone is not a finding."""
    GHOST = "ghost"
    """EntryKind but not seen for `ghost_days`, although enough days had observations."""


@dataclass(frozen=True, slots=True)
class Presence:
    """The presence of one entry, with the reason."""

    entry: Entry
    state: PresenceState
    reason: str
    components: tuple[str, ...]
    """Ids of the components in this graph that match."""
    first_seen: int
    """In the whole history and this graph; 0: never, or at an unknown time."""
    last_seen: int


def presences(
    graph: Graph, matches: Matches, history: History, *, now: int, ghost_days: int
) -> tuple[Presence, ...]:
    """Return the presence of every entry, in the order of the catalog.

    A ghost was last seen more than `ghost_days` before `now` (or never), and since then (or ever)
    there were observations on at least that many days, the last of them within `ghost_days`.
    Without observations, absence proves nothing.
    """
    if matches.catalog is None:
        return ()
    here = _seen_by_entry(Index(matches.catalog, ids(graph)), _in_graph(graph))
    ever = _seen_by_entry(
        Index(matches.catalog, (s.id for s in history.components)), _in_history(history)
    )
    rules = _PresenceRules(history.days, now, ghost_days)
    return tuple(
        rules.presence(e, here.get(id(e), []), ever.get(id(e), [])) for e in matches.catalog.entries
    )


@dataclass(frozen=True, slots=True)
class _Occurrence:
    id: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _PresenceRules:
    days: tuple[int, ...]
    now: int
    ghost_days: int

    def presence(self, entry: Entry, here: list[_Occurrence], ever: list[_Occurrence]) -> Presence:
        every = [*here, *ever]
        first, last = (
            min((s.first for s in every if s.first), default=0),
            max((s.last for s in every), default=0),
        )
        state, reason = self._state(last, timeless=bool(every) and not last, here=bool(here))
        return Presence(entry, state, reason, tuple(s.id for s in here), first, last)

    def _state(self, last: int, *, timeless: bool, here: bool) -> tuple[PresenceState, str]:
        absent = PresenceState.SEEN if here else PresenceState.NOT_SEEN
        if timeless:
            return absent, "Seen; its spans have no timestamps."
        since = [day for day in self.days if last // NS_PER_DAY < day <= self.now // NS_PER_DAY]
        when = f"Last seen {timestamp(last)}" if last else "Never seen"
        if last and self.now - last <= self.ghost_days * NS_PER_DAY:
            return absent, f"{when}." if here else f"Not in this graph. {when}."
        if not since or since[-1] < self.now // NS_PER_DAY - self.ghost_days:
            return (
                absent,
                (
                    f"{when}; there are no observations from the last {_days(self.ghost_days)}, so"
                    " this is not a finding."
                ),
            )
        if len(since) < self.ghost_days:
            return (
                absent,
                (
                    f"{when}; {_since(last)} only {_days(len(since))} with observations; a ghost"
                    f" needs {self.ghost_days}."
                ),
            )
        return (
            PresenceState.GHOST,
            f"{when}, although {_since(last)} {_days(len(since))} had observations.",
        )


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number:,} days"


def _since(last: int) -> str:
    return "since then" if last else "so far"


def _in_graph(graph: Graph) -> Iterator[tuple[Subject, _Occurrence]]:
    for c in graph.components:
        if c.identified:
            yield component_subject(c), _Occurrence(c.id, c.first_seen, c.last_seen)
    for w in graph.workflows:
        yield workflow_subject(w), _Occurrence(w.id, w.first_seen, w.last_seen)


def _in_history(history: History) -> Iterator[tuple[Subject, _Occurrence]]:
    for s in history.components:
        yield (
            Subject(s.kind, s.id, s.name, s.spellings, s.environment),
            _Occurrence(s.id, s.first_seen, s.last_seen),
        )


def _seen_by_entry(
    index: Index, seen: Iterable[tuple[Subject, _Occurrence]]
) -> dict[int, list[_Occurrence]]:
    found: dict[int, list[_Occurrence]] = {}
    for what, times in seen:
        for candidate in index.candidates(what):
            if times not in found.setdefault(id(candidate.entry), []):
                found[id(candidate.entry)].append(times)
    return found
