"""The structural method: the worst case, from requirements alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agentguard.graph.model import Evidence, Graph
from agentguard.graph.runs import Runs
from agentguard.simulation.fixpoint import Requirements, failures, requirements
from agentguard.simulation.model import (
    Degraded,
    ImpactedComponent,
    ImpactedWorkflow,
    Outcome,
    Step,
    WorkflowRuns,
)
from agentguard.simulation.requirements import (
    Need,
    Requirement,
    component_requirements,
    shared_entries,
    workflow_requirements,
)
from agentguard.simulation.usage_shares import use_of
from agentguard.simulation.workflow_runs import workflow_runs


@dataclass(frozen=True, slots=True)
class Structure:
    """A graph's requirements, numbered.

    Components first (by id), then workflows (by id), then shared entries once more.

    A component in which several workflows start fails by the rules like any other; but what one
    workflow needs of it does not bring down the others. They need only that it is not out itself:
    that is its second node, its door.
    """

    components: tuple[str, ...]
    workflows: tuple[str, ...]
    doors: tuple[str, ...]
    """Component ids."""
    index: dict[str, int]
    """Component id → number."""
    needs: Requirements
    """The required groups."""
    optional: tuple[tuple[int, tuple[int, ...]], ...]
    runs: Mapping[str, WorkflowRuns]
    """Workflow id → its runs."""

    def label(self, number: int) -> str:
        """The id of a component or workflow."""
        place = number - len(self.components)
        if place < 0:
            return self.components[number]
        return (
            self.workflows[place]
            if place < len(self.workflows)
            else self.doors[place - len(self.workflows)]
        )

    def door(self, number: int) -> int | None:
        """The second node of a component, where it has one."""
        component = self.components[number]
        return (
            len(self.components) + len(self.workflows) + self.doors.index(component)
            if component in self.doors
            else None
        )


@dataclass(frozen=True, slots=True)
class Fallen:
    """What a scenario brings down, each with the node whose failure was the last straw."""

    components: dict[int, int]
    workflows: dict[int, int]
    """Numbers as in the structure."""


def structure(graph: Graph, runs: Runs | None) -> Structure:
    """Return the graph's requirements.

    Linear in its dependencies, times workflows where there are handoffs.

    Recorded runs say more exactly who uses what in which share of the runs; without them the
    graph's counts have to do.
    """
    components, workflows = (
        tuple(sorted(c.id for c in graph.components)),
        tuple(sorted(w.id for w in graph.workflows)),
    )
    doors = tuple(sorted(shared_entries(graph)))
    nodes = (*components, *workflows, *doors)
    index = {component: number for number, component in enumerate(components)}
    owners = {workflow: number for number, workflow in enumerate(workflows, start=len(components))}
    entries = {w.id: (w.root_component,) for w in graph.workflows}
    to_door = index | {
        door: number for number, door in enumerate(doors, start=len(components) + len(workflows))
    }
    use = use_of(runs)
    inner = component_requirements(graph, use)
    groups = [(index[r.owner], r, index) for r in inner if r.returns]
    outer = workflow_requirements(graph, inner, use)
    groups += [
        (owners[r.owner], r, to_door if r.members == entries[r.owner] else index) for r in outer
    ]
    required, optional = (_numbered(groups, need) for need in (Need.REQUIRED, Need.OPTIONAL))
    return Structure(
        components=components,
        workflows=workflows,
        doors=doors,
        index=index,
        needs=requirements(len(nodes), required),
        optional=optional,
        runs=workflow_runs(graph, runs),
    )


def fallen(s: Structure, failed: Iterable[int]) -> Fallen:
    """Return everything that fails when these components (by number) do.

    Linear in the edges of what fails.
    """
    start = set(failed)
    doors = (s.door(number) for number in start)
    causes = failures(s.needs, start | {door for door in doors if door is not None})
    first, last = len(s.components), len(s.components) + len(s.workflows)
    return Fallen(
        {n: c for n, c in causes.items() if n < first},
        {n: c for n, c in causes.items() if first <= n < last},
    )


def simulate(graph: Graph, s: Structure, failed: Iterable[str]) -> Outcome:
    """Return what fails; a workflow that fails loses every run that had succeeded."""
    start = {s.index[f] for f in failed}
    down = fallen(s, start)
    paths = _Paths(graph, s, down)
    by_id = {c.id: c for c in graph.components}
    hit = [by_id[s.components[n]] for n in down.components]
    components = (ImpactedComponent(c.id, c.name, c.kind, paths.up_to(s.index[c.id])) for c in hit)
    return Outcome(
        components=tuple(sorted(components, key=lambda c: (len(c.path), c.id))),
        workflows=tuple(
            sorted(_workflows(graph, s, down, paths), key=lambda w: (-w.runs_lost, w.id))
        ),
        runs_seen=sum(w.seen for w in s.runs.values()),
        workflows_seen=len(graph.workflows),
        assumptions=None,
    )


def degraded(s: Structure, failed: Iterable[str]) -> tuple[Degraded, ...]:
    """Return what still works but has lost every member of an optional requirement."""
    start = {s.index[f] for f in failed}
    down = fallen(s, start)
    gone = start | down.components.keys()
    lost: dict[int, set[int]] = {}
    for owner, members in s.optional:
        if owner not in gone and owner not in down.workflows and gone.issuperset(members):
            lost.setdefault(owner, set()).update(members)
    return tuple(
        Degraded(s.label(o), tuple(sorted(map(s.label, m))))
        for o, m in sorted(lost.items(), key=lambda item: s.label(item[0]))
    )


def _numbered(
    groups: list[tuple[int, Requirement, dict[str, int]]], need: Need
) -> tuple[tuple[int, tuple[int, ...]], ...]:
    return tuple(
        (owner, tuple(index[m] for m in r.members)) for owner, r, index in groups if r.need is need
    )


def _workflows(
    graph: Graph, s: Structure, down: Fallen, paths: _Paths
) -> Iterable[ImpactedWorkflow]:
    by_id = {w.id: w for w in graph.workflows}
    for number in down.workflows:
        w = by_id[s.label(number)]
        runs = s.runs[w.id]
        lost = runs.seen - runs.failed
        yield ImpactedWorkflow(
            w.id,
            w.name,
            w.entry,
            w.root,
            w.root_component,
            runs.seen,
            runs.failed,
            lost,
            lost / runs.seen if runs.seen else 0.0,
            None,
            paths.up_to(number),
        )


class _Paths:
    """From what failed up to what was hit, with the spans behind each dependency."""

    def __init__(self, graph: Graph, s: Structure, down: Fallen) -> None:
        self._s = s
        self._cause = down.components | down.workflows
        self._of_pair: dict[tuple[str, str], tuple[Evidence, ...]] = {}
        self._of_callee: dict[str, tuple[Evidence, ...]] = {}
        for d in sorted(
            graph.dependencies, key=lambda d: (d.source, d.target, d.type.value, d.via or "")
        ):
            self._of_pair.setdefault((d.source, d.target), d.evidence)
            if not d.type.returns:
                self._of_callee.setdefault(d.target, d.evidence)
        self._of_workflow = {w.id: w for w in graph.workflows}

    def up_to(self, number: int) -> tuple[Step, ...]:
        """Return the steps, the failed component's first."""
        steps: list[Step] = []
        while number in self._cause:
            cause = self._cause[number]
            steps += self._steps(number, cause)
            number = cause
        return tuple(reversed(steps))

    def _steps(self, number: int, cause: int) -> tuple[Step, ...]:
        """Return the last step first.

        One, or two where a workflow falls with a callee of its entry.
        """
        source, target = self._s.label(number), self._s.label(cause)
        called = self._of_pair.get((source, target), ())
        workflow = self._of_workflow.get(source) if number >= len(self._s.components) else None
        if workflow is None:
            return (Step(source, target, called),)
        if workflow.root_component == target:
            return (Step(source, target, workflow.evidence),)
        if (workflow.root_component, target) in self._of_pair and target not in self._of_callee:
            below = Step(
                workflow.root_component, target, self._of_pair[workflow.root_component, target]
            )
            return (Step(source, workflow.root_component, workflow.evidence), below)
        return (Step(source, target, self._of_callee.get(target, ())),)
