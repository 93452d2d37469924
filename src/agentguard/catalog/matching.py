"""Matches observed components and workflows with catalog entries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from agentguard.catalog.candidates import Candidate, Index, Rank, Subject
from agentguard.catalog.model import Catalog, Entry
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.documents import NO_CATALOG
from agentguard.graph.model import Component, Evidence, Graph, Workflow


class Standing(StrEnum):
    """The standing of a component with respect to the catalog."""

    DECLARED = "declared"
    SHADOW = "shadow"
    """An observed agent without a catalog entry."""
    UNIDENTIFIED = "unidentified"
    """An agent without a name in its spans: it cannot be matched and is not called shadow."""
    AMBIGUOUS = "ambiguous"
    """Aliases of several entries match: it is declared, but the entry is undetermined."""
    UNDECLARED = "undeclared"
    """Another component without an entry; only agents are called shadow."""
    UNKNOWN = "unknown"
    """There is no catalog."""


@dataclass(frozen=True, slots=True)
class Match:
    """The result for one component, with the reason."""

    component: str
    name: str
    kind: ComponentKind
    standing: Standing
    reason: str
    entry: Entry | None
    first_seen: int
    last_seen: int
    evidence: tuple[Evidence, ...]
    candidates: tuple[Candidate, ...] = ()
    """Every matching entry, strongest first."""


@dataclass(frozen=True, slots=True)
class Matches:
    """The results for all components, in the order of the graph."""

    catalog: Catalog | None
    components: tuple[Match, ...]
    workflows: tuple[tuple[str, Entry], ...]
    """Workflow id → matching entry."""
    unmatched: tuple[Entry, ...]
    """Entries that match nothing in this window."""

    @property
    def shadow(self) -> tuple[Match, ...]:
        """Return the shadow agents; always empty without a catalog."""
        return self.standing(Standing.SHADOW)

    @property
    def note(self) -> str | None:
        """Return the note for a missing catalog, or None."""
        return NO_CATALOG if self.catalog is None else None

    def of(self, component_id: str) -> Match | None:
        """Return the match of this component, or None if the graph does not contain it."""
        return next((m for m in self.components if m.component == component_id), None)

    def standing(self, standing: Standing) -> tuple[Match, ...]:
        """Return the matches with this standing."""
        return tuple(m for m in self.components if m.standing is standing)


def match(graph: Graph, catalog: Catalog | None) -> Matches:
    """Return the standing of every component.

    Entries match by exact id, else by name, else by alias, case-insensitively and never by
    substring. An entry whose id is observed matches by name only that component; otherwise its id
    and name are both compared with names. The strongest match wins; several aliases of equal
    strength are ambiguous.
    """
    if catalog is None:
        return Matches(
            None,
            tuple(_finding(c, Standing.UNKNOWN, NO_CATALOG, None) for c in graph.components),
            (),
            (),
        )
    index = Index(catalog, ids(graph))
    components = tuple(_component_match(c, index) for c in graph.components)
    flows = [(w, index.candidates(workflow_subject(w))) for w in graph.workflows]
    workflows = tuple(
        (w.id, candidates[0].entry)
        for w, candidates in flows
        if len(_ambiguous_candidates(candidates)) == 1
    )
    matching = {
        id(c.entry)
        for candidates in (
            *(m.candidates for m in components),
            *(candidates for _, candidates in flows),
        )
        for c in candidates
    }
    return Matches(
        catalog, components, workflows, tuple(e for e in catalog.entries if id(e) not in matching)
    )


def ids(graph: Graph) -> set[str]:
    """Return the ids of all components and workflows."""
    return {c.id for c in graph.components} | {w.id for w in graph.workflows}


def component_subject(c: Component) -> Subject:
    """Return the identity of a component for matching."""
    return Subject(c.kind, c.id, c.name, c.spellings, c.environment)


def workflow_subject(w: Workflow) -> Subject:
    """Return the identity of a workflow for matching."""
    return Subject(ComponentKind.WORKFLOW, w.id, w.name)


def _component_match(c: Component, index: Index) -> Match:
    if c.kind is ComponentKind.AGENT and not c.identified:
        return _finding(
            c,
            Standing.UNIDENTIFIED,
            "Its spans do not name it, so it cannot be compared with the catalog.",
            None,
        )
    candidates = index.candidates(component_subject(c))
    ambiguous = _ambiguous_candidates(candidates)
    if len(ambiguous) > 1:
        return _finding(c, Standing.AMBIGUOUS, _ambiguity(c, ambiguous), None, candidates)
    if candidates:
        return _finding(c, Standing.DECLARED, candidates[0].reason, candidates[0].entry, candidates)
    if c.kind is ComponentKind.AGENT:
        reason = (
            f"Seen in {c.invocations} invocations, but no agent in {index.origin} has the id"
            f" {c.id!r} or the name {c.name!r}"
        )
        return _finding(c, Standing.SHADOW, f"{reason}, and no alias matches it.", None)
    return _finding(
        c,
        Standing.UNDECLARED,
        f"No entry in {index.origin} matches by id, name or alias; only agents are called shadow.",
        None,
    )


def _ambiguous_candidates(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the equally strong aliases, or the single strongest match.

    Matches by name or id are never ambiguous.
    """
    first = [c for c in candidates if c.strength == candidates[0].strength]
    return first if candidates and candidates[0].rank in (Rank.ALIAS, Rank.PATTERN) else first[:1]


def _ambiguity(c: Component, ambiguous: Sequence[Candidate]) -> str:
    reasons = " ".join(candidate.reason for candidate in ambiguous)
    return f"{reasons} Add the id {c.id!r} or the name to one of these entries."


def _finding(
    c: Component,
    standing: Standing,
    reason: str,
    entry: Entry | None,
    candidates: Sequence[Candidate] = (),
) -> Match:
    return Match(
        component=c.id,
        name=c.name,
        kind=c.kind,
        standing=standing,
        reason=reason,
        entry=entry,
        first_seen=c.first_seen,
        last_seen=c.last_seen,
        evidence=c.evidence,
        candidates=tuple(candidates),
    )
