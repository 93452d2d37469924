"""The calls that fail first in a scenario: those to what has failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from agentguard.simulation.recording import Recording

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Scenario:
    """What fails, as component numbers, closed over hosting."""

    failed: frozenset[int]
    partly: Mapping[int, frozenset[int]] = field(default_factory=dict)
    """Component that also runs in a working host → its failing hosts."""


@dataclass(frozen=True, slots=True)
class FirstFailures:
    """One row per (scenario, call)."""

    scenario: NDArray[np.int64]
    row: NDArray[np.int64]
    dependency: NDArray[np.int64]
    """The dependency without recorded calls through which the call fails; -1: it is called."""


def first_failures(r: Recording, scenarios: Sequence[Scenario]) -> FirstFailures:
    """Return the successful calls that fail with the scenario and would still be made.

    A component that also runs in a working host fails where a call is known to run in a failed
    one, and where this is not known. Calls of what calls a failed component without a recorded
    call of its own may fail: nothing tells in which of its calls it was used.
    """
    parts = [part for i, s in enumerate(scenarios) for part in _parts(r, i, s)]
    empty = [np.zeros(0, np.int64)] * 3
    columns = [np.concatenate(column) for column in zip(empty, *parts, strict=True)]
    found = FirstFailures(*columns)
    kept = ~(r.failed | r.repeats)[found.row] & ~_below_failed(r, found, scenarios)
    return FirstFailures(found.scenario[kept], found.row[kept], found.dependency[kept])


def without_calls(r: Recording, s: Scenario) -> list[tuple[int, int]]:
    """Return (caller, dependency) for the failed components that have no recorded calls.

    Of a caller without recorded calls, its own callers, as it fails too in the worst case.
    """
    return sorted(each for each in _silently(r, s) if len(r.rows_of(each[0])))


def between(r: Recording, s: Scenario) -> dict[int, int]:
    """Return component → the dependency without recorded calls through which it fails."""
    return {c: dependency for c, dependency in _silently(r, s) if not len(r.rows_of(c))}


def _silently(r: Recording, s: Scenario) -> Iterator[tuple[int, int]]:
    """Yield (caller, dependency) up to callers with recorded calls; each of the others once."""
    waiting, known = sorted(s.failed), set(s.failed)
    while waiting:
        for caller, dependency in r.dependencies.silent.get(waiting.pop(), ()):
            if len(r.rows_of(caller)):
                yield caller, dependency
            elif caller not in known:
                known.add(caller)
                waiting.append(caller)
                yield caller, dependency


_Part = tuple["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.int64]"]


def _parts(r: Recording, number: int, s: Scenario) -> Iterator[_Part]:
    rows = [r.rows_of(c) for c in sorted(s.failed)]
    for component, hosts in sorted(s.partly.items()):
        called = r.rows_of(component)
        ran_in = r.twins.ran_in[called]
        rows.append(called[(ran_in < 0) | np.isin(ran_in, sorted(hosts))])
    direct = np.sort(np.concatenate([np.zeros(0, np.int64), *rows]))
    yield _part(number, direct, -1)
    for caller, dependency in without_calls(r, s):
        if caller not in s.failed:
            yield _part(number, r.rows_of(caller), dependency)


def _part(scenario: int, rows: NDArray[np.int64], dependency: int) -> _Part:
    return np.full(len(rows), scenario), rows, np.full(len(rows), dependency)


def _below_failed(
    r: Recording, found: FirstFailures, scenarios: Sequence[Scenario]
) -> NDArray[np.bool_]:
    """Return which calls have a failed component above them and are never made."""
    size = len(r.components)
    out = np.array([i * size + c for i, s in enumerate(scenarios) for c in s.failed], np.int64)
    out.sort()
    below = np.zeros(len(found.row), dtype=np.bool_)
    climbing = np.arange(len(found.row))
    above = r.parent[found.row]
    while True:
        climbing, above = climbing[above >= 0], above[above >= 0]
        if not len(climbing):
            return below
        hit = np.isin(found.scenario[climbing] * size + r.target[above], out)
        below[climbing[hit]] = True
        climbing, above = climbing[~hit], r.parent[above[~hit]]
