"""The graph, simulation and catalog behind a playbook's steps, with look-ups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agentguard.catalog.matching import Matches
from agentguard.graph.model import Component, Dependency, Evidence, EvidenceReason, Fallback, Graph
from agentguard.simulation.model import SimulationResult

MAX_EVIDENCE = 10
"""Spans cited per step: as many as a person can inspect in minutes."""

MAX_LISTED = 12
"""Dependencies listed per step, busiest first; one sentence counts the rest."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a step may cite."""

    graph: Graph
    result: SimulationResult
    matches: Matches | None
    by_id: dict[str, Component]

    def component(self, component_id: str) -> Component:
        """The component with this id."""
        return self.by_id[component_id]

    def name(self, id_: str) -> str:
        """Return the name, followed by the id where two components share the name."""
        c = self.by_id.get(id_)
        if c is None:
            return next((w.name for w in self.graph.workflows if w.id == id_), id_)
        alone = sum(other.name == c.name for other in self.by_id.values()) == 1
        return c.name if alone else f"{c.name} ({c.id})"

    def owner(self, *ids: str) -> str | None:
        """Return the declared owners of these components or workflows, or None."""
        if self.matches is None:
            return None
        wanted = set(ids)
        entries = [(m.component, m.entry) for m in self.matches.components if m.entry] + list(
            self.matches.workflows
        )
        owners = sorted({e.owner for id_, e in entries if id_ in wanted and e.owner})
        return ", ".join(owners) or None

    @property
    def failed(self) -> tuple[Component, ...]:
        """The components that the scenario fails."""
        return tuple(map(self.component, self.result.scenario.failed))

    @property
    def down(self) -> frozenset[str]:
        """The failed components and every component that their outage can take down."""
        hit = (c.id for c in self.result.components)
        return frozenset((*self.result.scenario.failed, *hit, *self.result.structural_components))

    def calls_to(self, component_id: str) -> tuple[Dependency, ...]:
        """Return the dependencies on it, busiest first, except those of failed callers."""
        found = (
            d
            for d in self.graph.dependencies
            if d.target == component_id and d.source not in self.result.scenario.failed
        )
        return tuple(sorted(found, key=lambda d: (-d.calls, d.source, d.type.value)))

    def calls_from(self, component_id: str) -> tuple[Dependency, ...]:
        """Return what it depends on, most errors first."""
        found = (d for d in self.graph.dependencies if d.source == component_id)
        return tuple(sorted(found, key=lambda d: (-d.errors, d.target, d.type.value)))

    def fallbacks(self, owner: str, primary: str) -> tuple[Fallback, ...]:
        """Return this caller's observed fallbacks for the primary, most reliable first."""
        found = (f for f in self.graph.fallbacks if (f.owner, f.primary) == (owner, primary))
        return tuple(sorted(found, key=lambda f: (-f.rescued, f.count, f.secondary)))


def facts(graph: Graph, result: SimulationResult, matches: Matches | None) -> Facts:
    """Index the graph's components by id."""
    return Facts(graph, result, matches, {c.id: c for c in graph.components})


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


def listed(names: Iterable[str]) -> str:
    """Join names for a sentence."""
    return ", ".join(names)


def and_others(calls: Sequence[Dependency]) -> tuple[str, ...]:
    """Return one sentence that counts the dependencies beyond MAX_LISTED, if any."""
    rest = calls[MAX_LISTED:]
    if not rest:
        return ()
    count, total = len(rest), sum(d.calls for d in rest)
    noun = "dependency" if count == 1 else "dependencies"
    more = f"{count} more {noun} with fewer calls ({total} in total)"
    return (f"Do the same for {more}; `agentguard graph --full` lists them.",)


def edge(facts: Facts, d: Dependency) -> str:
    """Return `caller → callee`."""
    return f"{facts.name(d.source)} → {facts.name(d.target)}"


def within_baseline(subject: str, errors: int, total: int, noun: str) -> str:
    """Return the check that the error rate is no higher than in the window."""
    if not total:
        return f"{subject} stay low; the window has no {noun} as a baseline."
    return f"{subject} stay at or below the baseline: {errors} of {total} {noun} failed."
