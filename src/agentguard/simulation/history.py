"""What recorded failures tell of each dependency: whether its caller survived them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Failures:
    """The calls, as far as their failures teach something."""

    dependency: NDArray[np.int64]
    parent: NDArray[np.int64]
    run: NDArray[np.int64]
    failed: NDArray[np.bool_]
    rescued_by: NDArray[np.int64]
    teaches: NDArray[np.bool_]
    """Whether its failure would show if it did harm: not for entries, nor for messages."""
    returns: NDArray[np.bool_]
    end: NDArray[np.int64]
    run_failed: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Telling:
    """Final failures that show whether the caller survives the callee's failure."""

    dependency: NDArray[np.int64]
    row: NDArray[np.int64]
    """The last attempt."""
    survived: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Seen:
    """Counts by dependency."""

    absorbed: NDArray[np.int64]
    """Final failures that the caller (after a handoff: the run) survived."""
    propagated: NDArray[np.int64]
    """Final failures that nothing but themselves explains the caller's failure."""
    retried: NDArray[np.int64]
    """Failures after which the caller called the same callee again."""
    recovered: NDArray[np.int64]
    """How many of these retries succeeded."""
    told: Telling
    """The failures that were counted."""


def seen(calls: Failures, dependencies: int) -> Seen:
    """Count what the recorded failures show."""
    told = telling(calls)
    retried, again = _retries(calls)
    return Seen(
        _count(told.dependency[told.survived], dependencies),
        _count(told.dependency[~told.survived], dependencies),
        _count(calls.dependency[retried], dependencies),
        _count(calls.dependency[retried[~calls.failed[again]]], dependencies),
        told,
    )


def telling(calls: Failures) -> Telling:
    """Return what the recorded failures show.

    A failure is final if no retry or fallback followed; that of the last attempt counts for every
    callee that was tried. If several final failures precede the failure of one caller, only the
    last one can have stopped it: the caller went on after the others, which therefore show nothing.
    """
    final = np.flatnonzero(calls.failed & (calls.rescued_by < 0) & calls.teaches)
    harmed, explains = _harm(calls, final)
    absorbed, propagated = final[~harmed], final[harmed & explains]
    replaced = _replaced(calls.rescued_by)
    each = [_tried(calls, rows, replaced) for rows in (absorbed, propagated)]
    dependency, row = (np.concatenate([part[i] for part in each]) for i in (0, 1))
    return Telling(dependency, row, np.arange(len(row)) < len(each[0][0]))


def _harm(calls: Failures, final: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return whether the callers (after a handoff: the runs) failed, and if it explains that."""
    parent, returns = calls.parent[final], calls.returns[final]
    harmed = np.where(returns, calls.failed[parent], calls.run_failed[calls.run[final]])
    return harmed, _last_of(np.where(returns, parent, -1 - calls.run[final]), calls.end[final])


def _retries(calls: Failures) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the failed calls that were followed by a call of the same callee, and these."""
    retried = np.flatnonzero(calls.failed & (calls.rescued_by >= 0) & calls.teaches)
    again = calls.rescued_by[retried]
    same = calls.dependency[again] == calls.dependency[retried]
    return retried[same], again[same]


def _last_of(group: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.bool_]:
    order = np.lexsort((np.arange(len(group)), end, group))
    last = np.ones(len(group), np.bool_)
    last[order[:-1]] = group[order[1:]] != group[order[:-1]]
    return last


def _replaced(rescued_by: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, by row, the failed attempt that it repeats or replaces; -1: none."""
    replaced = np.full(len(rescued_by), -1, np.int64)
    rows = np.flatnonzero(rescued_by >= 0)
    replaced[rescued_by[rows]] = rows
    return replaced


def _tried(
    calls: Failures, rows: NDArray[np.int64], replaced: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (dependency, last attempt) of these last attempts and of those before, each once."""
    size = len(calls.dependency)
    last, row, found = rows, rows, [np.zeros(0, np.int64)]
    while len(row):
        found.append(calls.dependency[row] * size + last)
        more = replaced[row] >= 0
        last, row = last[more], replaced[row[more]]
    dependency, at = np.divmod(np.unique(np.concatenate(found)), max(size, 1))
    return dependency, at


def _count(groups: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    return np.bincount(groups, minlength=size).astype(np.int64)
