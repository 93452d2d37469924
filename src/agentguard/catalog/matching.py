"""What was declared against what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from agentguard.catalog.claims import Claim, Index, Named, Rank
from agentguard.catalog.model import Catalog, Entry
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.documents import NO_CATALOG
from agentguard.graph.model import Component, Evidence, Graph, Workflow


class Standing(StrEnum):
    """How a component stands to the catalogue."""

    DECLARED = "declared"
    SHADOW = "shadow"
    """An agent that was seen and that nobody declared."""
    UNIDENTIFIED = "unidentified"
    """An agent that nothing in the spans names: it cannot be matched, so it is not called shadow.
    """
    AMBIGUOUS = "ambiguous"
    """Aliases of several entries fit it, so it is declared, but not as which of them."""
    UNDECLARED = "undeclared"
    """Another kind of component without an entry; only agents are called shadow."""
    UNKNOWN = "unknown"
    """There is no catalogue to match against."""


@dataclass(frozen=True, slots=True)
class Match:
    """The finding on one component, with why."""

    component: str
    name: str
    kind: ComponentKind
    standing: Standing
    reason: str
    entry: Entry | None
    first_seen: int
    last_seen: int
    evidence: tuple[Evidence, ...]
    claims: tuple[Claim, ...] = ()
    """Every entry that fits it, strongest first."""


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
        return self.standing(Standing.SHADOW)

    @property
    def note(self) -> str | None:
        """What to say where there is no catalogue; None where there is one."""
        return NO_CATALOG if self.catalog is None else None

    def of(self, component_id: str) -> Match | None:
        """The finding on this component, or None where the graph does not have it."""
        return next((m for m in self.components if m.component == component_id), None)

    def standing(self, standing: Standing) -> tuple[Match, ...]:
        """The findings of this kind."""
        return tuple(m for m in self.components if m.standing is standing)


def match(graph: Graph, catalog: Catalog | None) -> Matches:
    """Return how every component stands to the catalogue.

    By exact id, else by equal name, else by alias, never by part of a name.

    Case is ignored in names. An entry whose id is the id of something seen speaks by its name of
    that alone; otherwise its id and its name are compared with names. Where several entries fit,
    the strongest wins; aliases of equal strength make it ambiguous.
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
    flows = [(w, index.claims(named_workflow(w))) for w in graph.workflows]
    workflows = tuple((w.id, claims[0].entry) for w, claims in flows if len(_rivals(claims)) == 1)
    fitting = {
        id(c.entry)
        for claims in (*(m.claims for m in components), *(claims for _, claims in flows))
        for c in claims
    }
    return Matches(
        catalog, components, workflows, tuple(e for e in catalog.entries if id(e) not in fitting)
    )


def ids(graph: Graph) -> set[str]:
    """Return the ids of everything that entries can speak of."""
    return {c.id for c in graph.components} | {w.id for w in graph.workflows}


def named(c: Component) -> Named:
    """Return what entries are compared with of a component."""
    return Named(c.kind, c.id, c.name, c.spellings, c.environment)


def named_workflow(w: Workflow) -> Named:
    """Return what entries are compared with of a workflow."""
    return Named(ComponentKind.WORKFLOW, w.id, w.name)


def _component_match(c: Component, index: Index) -> Match:
    if c.kind is ComponentKind.AGENT and not c.identified:
        return _finding(
            c,
            Standing.UNIDENTIFIED,
            "Nothing in its spans names it, so it cannot be compared with the catalogue.",
            None,
        )
    claims = index.claims(named(c))
    rivals = _rivals(claims)
    if len(rivals) > 1:
        return _finding(c, Standing.AMBIGUOUS, _ambiguity(c, rivals), None, claims)
    if claims:
        return _finding(c, Standing.DECLARED, claims[0].reason, claims[0].entry, claims)
    if c.kind is ComponentKind.AGENT:
        reason = (
            f"Seen in {c.invocations} invocations, but no agent in {index.origin} has the id"
            f" {c.id!r} or the name {c.name!r}"
        )
        return _finding(c, Standing.SHADOW, f"{reason}, and no alias fits it.", None)
    return _finding(
        c,
        Standing.UNDECLARED,
        f"No entry in {index.origin} has this id, name or alias; only agents are called shadow.",
        None,
    )


def _rivals(claims: Sequence[Claim]) -> list[Claim]:
    """Return the claims among which nothing decides: all aliases as strong as the strongest.

    Names and ids never are rivals.
    """
    first = [c for c in claims if c.strength == claims[0].strength]
    return first if claims and claims[0].rank in (Rank.ALIAS, Rank.PATTERN) else first[:1]


def _ambiguity(c: Component, rivals: Sequence[Claim]) -> str:
    said = " ".join(claim.reason for claim in rivals)
    return f"{said} Give its id {c.id!r} or its name to one of these entries."


def _finding(
    c: Component, standing: Standing, reason: str, entry: Entry | None, claims: Sequence[Claim] = ()
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
        claims=tuple(claims),
    )
