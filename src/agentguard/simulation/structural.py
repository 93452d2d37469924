"""The structural method: the worst case, from requirements alone."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from agentguard.simulation.relays import NumberedGroup, relay_requirements, relayed, relaying
from agentguard.simulation.requirements import (
    NOTHING_DECLARED,
    Need,
    Requirement,
    Survives,
    component_requirements,
    shared_entries,
    workflow_requirements,
)
from agentguard.simulation.usage_shares import usage_shares
from agentguard.simulation.workflow_runs import workflow_runs


@dataclass(frozen=True, slots=True)
class Structure:
    """A graph's requirements as numbered nodes: components, workflows, shared entries, relays.

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
    relays: tuple[str, ...] = ()
    """Component ids; see simulation.relays."""

    def label(self, number: int) -> str:
        """Return the id of a component or workflow."""
        place = number
        for part in (self.components, self.workflows, self.entry_nodes):
            if place < len(part):
                return part[place]
            place -= len(part)
        return self.relays[place]

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


def structure(graph: Graph, runs: Runs | None, declared: Survives = NOTHING_DECLARED) -> Structure:
    """Return the graph's requirements; what is declared overrides what was observed.

    Linear in the dependencies. Recorded runs give exact shares of use; without them the graph's
    counts are used.
    """
    use = usage_shares(runs)
    inner = component_requirements(graph, use, declared)
    numbers = _Numbers.of(graph, relaying(inner) if use is None else ())
    groups = [
        (numbers.components[r.owner], _places(r, numbers.components), r.need)
        for r in inner
        if r.returns
    ]
    groups += relay_requirements(inner, numbers.relays, numbers.components)
    groups += numbers.of_workflows(graph, workflow_requirements(graph, inner, use, declared))
    size = numbers.size
    relays = range(size - len(numbers.relays), size)
    return Structure(
        components=tuple(numbers.components),
        workflows=tuple(numbers.workflows),
        entry_nodes=tuple(numbers.entry_nodes),
        index=numbers.components,
        needs=requirements(size, _of_need(groups, Need.REQUIRED), relays=relays),
        optional=tuple(_of_need(groups, Need.OPTIONAL)),
        runs=workflow_runs(graph, runs),
        relays=tuple(numbers.relays),
    )


@dataclass(frozen=True, slots=True)
class _Numbers:
    """The numbers of nodes by id, in the structure's order."""

    components: dict[str, int]
    workflows: dict[str, int]
    entry_nodes: dict[str, int]
    relays: dict[str, int]

    @classmethod
    def of(cls, graph: Graph, relays: Sequence[str]) -> _Numbers:
        components, workflows = (c.id for c in graph.components), (w.id for w in graph.workflows)
        return cls(*_numbers(components, workflows, shared_entries(graph), relays))

    @property
    def size(self) -> int:
        return sum(map(len, (self.components, self.workflows, self.entry_nodes, self.relays)))

    def of_workflows(self, graph: Graph, needed: Iterable[Requirement]) -> Iterator[NumberedGroup]:
        """Yield what workflows need. Of a shared root component, they need nothing but itself."""
        entries = {w.id: (w.root_component,) for w in graph.workflows}
        for r in needed:
            owner = self.workflows[r.owner]
            if r.members == entries[r.owner] and r.members[0] in self.entry_nodes:
                yield owner, _places(r, self.entry_nodes), r.need
            else:
                yield owner, _places(r, self.components), r.need
                yield from relayed(owner, r, self.relays)


def _places(r: Requirement, index: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(index[m] for m in r.members)


def _of_need(groups: Iterable[NumberedGroup], need: Need) -> Iterator[tuple[int, tuple[int, ...]]]:
    return ((owner, members) for owner, members, own in groups if own is need)


def _numbers(*parts: Iterable[str]) -> Iterator[dict[str, int]]:
    """Yield the number by id for each part, sorted; numbers run on from part to part."""
    start = 0
    for ids in parts:
        part = {text: number for number, text in enumerate(sorted(ids), start)}
        start += len(part)
        yield part


def failed_nodes(s: Structure, failed: Iterable[int]) -> FailedNodes:
    """Return everything that fails with these components (by number), in linear time."""
    start = set(failed)
    entry_nodes = (s.entry_node(number) for number in start if number < len(s.components))
    causes = failures(s.needs, start | {node for node in entry_nodes if node is not None})
    first, last = len(s.components), len(s.components) + len(s.workflows)
    return FailedNodes(
        {n: c for n, c in causes.items() if n < first},
        {n: c for n, c in causes.items() if first <= n < last},
    )


def failing(s: Structure, failed: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the ids of the components and workflows that fail, sorted."""
    down = failed_nodes(s, [s.index[f] for f in failed])
    components, workflows = (
        sorted(map(s.label, part)) for part in (down.components, down.workflows)
    )
    return tuple(components), tuple(workflows)


def simulate(graph: Graph, s: Structure, failed: Iterable[str]) -> Outcome:
    """Return what fails; a failed workflow loses every successful run."""
    start = {s.index[f] for f in failed}
    down = failed_nodes(s, start)
    paths = Paths(graph, s, down)
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
    lost: dict[int, set[int]] = defaultdict(set)
    for owner, members in s.optional:
        if gone.issuperset(members):
            for affected in _affected(s, owner):
                if affected not in gone and affected not in down.workflows:
                    lost[affected].update(members)
    return tuple(
        Degraded(s.label(o), tuple(sorted(map(s.label, m))))
        for o, m in sorted(lost.items(), key=lambda item: s.label(item[0]))
    )


def _affected(s: Structure, owner: int) -> Iterable[int]:
    """Return the owner of an optional requirement; of a relay's, the workflows above it."""
    return failed_nodes(s, [owner]).workflows if owner in s.needs.relays else (owner,)


def _workflows(
    graph: Graph, s: Structure, down: FailedNodes, paths: Paths
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


class Paths:
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
