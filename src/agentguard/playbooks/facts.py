"""The graph, simulation, catalog and template behind a playbook's steps, with look-ups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from agentguard.catalog.matching import Matches
from agentguard.catalog.model import Entry
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import (
    Component,
    Dependency,
    Evidence,
    EvidenceReason,
    Fallback,
    Graph,
    Workflow,
)
from agentguard.graph.runs import Runs
from agentguard.playbooks.templates import Template
from agentguard.simulation.methods import recorded
from agentguard.simulation.model import SimulationResult
from agentguard.simulation.naming import names_of
from agentguard.simulation.wording import first

MAX_EVIDENCE = 10
"""Spans cited per step: as many as a person can inspect in minutes."""

MAX_LISTED = 200
"""Lines behind a step; the graph has the rest."""

NAMED = 3
"""Names in a sentence; more are counted."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a step may cite."""

    graph: Graph
    result: SimulationResult
    matches: Matches | None
    template: Template
    runs: Runs | None
    by_id: Mapping[str, Component]
    names: Mapping[str, str]
    entries: Mapping[str, Entry]
    """Id of a component or workflow → what the catalog declares about it."""
    calls: tuple[Dependency, ...]
    """The dependencies on what fails, busiest first, except those of failed callers."""
    by_ends: Mapping[tuple[str, str], Dependency]
    """(source, target) → the dependency, of several the first."""

    def component(self, component_id: str) -> Component:
        """Return the component with this id."""
        return self.by_id[component_id]

    def name(self, id_: str) -> str:
        """Return the name, or the id where two components share the name."""
        return self.names.get(id_, id_)

    def named(self, ids: Iterable[str], noun: str = "component") -> str:
        """Return the first names, and how many more there are."""
        return first([self.name(id_) for id_ in dict.fromkeys(ids)], NAMED, noun)

    def owner(self, *ids: str) -> str | None:
        """Return the declared owners of these components or workflows, or None."""
        owners = sorted({e.owner for e in self._declared(ids) if e.owner})
        return first(owners, NAMED, "owner") or None

    def runbooks(self, *ids: str) -> tuple[str, ...]:
        """Return the declared runbooks of these components or workflows, each once."""
        return tuple(dict.fromkeys(e.runbook for e in self._declared(ids) if e.runbook))

    def _declared(self, ids: Iterable[str]) -> Iterator[Entry]:
        return (self.entries[id_] for id_ in ids if id_ in self.entries)

    @property
    def recorded(self) -> bool:
        """Return whether there are runs to simulate with."""
        return recorded(self.runs)

    @property
    def failed(self) -> tuple[Component, ...]:
        """The components that the scenario fails."""
        return tuple(map(self.component, self.result.scenario.failed))

    @property
    def failing(self) -> str:
        """What fails, in words."""
        return self.named(self.result.scenario.failed)

    @property
    def down(self) -> frozenset[str]:
        """The failed components and every component that their outage can take down."""
        hit = (c.id for c in self.result.components)
        return frozenset((*self.result.scenario.closed, *hit, *self.result.structural_components))

    @property
    def callers(self) -> tuple[str, ...]:
        """Return the ids of what calls the failed components, busiest first."""
        return tuple(dict.fromkeys(d.source for d in self.calls))

    def calls_from(self, component_id: str) -> tuple[Dependency, ...]:
        """Return what it depends on, most errors first."""
        found = (d for d in self.graph.dependencies if d.source == component_id)
        return tuple(sorted(found, key=lambda d: (-d.errors, d.target, d.type.value)))

    def fallbacks(self, owner: str, primary: str) -> tuple[Fallback, ...]:
        """Return this caller's observed fallbacks for the primary, most reliable first."""
        found = (f for f in self.graph.fallbacks if (f.owner, f.primary) == (owner, primary))
        return tuple(sorted(found, key=lambda f: (-f.rescued, f.count, f.secondary)))

    @property
    def workflows(self) -> tuple[Workflow, ...]:
        """Return the workflows that may lose runs, the largest loss first."""
        seen = {w.id: w for w in self.graph.workflows}
        return tuple(seen[w.id] for w in self.result.workflows if w.id in seen)

    @property
    def models(self) -> tuple[Component, ...]:
        """Return the models in use that stay up, those with the fewest failures first."""
        found = [c for c in self.graph.components if c.kind is ComponentKind.MODEL]
        up = [c for c in found if c.id not in self.down and c.invocations]
        return tuple(sorted(up, key=lambda c: (c.errors / c.invocations, -c.invocations, c.id)))


def facts(
    graph: Graph,
    result: SimulationResult,
    matches: Matches | None,
    template: Template,
    runs: Runs | None,
) -> Facts:
    """Index what the steps look up."""
    entries: dict[str, Entry] = {}
    if matches is not None:
        entries |= {m.component: m.entry for m in matches.components if m.entry is not None}
        entries |= dict(matches.workflows)
    return Facts(
        graph,
        result,
        matches,
        template,
        runs,
        by_id={c.id: c for c in graph.components},
        names=names_of(graph),
        entries=entries,
        calls=_calls(graph, result),
        by_ends=by_ends(graph.dependencies),
    )


def _calls(graph: Graph, result: SimulationResult) -> tuple[Dependency, ...]:
    closed = set(result.scenario.closed)
    found = (d for d in graph.dependencies if d.target in closed and d.source not in closed)
    return tuple(sorted(found, key=lambda d: (-d.calls, d.source, d.target, d.type.value)))


def by_ends(dependencies: Iterable[Dependency]) -> dict[tuple[str, str], Dependency]:
    """Return (source, target) → the dependency, of several the first; in order."""
    found: dict[tuple[str, str], Dependency] = {}
    for d in dependencies:
        found.setdefault((d.source, d.target), d)
    return found


def cited(*sources: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Return the spans to cite: each once, failed ones first, at most MAX_EVIDENCE."""
    every = {(e.trace_id, e.span_id): e for source in sources for e in source}
    ordered = sorted(
        every.values(),
        key=lambda e: (e.reason is not EvidenceReason.FAILED, -e.time, e.trace_id, e.span_id),
    )
    return tuple(ordered[:MAX_EVIDENCE])


def failures(*sources: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Return the cited spans that failed."""
    return tuple(e for e in cited(*sources) if e.reason is EvidenceReason.FAILED)


def edge(known: Facts, d: Dependency) -> str:
    """Return `caller → callee`."""
    return f"{known.name(d.source)} → {known.name(d.target)}"


def survived(known: Facts, d: Dependency) -> str:
    """Say how the caller fared when the callee failed."""
    caller, callee, seen = known.name(d.source), known.name(d.target), d.absorbed + d.propagated
    if not seen:
        return f"{caller} was never seen to run without {callee}"
    if seen == 1:
        did = "survived" if d.absorbed else "did not survive"
        return f"{caller} {did} the only failure of {callee}"
    if not d.absorbed:
        return f"{caller} survived none of {seen} failures of {callee}"
    return f"{caller} survived {d.absorbed} of {seen} failures of {callee}"


def unique(ids: Iterable[str]) -> tuple[str, ...]:
    """Return the ids, each once."""
    return tuple(dict.fromkeys(ids))
