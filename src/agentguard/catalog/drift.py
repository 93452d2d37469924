"""Drift: differences between declared and observed dependencies, and conflicting owners."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from agentguard.catalog.candidates import Rank
from agentguard.catalog.matching import Match, Matches
from agentguard.catalog.model import Entry, Reference
from agentguard.catalog.named import Named
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Component, Dependency, Graph


class Aspect(StrEnum):
    """The aspect in which an entry drifts."""

    DEPENDENCIES = "dependencies"
    """On agents, services, datastores, queues and MCP servers: all except models and tools."""
    MODELS = "models"
    TOOLS = "tools"
    OWNER = "owner"


@dataclass(frozen=True, slots=True)
class Extra:
    """An observed but undeclared dependency, with its evidence."""

    dependency: Dependency
    target: Component


@dataclass(frozen=True, slots=True)
class Owner:
    """An owner and where it is declared."""

    name: str
    place: str


@dataclass(frozen=True, slots=True)
class Drift:
    """The drift of one entry in one aspect."""

    entry: Entry
    aspect: Aspect
    components: tuple[str, ...]
    """Ids of the components that the entry matches."""
    reason: str
    missing: tuple[str, ...] = ()
    """EntryKind but not observed, as written."""
    extra: tuple[Extra, ...] = ()
    owners: tuple[Owner, ...] = ()


def drifts(graph: Graph, matches: Matches) -> tuple[Drift, ...]:
    """Return the drift of all matched entries, in the order of the catalog.

    A declared list is assumed to be complete: observed uses that it lacks are extra, listed ones
    that no component of the entry uses are missing. Undeclared lists are not compared.
    """
    seen = _ObservedUses(graph, matches)
    of_entry: dict[int, list[Match]] = {}
    for m in matches.components:
        if m.entry is not None:
            of_entry.setdefault(id(m.entry), []).append(m)
    entries = [
        (e, of_entry[id(e)])
        for e in (matches.catalog.entries if matches.catalog else ())
        if id(e) in of_entry
    ]
    return tuple(
        drift
        for entry, found in entries
        for drift in (*seen.uses(entry, found), *_owners(entry, found))
    )


class _ObservedUses:
    """The graph's dependencies by caller, and the names by which entries refer to components."""

    def __init__(self, graph: Graph, matches: Matches) -> None:
        self._named = Named(graph, matches)
        self._by_source: dict[str, list[Dependency]] = {}
        for d in graph.dependencies:
            self._by_source.setdefault(d.source, []).append(d)

    def _used(self, sources: Iterable[str]) -> Iterable[Extra]:
        known = self._named.components
        found = (d for s in sources for d in self._by_source.get(s, ()))
        return (Extra(d, known[d.target]) for d in found if d.target in known)

    def uses(self, entry: Entry, found: Iterable[Match]) -> Iterable[Drift]:
        sources = tuple(m.component for m in found)
        used = list(self._used(sources))
        listed = _declared(entry)
        every = [r for references in listed.values() for r in references]
        for aspect, references in listed.items():
            missing = tuple(
                r.text for r in references if not any(self._named.means(r, u.target) for u in used)
            )
            extra = tuple(
                u
                for u in used
                if _aspect(u.target.kind) is aspect
                and not any(self._named.means(r, u.target) for r in every)
            )
            if missing or extra:
                yield Drift(
                    entry, aspect, sources, _reason(entry, aspect, missing, extra), missing, extra
                )


def _declared(entry: Entry) -> Mapping[Aspect, list[Reference]]:
    """Return the references of the entry by aspect.

    Models and tools in `depends_on` belong to the aspect of their kind.
    """
    listed: dict[Aspect, list[Reference]] = {}
    declared_lists = ((Aspect.MODELS, entry.models), (Aspect.TOOLS, entry.tools))
    listed.update(
        {
            aspect: list(references)
            for aspect, references in declared_lists
            if references is not None
        }
    )
    others = entry.depends_on or ()
    for r in others:
        listed.setdefault(Aspect.DEPENDENCIES if r.kind is None else _aspect(r.kind), []).append(r)
    if entry.depends_on is not None and not others:
        listed.setdefault(Aspect.DEPENDENCIES, [])
    return listed


def _aspect(kind: ComponentKind) -> Aspect:
    if kind is ComponentKind.MODEL:
        return Aspect.MODELS
    return Aspect.TOOLS if kind is ComponentKind.TOOL else Aspect.DEPENDENCIES


def _reason(
    entry: Entry, aspect: Aspect, missing: tuple[str, ...], extra: tuple[Extra, ...]
) -> str:
    parts = [f"declares {', '.join(missing)}, which was not observed"] if missing else []
    if extra:
        names = ", ".join(dict.fromkeys(e.target.name for e in extra))
        parts.append(f"uses {names}, which its {aspect} do not list")
    return f"{entry.label} ({entry.place}) {'; it '.join(parts)}."


def _owners(entry: Entry, found: Iterable[Match]) -> Iterable[Drift]:
    """Yield a drift if files disagree about the owner.

    Different owners within one file are intended (an id, and other components of the same name).
    """
    matched = list(found)
    claimed = (
        c.entry
        for m in matched
        for c in m.candidates
        if c.rank in (Rank.ID, Rank.NAME) and c.entry.origin != entry.origin
    )
    entries = (entry, *entry.also, *(e for other in claimed for e in (other, *other.also)))
    owners = tuple(
        dict.fromkeys(
            Owner(e.owner, e.place)
            for e in entries
            if e.owner is not None and (e is not entry or _declares_owner(e))
        )
    )
    if len({o.name.casefold() for o in owners}) > 1:
        problem = ", but ".join(f"{o.place} says {o.name!r}" for o in owners)
        yield Drift(
            entry,
            Aspect.OWNER,
            tuple(m.component for m in matched),
            f"The owner of {entry.label}: {problem}.",
            owners=owners,
        )


def _declares_owner(entry: Entry) -> bool:
    """Return whether the entry declares the owner itself, instead of inheriting it from a file."""
    return all(other.owner != entry.owner for other in entry.also)
