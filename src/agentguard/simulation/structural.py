"""The structural method: the worst case, from requirements alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agentguard.graph.model import Evidence, Graph
from agentguard.simulation.fixpoint import Requirements, failures, requirements
from agentguard.simulation.model import Degraded, ImpactedComponent, ImpactedWorkflow, Outcome, Step
from agentguard.simulation.requirements import Need, Requirement, component_requirements, workflow_requirements


@dataclass(frozen=True, slots=True)
class Structure:
    """A graph's requirements, numbered: components first (by id), then workflows (by id)."""

    components: tuple[str, ...]
    workflows: tuple[str, ...]
    index: dict[str, int]
    """Component id → number."""
    needs: Requirements
    """The required groups."""
    required: tuple[tuple[int, tuple[int, ...]], ...]
    optional: tuple[tuple[int, tuple[int, ...]], ...]

    def label(self, number: int) -> str:
        """The id of a component or workflow."""
        return self.components[number] if number < len(self.components) else self.workflows[number - len(self.components)]


@dataclass(frozen=True, slots=True)
class Fallen:
    """What a scenario brings down, each with the node whose failure was the last straw."""

    components: dict[int, int]
    workflows: dict[int, int]
    """Numbers as in the structure."""


def structure(graph: Graph) -> Structure:
    """Return the graph's requirements; linear in its dependencies, times workflows where there are handoffs."""
    components = tuple(sorted(c.id for c in graph.components))
    entries = sorted((w.id, w.entry) for w in graph.workflows)
    index = {component: number for number, component in enumerate(components)}
    owners = {workflow: number for number, (workflow, _) in enumerate(entries, start=len(components))}
    inner = component_requirements(graph)
    waiting = [(index[r.owner], r) for r in inner if r.returns]
    ending = [(owners[r.owner], r) for r in workflow_requirements(entries, inner)]
    both = waiting + ending
    required, optional = (_numbered(both, index, need) for need in (Need.REQUIRED, Need.OPTIONAL))
    needs = requirements(len(components) + len(entries), required)
    return Structure(components, tuple(w for w, _ in entries), index, needs, required, optional)


def fallen(s: Structure, failed: Iterable[int]) -> Fallen:
    """Return everything that fails when these components (by number) do; linear in the edges of what fails."""
    causes = failures(s.needs, failed)
    count = len(s.components)
    return Fallen({n: c for n, c in causes.items() if n < count}, {n: c for n, c in causes.items() if n >= count})


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
        workflows=tuple(sorted(_workflows(graph, s, down, paths), key=lambda w: (-w.runs_lost, w.id))),
        runs_seen=sum(w.runs for w in graph.workflows),
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
    return tuple(Degraded(s.label(o), tuple(sorted(map(s.label, m)))) for o, m in sorted(lost.items(), key=lambda item: s.label(item[0])))


def _numbered(groups: list[tuple[int, Requirement]], index: dict[str, int], need: Need) -> tuple[tuple[int, tuple[int, ...]], ...]:
    return tuple((owner, tuple(index[m] for m in r.members)) for owner, r in groups if r.need is need)


def _workflows(graph: Graph, s: Structure, down: Fallen, paths: _Paths) -> Iterable[ImpactedWorkflow]:
    by_id = {w.id: w for w in graph.workflows}
    for number in down.workflows:
        w = by_id[s.label(number)]
        lost = max(0, w.runs - w.failed)
        share = lost / w.runs if w.runs else 0.0
        yield ImpactedWorkflow(w.id, w.name, w.entry, w.runs, w.failed, lost, share, None, paths.up_to(number))


class _Paths:
    """From what failed up to what was hit, with the spans behind each dependency."""

    def __init__(self, graph: Graph, s: Structure, down: Fallen) -> None:
        self._s = s
        self._cause = down.components | down.workflows
        self._of_pair: dict[tuple[str, str], tuple[Evidence, ...]] = {}
        self._of_callee: dict[str, tuple[Evidence, ...]] = {}
        for d in sorted(graph.dependencies, key=lambda d: (d.source, d.target, d.type.value, d.via or "")):
            self._of_pair.setdefault((d.source, d.target), d.evidence)
            if not d.type.returns:
                self._of_callee.setdefault(d.target, d.evidence)
        self._of_workflow = {w.id: w for w in graph.workflows}

    def up_to(self, number: int) -> tuple[Step, ...]:
        """Return the steps, the failed component's first."""
        steps: list[Step] = []
        while number in self._cause:
            cause = self._cause[number]
            steps.append(self._step(number, cause))
            number = cause
        return tuple(reversed(steps))

    def _step(self, number: int, cause: int) -> Step:
        source, target = self._s.label(number), self._s.label(cause)
        if number < len(self._s.components):
            return Step(source, target, self._of_pair.get((source, target), ()))
        workflow = self._of_workflow[source]
        return Step(source, target, workflow.evidence if workflow.entry == target else self._of_callee.get(target, ()))
