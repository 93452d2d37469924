"""Which entries speak of something seen: by exact id, else by name, else by alias.

Never by part of a name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from agentguard.catalog.aliases import fits, is_pattern
from agentguard.catalog.model import Catalog, Entry
from agentguard.discovery.kinds import ComponentKind


class Rank(IntEnum):
    """By what an entry fits, strongest first."""

    ID = 0
    NAME = 1
    ALIAS = 2
    """Another name, written out."""
    PATTERN = 3
    """A name with wildcards."""


@dataclass(frozen=True, slots=True)
class Named:
    """What entries are compared with."""

    kind: ComponentKind
    id: str
    name: str
    spellings: tuple[str, ...] = ()
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """One entry that fits, and why."""

    entry: Entry
    rank: Rank
    reason: str

    @property
    def strength(self) -> tuple[Rank, bool]:
        """Less is stronger: by rank, then entries for this environment before entries for any."""
        return self.rank, self.entry.environment is None


class Index:
    """A catalogue's entries, ready to be looked up."""

    def __init__(self, catalog: Catalog, seen: Iterable[str] = ()) -> None:
        """Take the ids of everything seen.

        An entry whose id is among them speaks of that alone, not of its namesakes.
        """
        files = {one.origin for entry in catalog.entries for one in (entry, *entry.also)}
        self.origin = (
            f"any of {len(files)} files" if len(files) > 1 else catalog.origin or "the catalogue"
        )
        self._by_id: dict[str, list[Entry]] = {}
        self._by_name: dict[str, list[Entry]] = {}
        self._by_alias: dict[str, list[Entry]] = {}
        self._patterns: list[tuple[str, Entry]] = []
        known = set(seen)
        for entry in catalog.entries:
            self._add(entry, alone=entry.id in known)

    def claims(self, named: Named) -> list[Claim]:
        """Return every entry that fits, strongest first, each once.

        Of equal ones the first declared.
        """
        found = (c for c in self._fitting(named) if named.kind in c.entry.declares.kinds)
        kept: dict[int, Claim] = {}
        for claim in found:
            kept.setdefault(id(claim.entry), claim)
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

    def _fitting(self, named: Named) -> Iterator[Claim]:
        for entry in self._by_id.get(named.id, ()):
            yield Claim(entry, Rank.ID, f"The id {named.id!r} is declared in {entry.place}.")
        names = tuple(dict.fromkeys((named.name, *named.spellings)))
        for name in names:
            for entry in _here(self._by_name.get(name.casefold(), ()), named):
                yield Claim(entry, Rank.NAME, f"The name {name!r} is declared in {entry.place}.")
        for name in names:
            for entry in _here(self._by_alias.get(name.casefold(), ()), named):
                yield Claim(
                    entry,
                    Rank.ALIAS,
                    f"The name {name!r} is declared as an alias of {entry.label!r} in"
                    f" {entry.place}.",
                )
        for alias, entry in self._patterns:
            fitting = next((name for name in names if fits(alias, name)), None)
            if fitting is not None and _is_here(entry, named):
                yield Claim(
                    entry,
                    Rank.PATTERN,
                    f"The name {fitting!r} fits the alias {alias!r} of {entry.label!r} in"
                    f" {entry.place}.",
                )


def _here(entries: Iterable[Entry], named: Named) -> Iterator[Entry]:
    return (entry for entry in entries if _is_here(entry, named))


def _is_here(entry: Entry, named: Named) -> bool:
    return entry.environment is None or entry.environment == named.environment
