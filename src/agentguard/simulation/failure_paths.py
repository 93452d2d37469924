"""Failure paths in recorded runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from agentguard.compute.arrays import U64, factorize, hash_rows
from agentguard.graph.model import Evidence
from agentguard.simulation.bits import WORDS, count
from agentguard.simulation.first_failures import Scenario, between
from agentguard.simulation.model import Step
from agentguard.simulation.recording import Recording
from agentguard.simulation.replay import Failures, silent_cause

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NO_CAUSE = -1


class FailurePaths:
    """How failures reach calls and runs, in one scenario."""

    def __init__(self, r: Recording, scenario: Scenario, failures: Failures) -> None:
        size = len(r.target)
        self._r = r
        self._between = between(r, scenario)
        self._cause = np.full(size, _NO_CAUSE, np.int64)
        self._cause[failures.row] = failures.cause
        self._distance = np.zeros(size, np.int64)
        self._distance[failures.row] = failures.distance
        self._weight = np.zeros(size, np.int64)
        self._weight[failures.row] = count(failures.fails[:, :WORDS])
        self._path_hash = self._hashes(failures)

    def _hashes(self, failures: Failures) -> U64:
        r, found = self._r, np.zeros(len(self._r.target), np.uint64)
        for distance in np.unique(failures.distance):
            rows = failures.row[failures.distance == distance]
            cause = self._cause[rows]
            before = np.where(cause < 0, np.uint64(0), found[np.maximum(cause, 0)])
            found[rows] = hash_rows(before, r.target[rows].astype(np.uint64))
        return found

    def commonest(self, rows: NDArray[np.int64], of: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return for each value in `of` a row with its likeliest path, of several the shortest."""
        order = np.lexsort((rows, self._distance[rows], -self._likelihood(rows, of), of))
        first = np.ones(len(order), np.bool_)
        first[1:] = of[order[1:]] != of[order[:-1]]
        return order[first]

    def likeliest(self, rows: NDArray[np.int64]) -> int:
        """Return a row with the likeliest path; of several the shortest, then the earliest."""
        likelihood = self._likelihood(rows, np.zeros(len(rows), np.int64))
        order = np.lexsort((rows, self._distance[rows], -likelihood))
        return int(rows[order[0]])

    def _likelihood(self, rows: NDArray[np.int64], of: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return, for each row, the draws in which rows with its value in `of` have its path."""
        codes, _ = factorize(hash_rows(self._path_hash[rows], of.astype(np.uint64)))
        if not len(codes):
            return np.zeros(0)
        weights = self._weight[rows].astype(np.float64)
        return np.bincount(codes, weights=weights).astype(np.float64)[codes]

    def up_to(self, row: int) -> tuple[Step, ...]:
        """Return the steps, the failed component's first, without self-calls."""
        steps: list[Step] = []
        while (cause := int(self._cause[row])) >= 0:
            if self._r.target[cause] != self._r.target[row]:
                steps.append(self.last(self._name(row), cause))
            row = cause
        if cause != _NO_CAUSE:
            steps += self._unrecorded(int(silent_cause(np.array([cause]))[0]))
        return tuple(reversed(steps))

    def _unrecorded(self, dependency: int | None) -> Iterator[Step]:
        """Yield the steps through dependencies without recorded calls: no span shows them."""
        d, names = self._r.dependencies, self._r.components
        while dependency is not None:
            callee = int(d.target[dependency])
            yield Step(names[int(d.source[dependency])], names[callee], ())
            dependency = self._between.get(callee)

    def last(self, source: str, row: int) -> Step:
        """Return the step from this call's target to the source."""
        return Step(source, self._name(row), (self._evidence(row),))

    def _name(self, row: int) -> str:
        return self._r.components[int(self._r.target[row])]

    def _evidence(self, row: int) -> Evidence:
        calls = self._r.runs.calls
        return Evidence(*(calls[name][row].as_py() for name in ("trace_id", "span_id", "start")))
