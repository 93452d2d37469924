"""What was declared against what was seen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agentguard.catalog.model import Catalog, Declared, Entry
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.documents import NO_CATALOG
from agentguard.graph.model import Component, Evidence, Graph


class Standing(StrEnum):
    """How a component stands to the catalogue."""

    DECLARED = "declared"
    SHADOW = "shadow"
    """An agent that was seen and that nobody declared."""
    UNIDENTIFIED = "unidentified"
    """An agent that nothing in the spans names: it cannot be matched, so it is not called shadow."""
    UNDECLARED = "undeclared"
    """Another kind of component without an entry; only agents are called shadow."""
    UNKNOWN = "unknown"
    """There is no catalogue to match against."""


@dataclass(frozen=True, slots=True)
class Match:
    """The finding on one component, with why."""

    component: str
    standing: Standing
    reason: str
    entry: Entry | None
    first_seen: int
    last_seen: int
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Matches:
    """The findings on all components, in the graph's order."""

    catalog: Catalog | None
    components: tuple[Match, ...]
    workflows: tuple[tuple[str, Entry], ...]
    """Workflow id → its entry, where one matches."""
    unmatched: tuple[Entry, ...]
    """Entries that fit nothing seen in this window."""

    @property
    def shadow(self) -> tuple[Match, ...]:
        """The shadow agents; always empty without a catalogue."""
        return tuple(m for m in self.components if m.standing is Standing.SHADOW)

    @property
    def note(self) -> str | None:
        """What to say where there is no catalogue; None where there is one."""
        return NO_CATALOG if self.catalog is None else None

    def of(self, component_id: str) -> Match | None:
        """The finding on this component, or None where the graph does not have it."""
        return next((m for m in self.components if m.component == component_id), None)


def match(graph: Graph, catalog: Catalog | None) -> Matches:
    """Return how every component stands to the catalogue: by exact id, else by equal name (case ignored), never by part of a name.

    An entry whose id is the id of something seen speaks of that alone; otherwise its id and its name are compared with names.
    """
    if catalog is None:
        return Matches(None, tuple(_finding(c, Standing.UNKNOWN, NO_CATALOG, None) for c in graph.components), (), ())
    index = _Index(catalog, {c.id for c in graph.components} | {w.id for w in graph.workflows})
    components = tuple(_component_match(c, index) for c in graph.components)
    found = ((w, index.find(Declared.WORKFLOW, w.id, (w.name,))) for w in graph.workflows)
    workflows = tuple((w.id, hit[0]) for w, hit in found if hit is not None)
    used = {m.entry for m in components} | {entry for _, entry in workflows}
    return Matches(catalog, components, workflows, tuple(e for e in catalog.entries if e not in used))


def _component_match(c: Component, index: _Index) -> Match:
    if c.kind is ComponentKind.AGENT and not c.identified:
        return _finding(c, Standing.UNIDENTIFIED, "Nothing in its spans names it, so it cannot be compared with the catalogue.", None)
    hit = index.find(_declared_as(c.kind), c.id, (c.name, *c.spellings))
    if hit is not None:
        entry, why = hit
        return _finding(c, Standing.DECLARED, why, entry)
    if c.kind is ComponentKind.AGENT:
        reason = f"Seen in {c.invocations} invocations, but no agent in {index.origin} has the id {c.id!r} or the name {c.name!r}."
        return _finding(c, Standing.SHADOW, reason, None)
    return _finding(c, Standing.UNDECLARED, f"No entry in {index.origin} has this id or name; only agents are called shadow.", None)


def _finding(c: Component, standing: Standing, reason: str, entry: Entry | None) -> Match:
    return Match(c.id, standing, reason, entry, c.first_seen, c.last_seen, c.evidence)


def _declared_as(kind: ComponentKind) -> Declared:
    if kind is ComponentKind.AGENT:
        return Declared.AGENT
    return Declared.WORKFLOW if kind is ComponentKind.WORKFLOW else Declared.COMPONENT


class _Index:
    """Entries by id and by name."""

    def __init__(self, catalog: Catalog, seen: set[str]) -> None:
        self.origin = catalog.origin or "the catalogue"
        self._by_id: dict[tuple[Declared, str], Entry] = {}
        self._by_name: dict[tuple[Declared, str], Entry] = {}
        for entry in catalog.entries:
            if entry.id is not None:
                self._by_id.setdefault((entry.declares, entry.id), entry)
            if entry.id not in seen:
                for text in (entry.id, entry.name):
                    if text is not None:
                        self._by_name.setdefault((entry.declares, text.casefold()), entry)

    def find(self, kind: Declared, exact: str, names: tuple[str, ...]) -> tuple[Entry, str] | None:
        """Return the entry and why it matches."""
        entry = self._by_id.get((kind, exact))
        if entry is not None:
            return entry, f"The id {exact!r} is declared{self._place(entry)}."
        for name in names:
            entry = self._by_name.get((kind, name.casefold()))
            if entry is not None:
                return entry, f"The name {name!r} is declared{self._place(entry)}."
        return None

    def _place(self, entry: Entry) -> str:
        return f" in {self.origin}, line {entry.line}" if entry.line else f" in {self.origin}"
