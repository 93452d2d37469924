"""What changed from one graph to another, with the findings on both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agentguard.analysis.impact import impacts
from agentguard.analysis.model import Spof
from agentguard.analysis.spofs import spofs
from agentguard.catalog.matching import match
from agentguard.catalog.model import Catalog
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.diff import GraphDiff, diff
from agentguard.graph.model import Component, Evidence, Graph
from agentguard.graph.runs import Runs


@dataclass(frozen=True, slots=True)
class Analyzed:
    """One side: a graph and the findings that are compared."""

    graph: Graph
    spofs: tuple[Spof, ...]
    shadows: tuple[Component, ...] | None
    """None without a catalog."""


@dataclass(frozen=True, slots=True)
class SpofOfWorkflow:
    """A component that alone brings down a workflow."""

    component: str
    name: str
    kind: ComponentKind
    workflow: str
    workflow_name: str
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """How two graphs and the findings on them differ."""

    graph: GraphDiff
    new_shadows: tuple[Component, ...] | None
    """None without a catalog."""
    gone_shadows: tuple[Component, ...] | None
    new_spofs: tuple[SpofOfWorkflow, ...]
    gone_spofs: tuple[SpofOfWorkflow, ...]

    @property
    def none(self) -> bool:
        """Whether nothing is new, gone or changed."""
        found = (self.new_shadows, self.gone_shadows, self.new_spofs, self.gone_spofs)
        return self.graph.none and not any(found)


def analyzed(
    graph: Graph, runs: Runs | None, catalog: Catalog | None, *, seed: int = 0
) -> Analyzed:
    """Return one side of a comparison. CPU-bound: seconds for 50,000 runs."""
    shadows = None
    if catalog is not None:
        by_id = {c.id: c for c in graph.components}
        shadows = tuple(by_id[m.component] for m in match(graph, catalog).shadow)
    return Analyzed(graph, spofs(graph, impacts(graph, runs, seed=seed)), shadows)


def difference(before: Analyzed, after: Analyzed) -> Difference:
    """Compare two graphs and the findings on them."""
    a, b = _spofs(before), _spofs(after)
    return Difference(
        graph=diff(before.graph, after.graph),
        new_shadows=_without(after.shadows, before.shadows),
        gone_shadows=_without(before.shadows, after.shadows),
        new_spofs=tuple(spof for key, spof in b.items() if key not in a),
        gone_spofs=tuple(spof for key, spof in a.items() if key not in b),
    )


def _without(
    some: tuple[Component, ...] | None, others: tuple[Component, ...] | None
) -> tuple[Component, ...] | None:
    if some is None or others is None:
        return None
    known = {c.id for c in others}
    return tuple(sorted((c for c in some if c.id not in known), key=lambda c: c.id))


def _spofs(side: Analyzed) -> Mapping[tuple[str, str], SpofOfWorkflow]:
    found = {
        (s.component, w.workflow): SpofOfWorkflow(
            s.component, s.name, s.kind, w.workflow, w.name, s.evidence
        )
        for s in side.spofs
        for w in s.workflows
    }
    return dict(sorted(found.items()))
