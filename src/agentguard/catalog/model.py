"""Declarations of agents, workflows and other components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from agentguard.catalog.aliases import is_pattern
from agentguard.catalog.errors import CatalogFormatError
from agentguard.discovery.kinds import ComponentKind


class EntryKind(StrEnum):
    """What an entry declares."""

    AGENT = "agent"
    WORKFLOW = "workflow"
    COMPONENT = "component"
    """Any component except agents and workflows."""
    ANY = "any"
    """An agent or another component: for sources that do not distinguish them."""

    @property
    def kinds(self) -> frozenset[ComponentKind]:
        """Return the component kinds that such an entry can match."""
        return _KINDS[self]


_KINDS = {
    EntryKind.AGENT: frozenset({ComponentKind.AGENT}),
    EntryKind.WORKFLOW: frozenset({ComponentKind.WORKFLOW}),
    EntryKind.COMPONENT: frozenset(ComponentKind) - {ComponentKind.AGENT, ComponentKind.WORKFLOW},
    EntryKind.ANY: frozenset(ComponentKind) - {ComponentKind.WORKFLOW},
}


_KIND_NAMES = {kind.value: kind for kind in ComponentKind}


class Criticality(StrEnum):
    """Criticality as declared by the owners, highest first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Reference:
    """A declared dependency: an id, a name, or a name prefixed by its kind (`model:gpt-4o`)."""

    text: str

    @property
    def kind(self) -> ComponentKind | None:
        """Return the kind in the prefix, or None if it may be any."""
        kind, colon, _ = self.text.partition(":")
        return _KIND_NAMES.get(kind) if colon else None

    @property
    def name(self) -> str:
        """Return the name without the kind."""
        return self.text if self.kind is None else self.text.partition(":")[2]


@dataclass(frozen=True, slots=True)
class OnFailure:
    """What a component does when something fails: facts that override what was estimated."""

    optional: tuple[Reference, ...] = ()
    """It survives without these."""
    required: tuple[Reference, ...] = ()
    """It fails without these."""
    asynchronous: tuple[Reference, ...] = ()
    """It does not wait for these."""
    any_of: tuple[tuple[Reference, ...], ...] = ()
    """Of each group one is enough."""
    standbys: tuple[Reference, ...] = ()
    """What its callers turn to when it fails itself."""
    replicas: int | None = None
    """Instances of it; its outage is that of all."""
    retries: int | None = None
    """How often it repeats a failed call."""
    timeout_seconds: float | None = None
    """How long it waits for a call."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One declaration with an id, a name or both.

    Lists are None if not declared; an empty list declares that there are none.
    """

    declares: EntryKind
    id: str | None = None
    name: str | None = None
    owner: str | None = None
    value_per_run: float | None = None
    line: int = 0
    """Line in the file, from 1; 0 without a file."""
    origin: str = ""
    """The file's path, for messages."""
    aliases: tuple[str, ...] = ()
    """Further names, with wildcards `*` and `?`; see catalog.aliases."""
    environment: str | None = None
    """If set, names and aliases match only in this environment."""
    criticality: Criticality | None = None
    depends_on: tuple[Reference, ...] | None = None
    models: tuple[Reference, ...] | None = None
    tools: tuple[Reference, ...] | None = None
    runbook: str | None = None
    """URL of what its owners wrote for its failures."""
    effects: tuple[str, ...] | None = None
    """What a run does outside, such as `payment`: a second run does it twice."""
    also: tuple[Entry, ...] = ()
    """Declarations of the same component in other files."""
    failing: OnFailure | None = None
    """What it does when something fails; None if nothing is declared of this."""

    @property
    def label(self) -> str:
        """Return the display name."""
        return self.name or self.id or ""

    @property
    def place(self) -> str:
        """Return the file and line of the declaration."""
        return (
            f"{self.origin or 'the catalog'}, line {self.line}"
            if self.line
            else self.origin or "the catalog"
        )

    def merged_with(self, other: Entry) -> Entry:
        """Return this entry with missing fields taken from another file's entry, kept in `also`."""
        return replace(
            self,
            declares=(
                EntryKind.ANY if EntryKind.ANY in (self.declares, other.declares) else self.declares
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
            failing=self.failing or other.failing,
            runbook=self.runbook or other.runbook,
            effects=other.effects if self.effects is None else self.effects,
            also=(*self.also, other),
        )


@dataclass(frozen=True, slots=True)
class Catalog:
    """All declarations of one or more files."""

    entries: tuple[Entry, ...] = ()
    currency: str | None = None
    """Currency of all value_per_run, as declared."""
    origin: str = ""
    """The paths of the files, for messages."""
    notes: tuple[str, ...] = ()
    """What was skipped in foreign files, and why."""


def merge(catalogs: Sequence[Catalog]) -> Catalog:
    """Merge the declarations of several files; earlier files take precedence.

    Entries with the same id, name or literal alias become one. Raises CatalogFormatError if two
    files declare different currencies.
    """
    entries: list[Entry] = []
    for catalog in catalogs:
        entries = _merged_entries(entries, catalog.entries)
    notes = tuple(note for catalog in catalogs for note in catalog.notes)
    return Catalog(
        tuple(entries), _currency(catalogs), ", ".join(c.origin for c in catalogs), notes
    )


def _merged_entries(known: Sequence[Entry], added: Sequence[Entry]) -> list[Entry]:
    """Return the known entries merged with another file's; duplicates within a file are kept."""
    entries = list(known)
    places: dict[_Key, int] = {}
    for keys in (_identity_keys, _alias_keys):
        for place, entry in enumerate(known):
            for key in keys(entry):
                places.setdefault(key, place)
    for entry in added:
        found = (
            places[key] for key in (*_identity_keys(entry), *_alias_keys(entry)) if key in places
        )
        same = next((place for place in found if _same(entries[place], entry)), None)
        if same is None:
            entries.append(entry)
        else:
            entries[same] = entries[same].merged_with(entry)
    return entries


_Key: TypeAlias = tuple[ComponentKind, str | None, str]


def _identity_keys(entry: Entry) -> list[_Key]:
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
    """Return whether two entries of one name can be merged: not with two different ids."""
    return one.id is None or other.id is None or one.id == other.id


def _currency(catalogs: Sequence[Catalog]) -> str | None:
    named = [c for c in catalogs if c.currency is not None]
    for other in named[1:]:
        if other.currency != named[0].currency:
            problem = (
                f"its currency is {other.currency!r}, but {named[0].origin} declares"
                f" {named[0].currency!r}. Use one."
            )
            raise CatalogFormatError(other.origin, None, problem)
    return named[0].currency if named else None
