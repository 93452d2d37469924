"""The impact of every single outage, simulated in one pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.simulation.engine import blast_radius
from agentguard.simulation.merging import merged
from agentguard.simulation.model import BlastRadius, Method, WorkflowRuns
from agentguard.simulation.recording import Recording, recording
from agentguard.simulation.replay import replay, rescue_chances
from agentguard.simulation.single_failures import failing_nodes, single_failures
from agentguard.simulation.structural import Structure, structure

_ROWS_AT_ONCE = 500_000
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
    runs_lost: Mapping[str, int] | None
    """Workflow id → runs lost in the replay, without zeros; None without recorded runs."""


@dataclass(frozen=True, slots=True)
class Impacts:
    """The impacts of all components in order of id, and the runs they are shares of."""

    method: Method
    workflows: Mapping[str, WorkflowRuns]
    of: Mapping[str, Impact]


def impacts(graph: Graph, runs: Runs | None, *, seed: int) -> Impacts:
    """Return the impact of every component, equal to what `simulate` finds one by one.

    The structural part takes a few passes over the dependencies; the replays take, summed over the
    components, the number of calls times their depth.
    """
    s = structure(graph, runs)
    worst = _Worst(s)
    if runs is None or not runs.runs.num_rows or not runs.calls.num_rows:
        return _structural(s, worst)
    return _replayed(graph, s, worst, recording(graph, runs, seed=seed))


class _Worst:
    """What fails with every single outage by the structural rules."""

    def __init__(self, s: Structure) -> None:
        first, last = len(s.components), len(s.components) + len(s.workflows)
        entry_nodes = range(last, last + len(s.entry_nodes))
        self._s, self._plan = s, merged(s.needs)
        self._found = single_failures(
            self._plan,
            [*range(first), *entry_nodes],
            counted=range(first),
            watched=range(first, last),
        )
        self._workflows: dict[tuple[int, int], frozenset[str]] = {}

    def of(self, numbers: Sequence[int]) -> NDArray[np.bool_]:
        """Return (outages, nodes): whether the outage of a component fails a node."""
        behind = [self._behind(number) for number in numbers]
        return failing_nodes(self._plan, numbers) | failing_nodes(self._plan, behind)

    def components_hit(self, number: int) -> int:
        """Return how many other components fail with this one."""
        return int(self._found.sizes[number])

    def workflows_down(self, number: int) -> frozenset[str]:
        """Return the ids of the workflows that fail with this component.

        Components whose outages take down the same share one set.
        """
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
    for number, component in enumerate(s.components):
        down = worst.workflows_down(number)
        lost = sum(s.runs[w].seen - s.runs[w].failed for w in down)
        found[component] = Impact(
            component, _radius(s, lost, seen, worst.components_hit(number)), down, None
        )
    return Impacts(Method.STRUCTURAL, s.runs, found)


def _replayed(graph: Graph, s: Structure, worst: _Worst, r: Recording) -> Impacts:
    lost, hit = _losses(graph, r, s, worst)
    number = {component: i for i, component in enumerate(r.components)}
    found: dict[str, Impact] = {}
    for i, component in enumerate(s.components):
        of_workflow = lost.get(number[component], {})
        radius = _radius(
            s, sum(of_workflow.values()), len(r.run_failed), hit.get(number[component], 0)
        )
        found[component] = Impact(component, radius, worst.workflows_down(i), of_workflow)
    return Impacts(Method.REPLAY, s.runs, found)


def _losses(
    graph: Graph, r: Recording, s: Structure, worst: _Worst
) -> tuple[dict[int, dict[str, int]], dict[int, int]]:
    """Return, by component number, the runs lost per workflow, and how many others are hit."""
    lost: dict[int, dict[str, int]] = defaultdict(dict)
    hit: dict[int, int] = {}
    place = {component: i for i, component in enumerate(r.components)}
    numbers = np.array([place[c] for c in s.components], dtype=np.int64)
    known = np.isin(np.arange(len(r.components)), numbers)
    for part in _parts(r, s):
        down = np.zeros((len(part), len(r.components)), dtype=np.bool_)
        down[:, numbers] = worst.of([s.index[r.components[c]] for c in part])[:, : len(numbers)]
        found = replay(r, [frozenset((c,)) for c in part], rescue_chances(graph, r, down))
        others = (r.target[found.row] != np.array(part)[found.scenario]) & known[
            r.target[found.row]
        ]
        pairs = np.unique(found.scenario[others] * len(r.components) + r.target[found.row[others]])
        hit |= dict(
            zip(
                part,
                np.bincount(pairs // len(r.components), minlength=len(part)).tolist(),
                strict=True,
            )
        )
        keys, counts = np.unique(
            found.lost_scenario * len(r.workflows) + r.run_workflow[found.lost_run],
            return_counts=True,
        )
        for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
            lost[part[key // len(r.workflows)]][r.workflows[key % len(r.workflows)]] = count
    return lost, hit


def _parts(r: Recording, s: Structure) -> Iterator[list[int]]:
    """Split the called components into parts of bounded work and memory."""
    part: list[int] = []
    rows = 0
    for number, count in enumerate(np.diff(r.target_start).tolist()):
        if part and (rows + count > _ROWS_AT_ONCE or len(part) == _OUTAGES_AT_ONCE):
            yield part
            part, rows = [], 0
        if count and r.components[number] in s.index:
            part.append(number)
            rows += count
    if part:
        yield part


def _radius(s: Structure, lost: int, seen: int, hit: int) -> BlastRadius:
    return blast_radius(
        runs_lost=lost, runs_seen=seen, components_hit=hit, components=len(s.components) - 1
    )
