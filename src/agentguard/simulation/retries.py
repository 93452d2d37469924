"""What retries would have saved in the recorded window."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from agentguard.simulation.mitigations import Mitigation, MitigationKind
from agentguard.simulation.outages import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

_UNKNOWN = (
    "Recorded runs failed with single calls that were not retried. No retry of this dependency was"
    " seen, so its chance to succeed is unknown."
)


def retry_mitigations(model: Model) -> Iterator[Mitigation]:
    """Yield, by dependency, what one more attempt of its failed calls would have saved.

    Counted are the recorded runs that failed with calls of this dependency alone. An attempt
    succeeds as often as earlier retries of the dependency did; where none was seen, only the number
    of runs is known.
    """
    r, saved = model.recording, dict[int, dict[str, int]]()
    for run, dependency in _ended_by(model):
        number = int(r.run_workflow[run])
        if r.known[number]:
            of, workflow = saved.setdefault(dependency, {}), r.workflows[number]
            of[workflow] = of.get(workflow, 0) + 1
    for dependency, runs in sorted(saved.items()):
        if r.dependencies.source[dependency] >= 0:
            yield _mitigation(model, dependency, runs)


def _mitigation(model: Model, dependency: int, runs: dict[str, int]) -> Mitigation:
    """Return what a retry of this dependency would have saved of these runs, by workflow."""
    r = model.recording
    ends = (r.dependencies.target[dependency], r.dependencies.source[dependency])
    target, source = (r.components[int(end)] for end in ends)
    at_most = float(sum(runs.values()))
    seen = r.dependencies.seen
    retried, recovered = int(seen.retried[dependency]), int(seen.recovered[dependency])
    if not retried:
        return Mitigation(MitigationKind.RETRY, (target,), (source,), None, at_most, _UNKNOWN)
    saved = {workflow: n * _chance(model, dependency) for workflow, n in runs.items()}
    basis = (
        f"One more attempt of each call that ended a recorded run; {recovered:,} of {retried:,}"
        " earlier retries worked. Limit retries to a budget, such as a tenth of all calls."
    )
    return Mitigation(MitigationKind.RETRY, (target,), (source,), saved, at_most, basis)


def _chance(model: Model, dependency: int) -> float:
    """Return the expected success rate of a dependency's retries."""
    worked, failed = model.beliefs.retry_a[dependency], model.beliefs.retry_b[dependency]
    return float(worked / (worked + failed))


def _ended_by(model: Model) -> Iterator[tuple[int, int]]:
    """Yield (run, dependency) of the failed runs that calls of one dependency alone ended."""
    r = model.recording
    rescued = np.asarray(r.runs.calls.column("rescued_by"), dtype=np.int64) >= 0
    ends = _ends(r.parent, r.depth, r.failed & ~rescued, r.returns)
    below = np.zeros(len(ends), dtype=np.bool_)
    inner = np.flatnonzero(ends & (r.parent >= 0))
    below[r.parent[inner]] = True
    cause = np.flatnonzero(ends & ~below & r.run_failed[r.run])
    yield from _alone(r.run[cause], r.dependency[cause], len(r.run_failed))


def _alone(
    run: NDArray[np.int64], dependency: NDArray[np.int64], runs: int
) -> Iterator[tuple[int, int]]:
    """Yield the pairs of runs that have one dependency only."""
    pairs = np.unique(np.stack([run, dependency], axis=1), axis=0)
    single = np.bincount(pairs[:, 0], minlength=runs)[pairs[:, 0]] == 1
    yield from ((int(r), int(d)) for r, d in pairs[single])


def _ends(
    parent: NDArray[np.int64],
    depth: NDArray[np.int64],
    final: NDArray[np.bool_],
    returns: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Return which calls' failures rose to the run: every caller above failed too."""
    found = np.zeros(len(parent), dtype=np.bool_)
    for level in range(int(depth.max(initial=-1)) + 1):
        rows = np.flatnonzero(final & (depth == level))
        top = (parent[rows] < 0) | ~returns[rows]
        found[rows] = top | found[np.maximum(parent[rows], 0)]
    return found
