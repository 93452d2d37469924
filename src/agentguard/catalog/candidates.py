"""Matching of catalog entries: by exact id, else by name, else by alias, never by substring."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from agentguard.catalog.aliases import is_pattern, matches_alias
from agentguard.catalog.model import Catalog, Entry
from agentguard.discovery.kinds import ComponentKind


class Rank(IntEnum):
    """What an entry matched by, strongest first."""

    ID = 0
    NAME = 1
    ALIAS = 2
    """A literal alias."""
    PATTERN = 3
    """An alias with wildcards."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The identity of a component or workflow, as entries are compared with it."""

    kind: ComponentKind
    id: str
    name: str
    spellings: tuple[str, ...] = ()
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A matching entry, with the reason."""

    entry: Entry
    rank: Rank
    reason: str

    @property
    def strength(self) -> tuple[Rank, bool]:
        """Sort key, lower is stronger: by rank, then entries for one environment before others."""
        return self.rank, self.entry.environment is None


class Index:
    """A searchable index of a catalog's entries."""

    def __init__(self, catalog: Catalog, seen: Iterable[str] = ()) -> None:
        """Index the entries; `seen` holds the ids of everything observed.

        An entry with one of these ids matches only that component, not others of the same name.
        """
        files = {one.origin for entry in catalog.entries for one in (entry, *entry.also)}
        self.origin = (
            f"any of {len(files)} files" if len(files) > 1 else catalog.origin or "the catalog"
        )
        self._by_id: dict[str, list[Entry]] = {}
        self._by_name: dict[str, list[Entry]] = {}
        self._by_alias: dict[str, list[Entry]] = {}
        self._patterns: list[tuple[str, Entry]] = []
        known = set(seen)
        for entry in catalog.entries:
            self._add(entry, alone=entry.id in known)

    def candidates(self, subject: Subject) -> list[Candidate]:
        """Return every matching entry once, strongest first, then in order of declaration."""
        found = (c for c in self._matching(subject) if subject.kind in c.entry.declares.kinds)
        kept: dict[int, Candidate] = {}
        for candidate in found:
            kept.setdefault(id(candidate.entry), candidate)
        return sorted(kept.values(), key=lambda c: c.strength)

    def _add(self, entry: Entry, *, alone: bool) -> None:
        if entry.id is not None:
            self._by_id.setdefault(entry.id, []).append(entry)
        for text in (
            ()
            if alone
            else dict.fromkeys(t.casefold() for t in (entry.id, entry.name) if t is not None)
        ):
            self._by_name.setdefault(text, []).append(entry)
        for alias in entry.aliases:
            if is_pattern(alias):
                self._patterns.append((alias, entry))
            else:
                self._by_alias.setdefault(alias.casefold(), []).append(entry)

    def _matching(self, subject: Subject) -> Iterator[Candidate]:
        for entry in self._by_id.get(subject.id, ()):
            yield Candidate(entry, Rank.ID, f"The id {subject.id!r} is declared in {entry.place}.")
        names = tuple(dict.fromkeys((subject.name, *subject.spellings)))
        for name in names:
            for entry in _for_environment(self._by_name.get(name.casefold(), ()), subject):
                yield Candidate(
                    entry, Rank.NAME, f"The name {name!r} is declared in {entry.place}."
                )
        for name in names:
            for entry in _for_environment(self._by_alias.get(name.casefold(), ()), subject):
                yield Candidate(
                    entry,
                    Rank.ALIAS,
                    f"The name {name!r} is declared as an alias of {entry.label!r} in"
                    f" {entry.place}.",
                )
        for alias, entry in self._patterns:
            matching = next((name for name in names if matches_alias(alias, name)), None)
            if matching is not None and _in_environment(entry, subject):
                yield Candidate(
                    entry,
                    Rank.PATTERN,
                    f"The name {matching!r} matches the alias {alias!r} of {entry.label!r} in"
                    f" {entry.place}.",
                )


def _for_environment(entries: Iterable[Entry], subject: Subject) -> Iterator[Entry]:
    return (entry for entry in entries if _in_environment(entry, subject))


def _in_environment(entry: Entry, subject: Subject) -> bool:
    return entry.environment is None or entry.environment == subject.environment
