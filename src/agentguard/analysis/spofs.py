"""Single points of failure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agentguard.analysis.impact import Impact, Impacts
from agentguard.analysis.model import Spof, SpofWorkflow
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Component, Graph, Workflow
from agentguard.simulation.model import WorkflowRuns

LOST_SHARE = 0.5
"""A component whose outage loses at least this share of a workflow's runs (see SHARE_OF), or every
run that had succeeded, is a single point of failure of the workflow.
"""


NOTHING_LOST = 0.5
"""Fewer expected runs than this are none."""


def spofs(graph: Graph, found: Impacts) -> tuple[Spof, ...]:
    """Return the single points of failure, most runs lost first.

    Entries are included and marked as such. A component of kind `workflow` cannot fail alone, so
    it is never one; nor is a component whose outage loses no run of those recorded, whatever the
    structural rules say: see `structural_only`.
    """
    parts = (c for c in graph.components if c.kind is not ComponentKind.WORKFLOW)
    rows = _Rows.of(graph, found)
    every = (Spof(c.id, c.name, c.kind, rows.of_component(c), c.evidence) for c in parts)
    points = [s for s in every if s.workflows]
    return tuple(sorted(points, key=lambda s: (-_lost(s), s.component)))


@dataclass(frozen=True, slots=True)
class _Rows:
    """The workflows that components take down; equal ones are made once."""

    by_id: Mapping[str, Workflow]
    begins: Mapping[str, frozenset[str]]
    """Component id → ids of the workflows that it is an entry of."""
    found: Impacts
    made: dict[tuple[frozenset[str], frozenset[str]], tuple[SpofWorkflow, ...]]

    @classmethod
    def of(cls, graph: Graph, found: Impacts) -> _Rows:
        by_id = {w.id: w for w in graph.workflows}
        begins: dict[str, set[str]] = defaultdict(set)
        for w in by_id.values():
            begins[w.root_component].add(w.id)
            begins[w.entry].add(w.id)
        entries = {component: frozenset(ids) for component, ids in begins.items()}
        return cls(by_id, entries, found, {})

    def of_component(self, c: Component) -> tuple[SpofWorkflow, ...]:
        """Return the rows of a component, most runs lost first."""
        impact = self.found.of[c.id]
        if impact.runs_lost is not None:
            return self._sorted(c, impact)
        down = impact.structural_workflows
        key = down, down & self.begins.get(c.id, frozenset())
        if key not in self.made:
            self.made[key] = self._sorted(c, impact)
        return self.made[key]

    def _sorted(self, c: Component, impact: Impact) -> tuple[SpofWorkflow, ...]:
        rows = _workflows(self.by_id, c, impact, self.found)
        return tuple(sorted(rows, key=lambda w: (-(w.runs_lost or 0), w.workflow)))


def structural_only(graph: Graph, found: Impacts) -> dict[str, tuple[str, ...]]:
    """Return, by workflow id, the components without which it fails by the structural rules alone.

    Their outage loses none of its recorded runs: a fallback or the callers' code handles it, or
    the runs that use them failed anyway.
    """
    by_workflow: dict[str, list[str]] = {}
    for c in graph.components:
        impact = found.of[c.id]
        if c.kind is ComponentKind.WORKFLOW or impact.runs_lost is None:
            continue
        for w in impact.structural_workflows:
            if found.workflows[w].seen and impact.runs_lost.get(w, 0.0) < NOTHING_LOST:
                by_workflow.setdefault(w, []).append(c.id)
    return {w: tuple(sorted(components)) for w, components in sorted(by_workflow.items())}


def _workflows(
    by_id: Mapping[str, Workflow], c: Component, impact: Impact, found: Impacts
) -> Iterator[SpofWorkflow]:
    """Yield the workflows that fail, in order of id, without looking at all others."""
    for w in (by_id[w] for w in sorted({*impact.structural_workflows, *(impact.runs_lost or ())})):
        runs = found.workflows.get(w.id, WorkflowRuns(0, 0))
        lost = None if impact.runs_lost is None else impact.runs_lost.get(w.id, 0)
        structural = w.id in impact.structural_workflows
        if lost is not None and runs.seen and lost < NOTHING_LOST:
            continue
        if structural or _brings_down(lost, runs):
            yield _row(w, c, runs, lost, structural=structural)


def _brings_down(lost: float | None, runs: WorkflowRuns) -> bool:
    if not lost:
        return False
    return lost >= LOST_SHARE * runs.seen or lost > runs.seen - runs.failed - NOTHING_LOST


def _row(
    w: Workflow, c: Component, runs: WorkflowRuns, lost: float | None, *, structural: bool
) -> SpofWorkflow:
    share = None if lost is None or not runs.seen else lost / runs.seen
    return SpofWorkflow(
        w.id,
        w.name,
        w.entry,
        w.root,
        c.id in (w.root_component, w.entry),
        structural,
        runs.seen,
        runs.failed,
        lost,
        share,
    )


def _lost(s: Spof) -> float:
    """Runs lost in all its workflows; without a replay, every run that had succeeded."""
    return sum(
        w.runs_seen - w.runs_failed if w.runs_lost is None else w.runs_lost for w in s.workflows
    )
