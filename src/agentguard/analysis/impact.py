"""The impact of every single outage, simulated in one pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.simulation.beliefs import Beliefs
from agentguard.simulation.engine import Closure, blast_radius
from agentguard.simulation.losses import HIT_PROBABILITY, hits, losses
from agentguard.simulation.merging import merged
from agentguard.simulation.methods import recorded
from agentguard.simulation.model import BlastRadius, Method, Scenario, WorkflowRuns
from agentguard.simulation.outages import Model
from agentguard.simulation.recording import Recording
from agentguard.simulation.replay import replay
from agentguard.simulation.replay_outcome import numbered
from agentguard.simulation.single_failures import failing_nodes, single_failures
from agentguard.simulation.structural import Structure, failed_nodes, structure

_ROWS_AT_ONCE = 200_000
"""Failing calls replayed in one pass: bounds memory to some tens of MB."""

_OUTAGES_AT_ONCE = 500
"""Outages replayed in one pass, for the same reason."""


@dataclass(frozen=True, slots=True)
class Impact:
    """The impact of one component's outage."""

    component: str
    blast_radius: BlastRadius
    structural_workflows: frozenset[str]
    """Workflow ids that fail by the structural rules."""
    runs_lost: Mapping[str, float] | None
    """Workflow id → runs expected to be lost in the replay, without zeros; None without runs."""


@dataclass(frozen=True, slots=True)
class Impacts:
    """The impacts of all components in order of id, and the runs they are shares of."""

    method: Method
    workflows: Mapping[str, WorkflowRuns]
    of: Mapping[str, Impact]


def impacts(graph: Graph, runs: Runs | None, *, seed: int) -> Impacts:
    """Return the impact of every component, equal to what `simulate` finds one by one."""
    model = Model.of(graph, runs, seed=seed) if runs is not None and recorded(runs) else None
    return impacts_in(graph, structure(graph, runs) if model is None else model.structure, model)


def impacts_in(graph: Graph, s: Structure, model: Model | None) -> Impacts:
    """Return the same; the model holds the recorded runs (None: there are none).

    Of the graph's components alone: the model may have standbys that were never observed.
    The structural part takes a few passes over the dependencies; the replays take, summed over the
    components, the number of calls times their depth.
    """
    closure = Closure(graph if model is None else model.graph)
    closed = {c: closure.of([c]) for c in s.components}
    worst = _Worst(s, closed, frozenset(c.id for c in graph.components))
    if model is None:
        return _structural(s, worst)
    return _replayed(s, worst, model.recording, model.beliefs)


class _Worst:
    """What fails by the structural rules with each component and what runs in it."""

    def __init__(
        self, s: Structure, closed: Mapping[str, Scenario], observed: frozenset[str]
    ) -> None:
        first, last = len(s.components), len(s.components) + len(s.workflows)
        entry_nodes = range(last, last + len(s.entry_nodes))
        self._s, self._plan, self.closed = s, merged(s.needs), closed
        self.observed = observed
        self._found = single_failures(
            self._plan,
            [*range(first), *entry_nodes],
            counted=range(first),
            watched=range(first, last),
        )
        self._workflows: dict[tuple[int, int], frozenset[str]] = {}

    def numbered(self) -> Iterator[tuple[int, str]]:
        """Yield the numbers and ids of the observed components."""
        return ((n, c) for n, c in enumerate(self._s.components) if c in self.observed)

    def of(self, numbers: Sequence[int]) -> NDArray[np.bool_]:
        """Return (outages, nodes): whether the outage of a component fails a node."""
        behind = [self._behind(number) for number in numbers]
        found = failing_nodes(self._plan, numbers) | failing_nodes(self._plan, behind)
        for place, number in enumerate(numbers):
            if len(self._together(number)) > 1:
                found[place] = self._with(self._together(number))
        return found

    def components_hit(self, number: int) -> int:
        """Return how many components fail with this one, beside those that run in it."""
        together = self._together(number)
        if len(together) == 1:
            return int(self._found.sizes[number])
        return int(self._with(together)[: len(self._s.components)].sum()) - len(together)

    def _together(self, number: int) -> tuple[str, ...]:
        return self.closed[self._s.components[number]].closed

    def _with(self, components: Iterable[str]) -> NDArray[np.bool_]:
        start = [self._s.index[c] for c in components]
        down, found = failed_nodes(self._s, start), np.zeros(self._s.needs.size, np.bool_)
        found[[*start, *down.components, *down.workflows]] = True
        return found

    def _workflows_with(self, components: Iterable[str]) -> frozenset[str]:
        first = len(self._s.components)
        hit = np.flatnonzero(self._with(components)[first : first + len(self._s.workflows)])
        return frozenset(self._s.workflows[place] for place in hit)

    def workflows_down(self, number: int) -> frozenset[str]:
        """Return the ids of the workflows that fail with this component.

        Components whose outages take down the same share one set.
        """
        if len(self._together(number)) > 1:
            return self._workflows_with(self._together(number))
        effect, behind = (self._effect(n) for n in (number, self._behind(number)))
        if (effect, behind) not in self._workflows:
            down = self._found.watched[effect] | self._found.watched[behind]
            ids = (self._s.workflows[place] for place in np.flatnonzero(down))
            self._workflows[effect, behind] = frozenset(ids)
        return self._workflows[effect, behind]

    def _behind(self, number: int) -> int:
        """Return the node that workflows need which share this component as entry."""
        entry_node = self._s.entry_node(number)
        return number if entry_node is None else entry_node

    def _effect(self, number: int) -> int:
        after = number - len(self._s.workflows)
        return int(self._found.effect[number if number < len(self._s.components) else after])


