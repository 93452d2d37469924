"""Which calls time out if some components become slower: recorded durations against timeouts.

No span states its caller's timeout; the catalog may. Else it shows in failed calls that lasted at
least as long as every success and all about equally long. Elsewhere the timeout is unknown: longer
than the longest success, and nothing more can be said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from agentguard.graph.latency import RELATIVE_WIDTH, bounds
from agentguard.graph.model import Dependency, Graph
from agentguard.graph.runs import Runs
from agentguard.kernel.clock import NS_PER_SECOND
from agentguard.simulation.call_rows import booleans, distinct_texts, integers, numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MIN_TIMEOUTS = 2
"""One failed call that lasted long may have failed for any reason."""

NONE_DECLARED: Mapping[str, float] = MappingProxyType({})

PairKey = tuple[str, str]
"""(caller, callee)."""


@dataclass(frozen=True, slots=True)
class SlowPair:
    """Calls of one caller to one callee that would take longer."""

    source: str
    target: str
    timeout: float | None
    """Seconds; None: unknown."""
    longest: float | None
    """Seconds of the longest recorded success; None: no duration is known."""
    sure: float
    """Share of the caller's runs with a call that would exceed the known timeout."""
    possible: float
    """Share with a call that would take longer than any success has: with an unknown timeout,
    these may time out. Without known durations, all.
    """


def slow_pairs(
    graph: Graph,
    runs: Runs | None,
    factors: Mapping[str, float],
    declared: Mapping[str, float] = NONE_DECLARED,
) -> list[SlowPair]:
    """Return the pairs that are slower with these factors by component, sorted.

    `declared` has timeouts by caller, in seconds, which count instead of what was seen.

    With recorded runs, also callers that are slower because they wait: what a call takes longer is
    added to its caller's duration (callers that call in parallel wait less). Without, only the
    direct callers, by their histograms.
    """
    if not any(factor > 1 for factor in factors.values()):
        return []
    if runs is None or not runs.calls.num_rows:
        return _by_histograms(graph, factors, declared)
    return _by_calls(runs, factors, declared)


def _by_calls(
    runs: Runs, factors: Mapping[str, float], declared: Mapping[str, float]
) -> list[SlowPair]:
    table = _Table.of(runs.calls, factors)
    slow = table.pair[(table.longer > 0) & (table.pair >= 0)]
    found = [table.slow_pair(key, declared) for key in np.unique(slow).tolist()]
    return sorted(found, key=lambda p: (p.source, p.target))


@dataclass(frozen=True, slots=True)
class _Table:
    names: tuple[str, ...]
    pair: NDArray[np.int64]
    """Caller and callee; -1 without a caller."""
    parent: NDArray[np.int64]
    duration: NDArray[np.int64]
    longer: NDArray[np.float64]
    failed: NDArray[np.bool_]

    @staticmethod
    def of(calls: pa.Table, factors: Mapping[str, float]) -> _Table:
        names = tuple(sorted(distinct_texts(calls, "source") | distinct_texts(calls, "target")))
        source, target = numbers(calls, "source", names), numbers(calls, "target", names)
        parent, duration = integers(calls, "parent"), integers(calls, "duration")
        factor = np.array([factors.get(name, 1.0) for name in names])[target]
        pair = np.where(source >= 0, source * len(names) + target, -1)
        longer = _longer(parent, duration, factor)
        return _Table(names, pair, parent, duration, longer, booleans(calls, "failed"))

    def slow_pair(self, key: int, declared: Mapping[str, float]) -> SlowPair:
        caller, callee = (self.names[each] for each in divmod(key, len(self.names)))
        rows = np.flatnonzero((self.pair == key) & (self.duration >= 0))
        return _pair(caller, callee, self.calls(rows), declared.get(caller))

    def calls(self, rows: NDArray[np.int64]) -> _Calls:
        good, bad = rows[~self.failed[rows]], rows[self.failed[rows]]
        slowed = self.duration[good] + self.longer[good]
        return _Calls(self.parent[good], self.duration[good], slowed, self.duration[bad])


@dataclass(frozen=True, slots=True)
class _Calls:
    caller: NDArray[np.int64]
    """By success: the caller's run."""
    successes: NDArray[np.int64]
    """Recorded durations, ns."""
    slowed: NDArray[np.float64]
    """The same as they would be."""
    failures: NDArray[np.int64]


def _pair(source: str, target: str, calls: _Calls, declared: float | None) -> SlowPair:
    if not len(calls.successes):
        return SlowPair(source, target, declared, None, 0.0, 1.0)
    longest = int(calls.successes.max())
    timeout = (
        seen_timeout(calls.failures, longest)
        if declared is None
        else round(declared * NS_PER_SECOND)
    )
    sure = 0.0 if timeout is None else _share(calls, calls.slowed > timeout)
    possible = _share(calls, calls.slowed > longest) if timeout is None else sure
    seconds = None if timeout is None else timeout / NS_PER_SECOND
    return SlowPair(source, target, seconds, longest / NS_PER_SECOND, sure, possible)


def seen_timeout(failures: NDArray[np.int64], longest: int) -> int | None:
    """Return the timeout (ns) that failed calls show, or None.

    Those that lasted at least as long as the longest success must be several, and within 25 % of
    each other.
    """
    late = failures[failures >= longest]
    if len(late) < _MIN_TIMEOUTS or late.max() > late.min() * (1 + RELATIVE_WIDTH):
        return None
    return int(late.min())


def _share(calls: _Calls, over: NDArray[np.bool_]) -> float:
    return len(np.unique(calls.caller[over])) / len(np.unique(calls.caller))


def _longer(
    parent: NDArray[np.int64], duration: NDArray[np.int64], factor: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return by call how much longer it takes (ns): itself, and while it waits for others.

    What a slow component calls is part of its own duration, which the factor covers.
    """
    longer = np.maximum(duration, 0) * (factor - 1)
    own = longer > 0
    for row in range(len(parent) - 1, -1, -1):
        above = parent[row]
        if above >= 0 and longer[row] > 0 and not own[above]:
            longer[above] += longer[row]
    return longer


def _by_histograms(
    graph: Graph, factors: Mapping[str, float], declared: Mapping[str, float]
) -> list[SlowPair]:
    found: dict[PairKey, SlowPair] = {}
    for d in graph.dependencies:
        if factors.get(d.target, 1.0) > 1:
            slow = _slow(d, factors[d.target], declared.get(d.source))
            before = found.get((d.source, d.target))
            if before is None or before.possible < slow.possible:
                found[d.source, d.target] = slow
    return [found[key] for key in sorted(found)]


def _slow(d: Dependency, factor: float, declared: float | None) -> SlowPair:
    histogram = [(bounds(bucket)[1], n) for bucket, n in d.client_latency or d.latency if n]
    if not histogram:
        return SlowPair(d.source, d.target, declared, None, 0.0, 1.0)
    longest = max(end for end, _ in histogram)
    limit = longest if declared is None else declared * NS_PER_SECOND
    over = sum(n for end, n in histogram if end * factor > limit)
    share = over / sum(n for _, n in histogram)
    sure = 0.0 if declared is None else share
    return SlowPair(d.source, d.target, declared, longest / NS_PER_SECOND, sure, share)
