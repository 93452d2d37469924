"""What the steps of a playbook are drawn from.

A graph, a simulation and a catalogue, with the look-ups they need.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agentguard.catalog.matching import Matches
from agentguard.graph.model import Component, Dependency, Evidence, EvidenceReason, Fallback, Graph
from agentguard.simulation.model import SimulationResult

MAX_EVIDENCE = 10
"""Spans cited per step: enough to look at in minutes."""

MAX_LISTED = 12
"""Dependencies spelled out per step, busiest first; the rest is counted in one sentence."""


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
        """Return the short name, with the id where another component bears the same name.

        Workflows by their names.
        """
        c = self.by_id.get(id_)
        if c is None:
            return next((w.name for w in self.graph.workflows if w.id == id_), id_)
        alone = sum(other.name == c.name for other in self.by_id.values()) == 1
        return c.name if alone else f"{c.name} ({c.id})"

    def owner(self, *ids: str) -> str | None:
        """Return the declared owner of these components or workflows.

        Named once each, None where nobody is.
        """
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
        """What is out."""
        return tuple(map(self.component, self.result.scenario.failed))

    @property
    def down(self) -> frozenset[str]:
        """Everything that is out or that the outage can take along."""
        hit = (c.id for c in self.result.components)
        return frozenset((*self.result.scenario.failed, *hit, *self.result.structural_components))

    def calls_to(self, component_id: str) -> tuple[Dependency, ...]:
        """Return the dependencies of others on it, busiest first.

        Callers that are out themselves are left out.
        """
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
        """Return what this caller was seen falling back on, the most reliable first."""
        found = (f for f in self.graph.fallbacks if (f.owner, f.primary) == (owner, primary))
        return tuple(sorted(found, key=lambda f: (-f.rescued, f.count, f.secondary)))


def facts(graph: Graph, result: SimulationResult, matches: Matches | None) -> Facts:
    """Put the look-ups together."""
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
    """Return the spans that were kept because they failed."""
    return tuple(e for e in cited(*sources) if e.reason is EvidenceReason.FAILED)


def listed(names: Iterable[str]) -> str:
    """Join names for a sentence."""
    return ", ".join(names)


def and_others(calls: Sequence[Dependency]) -> tuple[str, ...]:
    """Return the sentence about the dependencies that are not spelled out, if there are any."""
    rest = calls[MAX_LISTED:]
    if not rest:
        return ()
    count, total = len(rest), sum(d.calls for d in rest)
    return (
        (
            f"The same for {count} further dependencies with fewer calls ({total} together);"
            " `agentguard graph` lists them."
        ),
    )
