"""What replayed scenarios cost: runs lost by workflow, and components hit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agentguard.compute.arrays import U64
from agentguard.simulation.bits import DRAWS, WORDS, any_by, count, sum_by
from agentguard.simulation.recording import Recording
from agentguard.simulation.replay import Failures, Replayed, firsts

if TYPE_CHECKING:
    from numpy.typing import NDArray

HIT_PROBABILITY = 0.5
"""A component is hit if it is at least as likely as not that one of its successful invocations
fails.
"""


@dataclass(frozen=True, slots=True)
class Losses:
    """Runs lost, one row per (scenario, workflow) that loses a run in at least one draw."""

    scenario: NDArray[np.int64]
    workflow: NDArray[np.int64]
    runs: NDArray[np.int64]
    """(rows, draws)."""

    @property
    def expected(self) -> NDArray[np.float64]:
        """Return the expectation over the draws as believed, by row."""
        found: NDArray[np.float64] = self.runs[:, :DRAWS].sum(axis=1) / DRAWS
        return found

    def bound(self, place: int) -> NDArray[np.float64]:
        """Return the expectation with the never seen all survived (1) or not (2), by row."""
        part = self.runs[:, place * DRAWS : (place + 1) * DRAWS]
        found: NDArray[np.float64] = part.sum(axis=1) / DRAWS
        return found


@dataclass(frozen=True, slots=True)
class Hits:
    """Components with failing invocations, one row per (scenario, component)."""

    scenario: NDArray[np.int64]
    component: NDArray[np.int64]
    probability: NDArray[np.float64]
    """That at least one of its invocations fails."""
    expected: NDArray[np.float64]
    """Number of failing invocations."""


def losses(r: Recording, found: Replayed) -> Losses:
    """Return the runs lost of the graph's workflows, each once, by whichever failure reaches it."""
    lost = found.lost.take(r.known[r.run_workflow[r.run[found.lost.row]]])
    key = lost.scenario * max(len(r.run_failed), 1) + r.run[lost.row]
    order, first = _grouped(key)
    words = any_by(lost.fails[order], first)
    once = lost.take(order[first])
    place = once.scenario * max(len(r.workflows), 1) + r.run_workflow[r.run[once.row]]
    keys, group = np.unique(place, return_inverse=True)
    size = max(len(r.workflows), 1)
    return Losses(keys // size, keys % size, sum_by(words, group, len(keys)))


def hits(r: Recording, failures: Failures) -> Hits:
    """Return which components' invocations fail."""
    size = len(r.components)
    key = failures.scenario * size + r.target[failures.row]
    order, first = _grouped(key)
    words: U64 = failures.fails[order][:, :WORDS]
    keys = key[order[first]]
    sums = np.add.reduceat(count(words), first) if len(first) else np.zeros(0, np.int64)
    return Hits(keys // size, keys % size, count(any_by(words, first)) / DRAWS, sums / DRAWS)


def _grouped(key: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    order = np.argsort(key, kind="stable")
    return order, np.flatnonzero(firsts(key[order]))
