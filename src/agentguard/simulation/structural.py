"""The structural method: the worst case, from requirements alone."""

from __future__ import annotations

from bisect import bisect_left
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
from agentguard.simulation.usage_shares import usage_shares
from agentguard.simulation.workflow_runs import workflow_runs


@dataclass(frozen=True, slots=True)
class Structure:
    """A graph's requirements as numbered nodes: components, workflows, shared entries.

    Each part is sorted by id. If several workflows start in one component, that component fails by
    the rules like any other, but what one workflow requires of it must not bring down the others:
    they only require that it is not out itself. It therefore has a second node.
    """

    components: tuple[str, ...]
    workflows: tuple[str, ...]
    entry_nodes: tuple[str, ...]
    """Component ids."""
    index: dict[str, int]
    """Component id → number."""
    needs: Requirements
    """The required groups."""
    optional: tuple[tuple[int, tuple[int, ...]], ...]
    runs: Mapping[str, WorkflowRuns]
    """Workflow id → its runs."""

    def label(self, number: int) -> str:
        """Return the id of a component or workflow."""
        place = number - len(self.components)
        if place < 0:
            return self.components[number]
        return (
            self.workflows[place]
            if place < len(self.workflows)
            else self.entry_nodes[place - len(self.workflows)]
        )

    def entry_node(self, number: int) -> int | None:
        """Return the second node of a component, or None."""
        place = bisect_left(self.entry_nodes, self.components[number])
        found = self.entry_nodes[place : place + 1] == (self.components[number],)
        return len(self.components) + len(self.workflows) + place if found else None


@dataclass(frozen=True, slots=True)
class FailedNodes:
    """Failed nodes of a scenario, each with its cause; numbers as in the structure."""

    components: dict[int, int]
    workflows: dict[int, int]
    """Workflow number → number of the cause."""


def structure(graph: Graph, runs: Runs | None) -> Structure:
    """Return the graph's requirements.

    Linear in the dependencies, times the workflows if there are handoffs. Recorded runs give exact
    shares of use; without them the graph's counts are used.
    """
    components, workflows = (
        tuple(sorted(c.id for c in graph.components)),
        tuple(sorted(w.id for w in graph.workflows)),
    )
    entry_nodes = tuple(sorted(shared_entries(graph)))
    nodes = (*components, *workflows, *entry_nodes)
    index = _numbers(components)
    owners = _numbers(workflows, start=len(components))
    entries = {w.id: (w.root_component,) for w in graph.workflows}
    to_entry_node = index | _numbers(entry_nodes, start=len(components) + len(workflows))
    use = usage_shares(runs)
    inner = component_requirements(graph, use)
    groups = [(index[r.owner], r, index) for r in inner if r.returns]
    outer = workflow_requirements(graph, inner, use)
    groups += [
        (owners[r.owner], r, to_entry_node if r.members == entries[r.owner] else index)
        for r in outer
    ]
    required, optional = (_numbered(groups, need) for need in (Need.REQUIRED, Need.OPTIONAL))
    return Structure(
        components=components,
        workflows=workflows,
        entry_nodes=entry_nodes,
        index=index,
        needs=requirements(len(nodes), required),
        optional=optional,
        runs=workflow_runs(graph, runs),
    )


def _numbers(ids: Iterable[str], start: int = 0) -> dict[str, int]:
    return {text: number for number, text in enumerate(ids, start)}


def failed_nodes(s: Structure, failed: Iterable[int]) -> FailedNodes:
    """Return everything that fails with these components (by number), in linear time."""
    start = set(failed)
    entry_nodes = (s.entry_node(number) for number in start)
    causes = failures(s.needs, start | {node for node in entry_nodes if node is not None})
    first, last = len(s.components), len(s.components) + len(s.workflows)
    return FailedNodes(
        {n: c for n, c in causes.items() if n < first},
        {n: c for n, c in causes.items() if first <= n < last},
    )


def simulate(graph: Graph, s: Structure, failed: Iterable[str]) -> Outcome:
    """Return what fails; a failed workflow loses every successful run."""
    start = {s.index[f] for f in failed}
    down = failed_nodes(s, start)
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
    """Return what still works but lost all members of an optional requirement."""
    start = {s.index[f] for f in failed}
    down = failed_nodes(s, start)
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
    graph: Graph, s: Structure, down: FailedNodes, paths: _Paths
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
    """Paths from the failed components to what was hit, with the evidence of each dependency."""

    def __init__(self, graph: Graph, s: Structure, down: FailedNodes) -> None:
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
        """Return the steps from this node to its cause, last step first.

        Two if a workflow fails with a callee of its root component, else one.
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