def _structural(s: Structure, worst: _Worst) -> Impacts:
    seen = sum(w.seen for w in s.runs.values())
    found: dict[str, Impact] = {}
    lost: dict[frozenset[str], int] = {}
    for number, component in worst.numbered():
        down = worst.workflows_down(number)
        if down not in lost:
            lost[down] = sum(s.runs[w].seen - s.runs[w].failed for w in down)
        radius = _radius(worst, component, (lost[down], seen, worst.components_hit(number)))
        found[component] = Impact(component, radius, down, None)
    return Impacts(Method.STRUCTURAL, s.runs, found)


def _replayed(s: Structure, worst: _Worst, r: Recording, b: Beliefs) -> Impacts:
    lost, hit = _losses(r, b, s, worst)
    found: dict[str, Impact] = {}
    for i, component in worst.numbered():
        of_workflow = lost.get(component, {})
        counts = (sum(of_workflow.values()), len(r.run_failed), hit.get(component, 0))
        radius = _radius(worst, component, counts)
        found[component] = Impact(component, radius, worst.workflows_down(i), of_workflow)
    return Impacts(Method.REPLAY, s.runs, found)


def _losses(
    r: Recording, b: Beliefs, s: Structure, worst: _Worst
) -> tuple[dict[str, dict[str, float]], dict[str, int]]:
    """Return, by component, the runs lost per workflow, and how many others are hit."""
    lost: dict[str, dict[str, float]] = defaultdict(dict)
    hit: dict[str, int] = {}
    known = np.isin(np.arange(len(r.components)), [r.number[c] for c in worst.observed])
    for part in _parts(r, worst):
        scenarios = [numbered(r, worst.closed[c]) for c in part]
        down = _down(r, s, worst, part)
        found = replay(r, scenarios, b, down)
        others = hits(r, found.failures)
        counted = (others.probability >= HIT_PROBABILITY) & known[others.component]
        rows = zip(others.scenario.tolist(), others.component.tolist(), strict=True)
        counted &= np.array([c not in scenarios[i].failed for i, c in rows], dtype=np.bool_)
        hit |= dict(
            zip(
                part,
                np.bincount(others.scenario[counted], minlength=len(part)).tolist(),
                strict=True,
            )
        )
        found_losses = losses(r, found)
        for scenario, workflow, expected in zip(
            found_losses.scenario.tolist(),
            found_losses.workflow.tolist(),
            found_losses.expected.tolist(),
            strict=True,
        ):
            lost[part[scenario]][r.workflows[workflow]] = expected
    return lost, hit


def _down(r: Recording, s: Structure, worst: _Worst, part: Sequence[str]) -> NDArray[np.bool_]:
    """Return, by outage and component number, what is out or fails structurally."""
    down = np.zeros((len(part), len(r.components)), dtype=np.bool_)
    numbers = [r.number[c] for c in s.components]
    down[:, numbers] = worst.of([s.index[c] for c in part])[:, : len(numbers)]
    return down


def _parts(r: Recording, worst: _Worst) -> Iterator[list[str]]:
    """Split the components into parts of bounded work and memory."""
    part: list[str] = []
    rows = 0
    number = r.number
    calls = np.diff(r.target_start)
    for component, scenario in worst.closed.items():
        count = sum(int(calls[number[c]]) for c in scenario.closed)
        if part and (rows + count > _ROWS_AT_ONCE or len(part) == _OUTAGES_AT_ONCE):
            yield part
            part, rows = [], 0
        part.append(component)
        rows += count
    if part:
        yield part


def _radius(worst: _Worst, component: str, counts: tuple[float, int, int]) -> BlastRadius:
    lost, seen, hit = counts
    others = len(worst.observed) - len(worst.closed[component].closed)
    return blast_radius(runs_lost=lost, runs_seen=seen, components_hit=hit, components=others)
