"""What people declared: agents, workflows and other components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from agentguard.catalog.aliases import is_pattern
from agentguard.catalog.errors import CatalogFormatError
from agentguard.discovery.kinds import ComponentKind


class Declared(StrEnum):
    """What an entry speaks of."""

    AGENT = "agent"
    WORKFLOW = "workflow"
    COMPONENT = "component"
    """Any kind of component but agents and workflows."""
    ANY = "any"
    """An agent or any other component: for sources that do not tell the two apart."""

    @property
    def kinds(self) -> frozenset[ComponentKind]:
        """The kinds of components that such an entry can be."""
        return _KINDS[self]


_KINDS = {
    Declared.AGENT: frozenset({ComponentKind.AGENT}),
    Declared.WORKFLOW: frozenset({ComponentKind.WORKFLOW}),
    Declared.COMPONENT: frozenset(ComponentKind) - {ComponentKind.AGENT, ComponentKind.WORKFLOW},
    Declared.ANY: frozenset(ComponentKind) - {ComponentKind.WORKFLOW},
}


_KIND_NAMES = {kind.value: kind for kind in ComponentKind}


class Criticality(StrEnum):
    """How bad it is when it fails, as its people see it; from worst to least."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Reference:
    """A declared dependency: an id, a name, or a name with its kind before it (`model:gpt-4o`)."""

    text: str

    @property
    def kind(self) -> ComponentKind | None:
        """The kind that it names, or None where it may be any."""
        kind, colon, _ = self.text.partition(":")
        return _KIND_NAMES.get(kind) if colon else None

    @property
    def name(self) -> str:
        """The name alone."""
        return self.text if self.kind is None else self.text.partition(":")[2]


@dataclass(frozen=True, slots=True)
class Entry:
    """One declaration; id or name is given, or both.

    Lists are None where nothing is declared: an empty one says that there is none.
    """

    declares: Declared
    id: str | None = None
    name: str | None = None
    owner: str | None = None
    value_per_run: float | None = None
    line: int = 0
    """Where it stands in the file, from 1; 0 where there is no file."""
    origin: str = ""
    """The file's path, for messages."""
    aliases: tuple[str, ...] = ()
    """Other names, with `*` for any characters and `?` for one; see catalog.aliases."""
    environment: str | None = None
    """Where given, names and aliases speak of components in this environment alone."""
    criticality: Criticality | None = None
    depends_on: tuple[Reference, ...] | None = None
    models: tuple[Reference, ...] | None = None
    tools: tuple[Reference, ...] | None = None
    also: tuple[Entry, ...] = ()
    """What other files declare of the same thing."""

    @property
    def label(self) -> str:
        """What to call it in a message."""
        return self.name or self.id or ""

    @property
    def place(self) -> str:
        """The file and line that it stands in."""
        return (
            f"{self.origin or 'the catalogue'}, line {self.line}"
            if self.line
            else self.origin or "the catalogue"
        )

    def filled_from(self, other: Entry) -> Entry:
        """Return this entry with what it leaves open taken from another file's.

        The other one is kept beside it.
        """
        return replace(
            self,
            declares=(
                Declared.ANY if Declared.ANY in (self.declares, other.declares) else self.declares
            ),
            id=self.id or other.id,
            name=self.name or other.name,
            owner=self.owner or other.owner,
            value_per_run=other.value_per_run if self.value_per_run is None else self.value_per_run,
            aliases=tuple(dict.fromkeys((*self.aliases, *other.aliases))),
            criticality=self.criticality or other.criticality,
            depends_on=other.depends_on if self.depends_on is None else self.depends_on,
            models=other.models if self.models is None else self.models,
            tools=other.tools if self.tools is None else self.tools,
            also=(*self.also, other),
        )


@dataclass(frozen=True, slots=True)
class Catalog:
    """All declarations of one file, or of several."""

    entries: tuple[Entry, ...] = ()
    currency: str | None = None
    """Of every value_per_run; as declared."""
    origin: str = ""
    """The file's path, for messages; of several files, all of them."""
    notes: tuple[str, ...] = ()
    """What was left out of foreign files, and why."""


def joined(catalogs: Sequence[Catalog]) -> Catalog:
    """Return several files' declarations as one.

    What bears one id, name or written-out alias is one entry, what earlier files say first.

    Raises CatalogFormatError where two files name different currencies.
    """
    entries: list[Entry] = []
    for catalog in catalogs:
        entries = _with(entries, catalog.entries)
    notes = tuple(note for catalog in catalogs for note in catalog.notes)
    return Catalog(
        tuple(entries), _currency(catalogs), ", ".join(c.origin for c in catalogs), notes
    )


def _with(known: Sequence[Entry], added: Sequence[Entry]) -> list[Entry]:
    """Return the known entries, filled from another file's.

    Doubles within one file are that file's business.
    """
    entries = list(known)
    places: dict[_Key, int] = {}
    for keys in (_own_keys, _alias_keys):
        for place, entry in enumerate(known):
            for key in keys(entry):
                places.setdefault(key, place)
    for entry in added:
        found = (places[key] for key in (*_own_keys(entry), *_alias_keys(entry)) if key in places)
        same = next((place for place in found if _same(entries[place], entry)), None)
        if same is None:
            entries.append(entry)
        else:
            entries[same] = entries[same].filled_from(entry)
    return entries


_Key: TypeAlias = tuple[ComponentKind, str | None, str]


def _own_keys(entry: Entry) -> list[_Key]:
    texts = [f"id {entry.id}"] if entry.id else []
    return _keys(entry, [*texts, *([f"name {entry.name.casefold()}"] if entry.name else [])])


def _alias_keys(entry: Entry) -> list[_Key]:
    return _keys(
        entry, [f"name {alias.casefold()}" for alias in entry.aliases if not is_pattern(alias)]
    )


def _keys(entry: Entry, texts: Sequence[str]) -> list[_Key]:
    return [
        (kind, entry.environment, text) for text in texts for kind in sorted(entry.declares.kinds)
    ]


def _same(one: Entry, other: Entry) -> bool:
    """Whether two entries of one name can be one: not with two ids."""
    return one.id is None or other.id is None or one.id == other.id


def _currency(catalogs: Sequence[Catalog]) -> str | None:
    named = [c for c in catalogs if c.currency is not None]
    for other in named[1:]:
        if other.currency != named[0].currency:
            said = (
                f"its currency is {other.currency!r}, but {named[0].origin} says"
                f" {named[0].currency!r}. Use one."
            )
            raise CatalogFormatError(other.origin, None, said)
    return named[0].currency if named else None
