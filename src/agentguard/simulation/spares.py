"""What a spare of each component would save: the graph with a spare that its callers turn to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Component, Fallback, Graph, Hosting
from agentguard.graph.runs import Runs
from agentguard.simulation.declared import NO_FACTS, DeclaredFacts
from agentguard.simulation.engine import Closure
from agentguard.simulation.outages import Model, Outage

_SUFFIX = "#spare"


@dataclass(frozen=True, slots=True)
class Spared:
    """Runs that a spare would save in a component's outage."""

    saved: Mapping[str, Mapping[str, float]]
    """Component → workflow id → runs."""
    uncalled: frozenset[str]
    """Components that nothing calls: only a replica of the entry itself could take over."""

    def total(self, component: str) -> float | None:
        """Return the runs saved in all workflows; None where it is not known."""
        found = self.saved.get(component)
        return None if found is None else sum(found.values())


NOTHING_SPARED = Spared({}, frozenset())


def spared(
    graph: Graph,
    runs: Runs,
    lost: Mapping[str, Mapping[str, float]],
    *,
    seed: int,
    declared: DeclaredFacts = NO_FACTS,
) -> Spared:
    """Return what a spare of each component that loses runs would save; `lost` is by component.

    One replay of the graph in which every component has a spare, of which only that of the failed
    component works in its outage. A spare succeeds as often as its component did in the window.
    """
    called = {d.target for d in graph.dependencies}
    wanted = [c for c, of in sorted(lost.items()) if any(n > 0 for n in of.values())]
    closure = Closure(graph)
    within = {c: closure.of([c]).closed for c in wanted}
    able = [c for c in wanted if not called.isdisjoint(within[c])]
    if not able:
        return Spared({}, frozenset(wanted))
    left = dict(
        zip(able, _left(graph, runs, [within[c] for c in able], seed, declared), strict=True)
    )
    saved = {c: _difference(lost[c], left[c]) for c in able}
    return Spared(saved, frozenset(wanted) - set(able))


def _left(
    graph: Graph,
    runs: Runs,
    failed: Sequence[tuple[str, ...]],
    seed: int,
    declared: DeclaredFacts,
) -> list[dict[str, float]]:
    """Return the runs lost in each outage in which nothing but what failed has a spare."""
    every = with_spares(graph, {c for together in failed for c in together})
    return Model.of(every, runs, seed=seed, declared=declared).lost(
        [Outage(together, frozenset(map(spare_of, together))) for together in failed]
    )


def _difference(lost: Mapping[str, float], left: Mapping[str, float]) -> dict[str, float]:
    return {w: max(0.0, n - left.get(w, 0.0)) for w, n in lost.items()}


def spare_of(component: str) -> str:
    """Return the id of a component's spare."""
    return component + _SUFFIX


def with_spares(graph: Graph, components: Collection[str]) -> Graph:
    """Return the graph with a spare of each of these, which their callers try after a failure.

    A spare of a host hosts spares of what runs in it.
    """
    parts = [c for c in graph.components if c.id in components and _can_have(c)]
    return replace(
        graph,
        components=_ordered(graph.components, (_spare(c) for c in parts)),
        fallbacks=(*graph.fallbacks, *_fallbacks(graph, parts)),
        runs_in=(*graph.runs_in, *_hosting(graph, {c.id for c in parts})),
    )


def _can_have(c: Component) -> bool:
    return c.kind is not ComponentKind.WORKFLOW


def _ordered(known: Iterable[Component], more: Iterable[Component]) -> tuple[Component, ...]:
    return tuple(sorted((*known, *more), key=lambda c: c.id))


def _spare(c: Component) -> Component:
    return replace(c, id=spare_of(c.id), services=(), providers=())


def _fallbacks(graph: Graph, parts: Iterable[Component]) -> Iterator[Fallback]:
    callers: dict[str, set[str]] = defaultdict(set)
    for d in graph.dependencies:
        if d.source != d.target:
            callers[d.target].add(d.source)
    for c in parts:
        tried, worked = _record(c)
        for owner in sorted(callers[c.id]):
            yield Fallback(owner, c.id, spare_of(c.id), tried, worked)


def _record(c: Component) -> tuple[int, int]:
    """Return how often it was called and worked; at least once, as nothing is known otherwise."""
    tried = max(1, c.invocations)
    return tried, tried - min(c.errors, tried)


def _hosting(graph: Graph, components: Collection[str]) -> Iterator[Hosting]:
    for h in graph.runs_in:
        if h.component in components and h.host in components:
            yield replace(h, component=spare_of(h.component), host=spare_of(h.host))
