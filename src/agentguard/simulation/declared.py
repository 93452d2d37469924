"""What the catalog declares of failures: facts that override what was estimated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from agentguard.catalog.matching import Matches, match
from agentguard.catalog.model import Catalog, OnFailure, Reference
from agentguard.catalog.named import Named
from agentguard.discovery.naming import identity
from agentguard.graph.model import Basis, Component, Fallback, Graph

_NEVER_OBSERVED = Basis("catalog", "declared as a standby, never observed", 0.0)
T = TypeVar("T", int, float)

Pair = tuple[str, str]
"""(caller, callee)."""


@dataclass(frozen=True, slots=True)
class DeclaredFacts:
    """The facts of one graph, by component id."""

    survives: Mapping[Pair, bool] = field(default_factory=dict)
    """Whether the caller survives the callee's failure."""
    fallbacks: tuple[Fallback, ...] = ()
    """Standbys and alternatives that were never seen to take over; their counts are 0."""
    unseen: tuple[Component, ...] = ()
    """Those of these that no recorded call names."""
    retries: Mapping[str, int] = field(default_factory=dict)
    """How often a caller repeats a failed call."""
    timeouts: Mapping[str, float] = field(default_factory=dict)
    """How long a caller waits for a call, in seconds."""
    replicas: Mapping[str, int] = field(default_factory=dict)


NO_FACTS = DeclaredFacts()


def facts_of(graph: Graph, matches: Matches) -> DeclaredFacts:
    """Return what the entries of the graph's components declare of failures."""
    declared = list(_declarations(matches))
    if not declared:
        return NO_FACTS
    uses = _Uses(graph, matches)
    known = {(f.owner, f.primary, f.secondary) for f in graph.fallbacks}
    found = {
        key: secondary
        for owner, primary, secondary in uses.alternatives(declared)
        if (key := (owner, primary, secondary.id)) not in known
    }
    unseen = {c.id: c for c in found.values() if c.id not in uses.named.components}
    return DeclaredFacts(
        survives=dict(uses.survival(declared)),
        fallbacks=tuple(Fallback(*key, 0, 0) for key in sorted(found)),
        unseen=tuple(unseen[c] for c in sorted(unseen)),
        retries=_numbers(declared, lambda f: f.retries),
        timeouts=_numbers(declared, lambda f: f.timeout_seconds),
        replicas=_numbers(declared, lambda f: f.replicas),
    )


def _numbers(
    declared: Iterable[tuple[str, OnFailure]], of: Callable[[OnFailure], T | None]
) -> dict[str, T]:
    found = ((component, of(failing)) for component, failing in declared)
    return {component: number for component, number in found if number is not None}


def _declarations(matches: Matches) -> Iterator[tuple[str, OnFailure]]:
    for m in matches.components:
        if m.entry is not None and m.entry.failing is not None:
            yield m.component, m.entry.failing


def declared_graph(graph: Graph, catalog: Catalog | None) -> Graph:
    """Return the graph with the standbys that the catalog declares. CPU-bound."""
    if catalog is None or all(e.failing is None for e in catalog.entries):
        return graph
    return with_standbys(graph, facts_of(graph, match(graph, catalog)))


def with_standbys(graph: Graph, facts: DeclaredFacts) -> Graph:
    """Return the graph with the standbys and alternatives that were never seen to take over."""
    if not facts.fallbacks:
        return graph
    return replace(
        graph,
        components=tuple(sorted((*graph.components, *facts.unseen), key=lambda c: c.id)),
        fallbacks=(*graph.fallbacks, *facts.fallbacks),
    )


class _Uses:
    """Who calls what in a graph."""

    def __init__(self, graph: Graph, matches: Matches) -> None:
        self.named = Named(graph, matches)
        self._callees = defaultdict[str, set[str]](set)
        self._callers = defaultdict[str, set[str]](set)
        for d in graph.dependencies:
            if d.source != d.target:
                self._callees[d.source].add(d.target)
                self._callers[d.target].add(d.source)

    def survival(self, declared: Iterable[tuple[str, OnFailure]]) -> Iterator[tuple[Pair, bool]]:
        """Yield whether callers survive without the callees that their entries name."""
        for caller, f in declared:
            for callee in self._called(caller, f.required):
                yield (caller, callee), False
            for callee in self._called(caller, (*f.optional, *f.asynchronous)):
                yield (caller, callee), True

    def alternatives(
        self, declared: Iterable[tuple[str, OnFailure]]
    ) -> Iterator[tuple[str, str, Component]]:
        """Yield (owner, primary, secondary) of standbys, and of groups of which one is enough."""
        for component, f in declared:
            primary = self.named.components[component]
            for standby in (s for r in f.standbys for s in self._meant(r, primary)):
                for owner in sorted(self._callers[component] - {standby.id}):
                    yield owner, component, standby
            for group in f.any_of:
                yield from self._group(component, group)

    def _group(
        self, owner: str, group: tuple[Reference, ...]
    ) -> Iterator[tuple[str, str, Component]]:
        for primary in self._called(owner, group):
            like = self.named.components[primary]
            others = (r for r in group if not self.named.means(r, like))
            for secondary in (s for r in others for s in self._meant(r, like)):
                if secondary.id != owner:
                    yield owner, primary, secondary

    def _called(self, caller: str, references: tuple[Reference, ...]) -> list[str]:
        every = self.named.components
        callees = (every[c] for c in sorted(self._callees[caller]) if c in every)
        return [c.id for c in callees if any(self.named.means(r, c) for r in references)]

    def _meant(self, reference: Reference, like: Component) -> list[Component]:
        """Return the components that a reference to a stand-in means; one is made up if none is.

        Those of the same environment, if there are any.
        """
        every = self.named.components.values()
        found = [c for c in every if c.id != like.id and self.named.means(reference, c)]
        near = [c for c in found if c.environment == like.environment]
        return near or found or [_unseen(reference, like)]


def _unseen(reference: Reference, like: Component) -> Component:
    """Return a component that no recorded call names, of the kind of what it stands in for."""
    kind = reference.kind or like.kind
    return Component(
        id=identity(kind, reference.name, environment=like.environment).id,
        kind=kind,
        name=reference.name,
        basis=_NEVER_OBSERVED,
        evidence=(),
        environment=like.environment,
    )
