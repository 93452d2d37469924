"""Compare failures that spread by chance with CyNetDiff, a Cython package (`make bench`).

Both simulate the independent cascade model on one random graph: from one node, each edge is tried
once, with a probability of its own. Each runs in one thread of the same process, in turn; the
shortest CPU times count. CyNetDiff counts the failed nodes of all trials (it is called in both ways
that it offers, and the faster one counts); AgentGuard counts the failures of each node. The mean
numbers of failed nodes must agree within the sampling error.
"""

from __future__ import annotations

import sys
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from cynetdiff.models import IndependentCascadeModel

from agentguard.simulation.cascade import Cascade, Faults, Trials, spread

NODES, EDGES, TRIALS = 10_000, 34_000, 10_000
RATIO = 10.0
ROUNDS = 3
"""Of the graph with mixed chances, which the ratio is about; the others run once."""


@dataclass(frozen=True, slots=True)
class Network:
    """A random directed graph, edges sorted by source."""

    size: int
    source: np.ndarray
    target: np.ndarray
    chance: np.ndarray


@dataclass(frozen=True, slots=True)
class Result:
    seconds: float
    """CPU time."""
    mean: float
    """Failed nodes per trial."""
    deviation: float = 0.0
    """Standard deviation of the failed nodes of a trial."""


def network(size: int, edges: int, chance: float | None, seed: int = 1) -> Network:
    """Return a graph; each edge's chance is uniform between 0 and 1 where None is given."""
    rng = np.random.default_rng(seed)
    source, target = np.sort(rng.integers(0, size, edges)), rng.integers(0, size, edges)
    each = rng.random(edges) if chance is None else np.full(edges, chance)
    return Network(size, source, target, each.astype(np.float32))


def ours(net: Network, trials: int, seed: int) -> Result:
    """Simulate so many trials, rounded up to whole words of 64."""
    edges = np.arange(len(net.source), dtype=np.uint64)
    nothing = np.zeros(0, np.int64)
    words = -(-trials // 64)

    def run() -> float:
        cascade = Cascade(
            size=net.size,
            owner=net.target,
            start=np.arange(len(edges) + 1),
            member=net.source,
            chance=net.chance.astype(np.float64)[:, None],
            key=edges,
            unhelpful=np.zeros(len(edges)),
            member_key=edges,
        )
        start = Faults(np.array([0]), np.ones(1), edges[:1], nothing, np.zeros(0))
        [found] = spread(cascade, [start], Trials(words, 1, seed), watched=nothing)
        return float(found.failed.sum() / (words * 64))

    seconds, mean = timed(run)
    return Result(seconds, mean)


def theirs_in_one_call(net: Network, trials: int, seed: int) -> Result:
    model = _model(net, seed)
    seconds, [mean] = timed(lambda: model.compute_marginal_gains([0], [], trials))
    return Result(seconds, mean)


def theirs_trial_by_trial(net: Network, trials: int, seed: int) -> Result:
    model = _model(net, seed)
    model.set_seeds([0])
    counts = np.zeros(trials)

    def run() -> None:
        for trial in range(trials):
            model.reset_model()
            model.advance_until_completion()
            counts[trial] = model.get_num_activated_nodes()

    seconds, _ = timed(run)
    return Result(seconds, float(counts.mean()), float(counts.std()))


def agree(one: Result, other: Result, trials: int) -> bool:
    """Return whether the means differ by less than five standard errors."""
    return abs(one.mean - other.mean) < 5 * other.deviation * np.sqrt(2 / trials)


def timed(function: Callable):
    started = time.process_time()
    found = function()
    return time.process_time() - started, found


def _model(net: Network, seed: int) -> IndependentCascadeModel:
    starts = np.searchsorted(net.source, np.arange(net.size))
    return IndependentCascadeModel(
        array("I", starts.tolist()),
        array("I", net.target.tolist()),
        activation_probs=array("f", net.chance.tolist()),
        rng=np.random.Generator(np.random.SFC64(seed)),
    )


def main() -> int:
    print(f"Independent cascades: {NODES:,} nodes, {EDGES:,} edges, {TRIALS:,} trials, one thread")
    print(f"{'chance of an edge':18} {'failed nodes':>22} {'CPU s':>16} {'ratio':>7}")
    good = True
    for chance in (None, 0.8, 0.5, 0.3):
        ratio, same = _compare(network(NODES, EDGES, chance), chance)
        good &= same and (chance is not None or ratio >= RATIO)
    print(f"ratio for mixed chances at least {RATIO:.0f}, equal means: {'yes' if good else 'NO'}")
    return 0 if good else 1


def _compare(net: Network, chance: float | None) -> tuple[float, bool]:
    mine, peer = [], []
    for seed in range(1, (ROUNDS if chance is None else 1) + 1):
        mine.append(ours(net, TRIALS, seed))
        trial_by_trial = theirs_trial_by_trial(net, TRIALS, seed)
        peer += [trial_by_trial, theirs_in_one_call(net, TRIALS, seed)]
    fast, slow = (min(each.seconds for each in side) for side in (mine, peer))
    name = "mixed, 0 to 1" if chance is None else f"{chance}"
    same = agree(mine[-1], trial_by_trial, TRIALS)
    print(
        f"{name:18} {mine[-1].mean:>10,.1f} {trial_by_trial.mean:>11,.1f} {fast:>7.2f}"
        f" {slow:>8.2f} {slow / fast:>7.1f}{'' if same else '  means differ'}",
        flush=True,
    )
    return slow / fast, same


if __name__ == "__main__":
    sys.exit(main())
