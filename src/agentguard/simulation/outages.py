"""Many outages replayed over one model: what each costs every workflow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.simulation.beliefs import Beliefs, beliefs
from agentguard.simulation.declared import NO_FACTS, DeclaredFacts, with_standbys
from agentguard.simulation.engine import Closure
from agentguard.simulation.losses import losses
from agentguard.simulation.recording import Recording, recording
from agentguard.simulation.replay import replay
from agentguard.simulation.replay_outcome import numbered, structural_failures
from agentguard.simulation.structural import Structure, structure

_ROWS_AT_ONCE = 200_000
"""Failing calls replayed in one pass: bounds memory to some tens of MB."""

_OUTAGES_AT_ONCE = 200
"""Outages replayed in one pass, for the same reason."""


@dataclass(frozen=True, slots=True)
class Outage:
    """Components that fail together, with what runs in them."""

    failed: tuple[str, ...]
    """Ids, at least one."""
    spares: frozenset[str] = frozenset()
    """Ids of fallbacks that work in this outage; in the others they recover nothing."""


@dataclass(frozen=True, slots=True)
class Model:
    """A graph and its recorded runs, prepared for replays."""

    graph: Graph
    structure: Structure
    recording: Recording
    beliefs: Beliefs

    @staticmethod
    def of(graph: Graph, runs: Runs, *, seed: int, declared: DeclaredFacts = NO_FACTS) -> Model:
        """Prepare a model in a few passes over the calls; what is declared overrides what was seen.

        Two models with the same seed draw the same for what they share, so that the difference of
        their losses is that of the models.
        """
        graph = with_standbys(graph, declared)
        r = recording(graph, runs)
        found = beliefs(graph, r, seed=seed, declared=declared)
        return Model(graph, structure(graph, runs, declared.survives), r, found)

    def lost(self, outages: Sequence[Outage]) -> list[dict[str, float]]:
        """Return, by outage, workflow id → runs expected to be lost, without zeros."""
        spares = self._numbers({c for outage in outages for c in outage.spares})
        found: list[dict[str, float]] = []
        for part in self._parts(outages):
            found += self._lost(part, spares)
        return found

    def _lost(self, outages: Sequence[Outage], spares: list[int]) -> list[dict[str, float]]:
        r = self.recording
        closure = Closure(self.graph)
        closed = [closure.of(outage.failed) for outage in outages]
        scenarios = [numbered(r, scenario) for scenario in closed]
        down = structural_failures(r, self.structure, [s.failed for s in scenarios])
        self._set_down(down, outages, spares)
        of = losses(r, replay(r, scenarios, self.beliefs, down))
        found: list[dict[str, float]] = [{} for _ in outages]
        rows = zip(of.scenario.tolist(), of.workflow.tolist(), of.expected.tolist(), strict=True)
        for scenario, workflow, expected in rows:
            found[scenario][r.workflows[workflow]] = expected
        return found

    def _set_down(
        self, down: NDArray[np.bool_], outages: Sequence[Outage], spares: list[int]
    ) -> None:
        """Mark, by outage, the spares of the others as down."""
        for row, outage in zip(down, outages, strict=True):
            own = self._numbers(outage.spares)
            fails = row[own]
            row[spares] = True
            row[own] = fails

    def _numbers(self, components: Collection[str]) -> list[int]:
        return [self.recording.number[c] for c in components if c in self.recording.number]

    def _parts(self, outages: Iterable[Outage]) -> Iterator[list[Outage]]:
        """Split the outages into parts of bounded work and memory."""
        calls: NDArray[np.int64] = np.diff(self.recording.target_start)
        part: list[Outage] = []
        rows = 0
        for outage in outages:
            count = sum(int(calls[self.recording.number[c]]) for c in outage.failed)
            if part and (rows + count > _ROWS_AT_ONCE or len(part) == _OUTAGES_AT_ONCE):
                yield part
                part, rows = [], 0
            part.append(outage)
            rows += count
        if part:
            yield part


def total(lost: Mapping[str, float], workflows: Collection[str] | None = None) -> float:
    """Return the runs lost of these workflows, else of all."""
    return sum(n for w, n in lost.items() if workflows is None or w in workflows)


def by_workflow(losses_of: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the sum of several losses."""
    found = defaultdict[str, float](float)
    for lost in losses_of:
        for workflow, runs in lost.items():
            found[workflow] += runs
    return dict(found)
