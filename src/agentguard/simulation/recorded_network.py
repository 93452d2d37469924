"""The network of recorded runs: who uses whom in each workflow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agentguard.compute.arrays import distinct
from agentguard.graph.model import Graph
from agentguard.simulation.call_rows import integers
from agentguard.simulation.network import Flow, Link, Network, Pair, Rescues, Secondaries
from agentguard.simulation.recording import Recording

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Place = tuple[int, int]
"""Workflow and component, as numbered in the recording."""


@dataclass(frozen=True, slots=True)
class _Use:
    """Calls of one component to another in the runs of one workflow."""

    workflow: int
    source: int
    target: int
    returns: bool
    calls: int
    runs: int
    """Runs of the workflow with such a call."""


def recorded_network(graph: Graph, r: Recording, rescues: Rescues) -> Network:
    """Return the network, in a few passes over the calls.

    A dependency of the graph without recorded calls holds in every run of its source.
    """
    return _Recorded(graph, r, rescues).network()


class _Recorded:
    def __init__(self, graph: Graph, r: Recording, rescues: Rescues) -> None:
        self._graph, self._r, self._rescues = graph, r, rescues
        self._secondaries = Secondaries(graph)
        self._workflow = np.where(r.run >= 0, r.run_workflow[r.run], -1)
        self._runs = np.bincount(r.run_workflow, minlength=len(r.workflows))
        self._parts = self._runs_with(
            self._workflow * len(r.components) + r.target, np.arange(len(r.target))
        )
        uses = [*self._uses(), *self._silent()]
        self._nodes = self._numbered(uses)
        self._of_uses = uses

    def network(self) -> Network:
        r = self._r
        known = list(self._nodes)
        links = [*self._roots(), *self._services(), *map(self._link, self._of_uses)]
        return Network(
            r.workflows,
            tuple(r.components[c] for _, c in known),
            tuple(self._part(w, c) for w, c in known),
            tuple(links),
            tuple(self._flow(u) for u in self._of_uses if not u.returns),
        )

    def _runs_with(self, keys: NDArray[np.int64], rows: NDArray[np.int64]) -> dict[int, int]:
        """Return by key of the rows the number of runs with such a call."""
        size = len(self._r.run_failed) + 1
        pairs = distinct(keys * size + self._r.run[rows]) // size
        found, counts = np.unique(pairs, return_counts=True)
        return dict(zip(found.tolist(), counts.tolist(), strict=True))

    def _part(self, workflow: int, component: int) -> int:
        return self._parts.get(workflow * len(self._r.components) + component, 0)

    def _uses(self) -> Iterator[_Use]:
        """Yield what was called, retries left out.

        A fallback that took over in a recorded run is needed there.
        """
        r, size = self._r, len(self._r.components)
        rows = np.flatnonzero(~_retries(r) & (r.parent >= 0) & ~r.repeats)
        place = self._workflow[rows] * size + r.target[r.parent[rows]]
        keys = (place * size + r.target[rows]) * 2 + r.returns[rows]
        calls = dict(zip(*(each.tolist() for each in np.unique_counts(keys)), strict=True))
        for key, runs in sorted(self._runs_with(keys, rows).items()):
            rest, returns = divmod(key, 2)
            above, target = divmod(rest, size)
            workflow, source = divmod(above, size)
            yield _Use(workflow, source, target, bool(returns), calls[key], runs)

    def _silent(self) -> Iterator[_Use]:
        r = self._r
        for target, callers in sorted(r.dependencies.silent.items()):
            for source, row in callers:
                for workflow in range(len(r.workflows)):
                    if runs := self._part(workflow, source):
                        returns = bool(r.dependencies.returns[row])
                        yield _Use(workflow, source, target, returns, runs, runs)

    def _numbered(self, uses: list[_Use]) -> Mapping[_Place, int]:
        size = len(self._r.components)
        places = {divmod(key, size) for key in self._parts}
        places |= {(u.workflow, c) for u in uses for c in (u.source, u.target, *self._spares(u))}
        return {p: n for n, p in enumerate(sorted(places), start=len(self._r.workflows))}

    def _spares(self, u: _Use) -> Iterator[int]:
        names, number = self._r.components, self._r.number
        found = self._secondaries.of(names[u.source], names[u.target])
        return (number[s] for s in found if s in number)

    def _roots(self) -> Iterator[Link]:
        r, size = self._r, len(self._r.components)
        rows = np.flatnonzero((r.parent < 0) & ~r.repeats)
        keys, counts = np.unique(self._workflow[rows] * size + r.target[rows], return_counts=True)
        for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
            workflow, component = divmod(key, size)
            share = min(1.0, count / self._runs[workflow])
            yield Link(workflow, self._nodes[workflow, component], None, share)

    def _services(self) -> Iterator[Link]:
        """Yield a link from each service to the agent that serves its calls: both fail together."""
        r, size = self._r, len(self._r.components)
        service, agent = r.twins.host_row, r.twins.guest_row
        keys = (self._workflow[service] * size + r.target[service]) * size + r.target[agent]
        for key, runs in sorted(self._runs_with(keys, service).items()):
            place, number = divmod(key, size)
            node = self._nodes[divmod(place, size)]
            share = min(1.0, runs / max(1, self._parts.get(place, 0)))
            yield Link(node, self._nodes[place // size, number], None, share)

    def _link(self, u: _Use) -> Link:
        names = self._r.components
        number = self._r.number
        fallbacks = tuple(
            (self._nodes[u.workflow, number[s]], self._rescues.get((names[u.source], s), 0.0))
            for s in self._secondaries.of(names[u.source], names[u.target])
            if (u.workflow, number.get(s, -1)) in self._nodes
        )
        target = self._nodes[u.workflow, u.target]
        owner = self._nodes[u.workflow, u.source] if u.returns else u.workflow
        whole = self._part(u.workflow, u.source) if u.returns else self._runs[u.workflow]
        return Link(owner, target, self._pair(u), min(1.0, u.runs / max(1, whole)), fallbacks)

    def _flow(self, u: _Use) -> Flow:
        source, target = self._nodes[u.workflow, u.source], self._nodes[u.workflow, u.target]
        started = u.runs / max(1, self._part(u.workflow, u.target))
        return Flow(source, target, self._pair(u), min(1.0, started))

    def _pair(self, u: _Use) -> Pair:
        names = self._r.components
        return Pair(names[u.source], names[u.target], u.returns, max(1.0, u.calls / u.runs))


def _retries(r: Recording) -> NDArray[np.bool_]:
    """Return which calls repeat a failed one to the same callee."""
    found = np.zeros(len(r.target), np.bool_)
    rescued_by = integers(r.runs.calls, "rescued_by")
    failed = np.flatnonzero(rescued_by >= 0)
    again = rescued_by[failed]
    found[again[r.target[again] == r.target[failed]]] = True
    return found
