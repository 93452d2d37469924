"""How likely a component fails in a run, shrunk towards what its kind does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from math import log10

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.graph.significance import wilson

STRENGTH = 10.0
"""Runs that the rate of a component's kind is worth: with ten runs of its own, a component's rate
is half its own and half its kind's. Judgment, not measurement.
"""

RAREST = 0.001
"""A failure in a thousand runs or less counts as 0 in risk, every run as 1, each factor of ten
alike.
"""


@dataclass(frozen=True, slots=True)
class Used:
    """Runs that use a component, and those of them in which it failed for good."""

    runs: int
    failed: int
    unit: str = "runs"
    """`runs`, or `invocations` where no runs were recorded."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """The chance that a component fails in a run that uses it."""

    used: Used
    kind_rate: float
    """Of its kind, itself shrunk towards that of all components."""
    mean: float
    low: float
    high: float
    """95 % range of the mean."""


def likelihoods(graph: Graph, used: Mapping[str, Used]) -> dict[str, Likelihood]:
    """Return the posterior mean of every component: (failed + STRENGTH × kind) / (runs + STRENGTH).

    What was hardly seen gets the rate of its kind, neither the highest nor the lowest one.
    """
    every = Used(sum(u.runs for u in used.values()), sum(u.failed for u in used.values()))
    overall = (every.failed + 0.5) / (every.runs + 1)
    kinds = _by_kind(graph, used)
    found = {}
    for c in graph.components:
        of_kind = kinds[c.kind]
        rate = _shrunk(of_kind.failed, of_kind.runs, overall)
        found[c.id] = _likelihood(used.get(c.id, Used(0, 0)), rate)
    return found


def factor(chance: float) -> float:
    """Return a chance on the scale of risk, 0 to 1: logarithmic, see RAREST."""
    if chance <= RAREST:
        return 0.0
    return min(1.0, 1.0 - log10(chance) / log10(RAREST))


def used_components(graph: Graph, runs: Runs | None) -> dict[str, Used]:
    """Return how many recorded runs use each component, and in how many of these it failed.

    A failure that a retry or fallback followed is not final and does not count. Without recorded
    runs, invocations and errors take their place, of calls where a component counts none itself.
    """
    if runs is None or not runs.calls.num_rows:
        return _counted(graph)
    calls = runs.calls
    final = pc.and_(calls.column("failed"), pc.less(calls.column("rescued_by"), 0))
    seen, failed = _runs_of(calls), _runs_of(calls.filter(final))
    return {c.id: Used(seen.get(c.id, 0), failed.get(c.id, 0)) for c in graph.components}


def _runs_of(calls: pa.Table) -> dict[str, int]:
    """Count the distinct runs of each target."""
    column = calls.column("target").combine_chunks()
    texts = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    codes = np.asarray(texts.indices, dtype=np.int64)
    size = max(1, len(texts.dictionary))
    pairs = np.unique(np.asarray(calls.column("run"), dtype=np.int64) * size + codes)
    counts = np.bincount(pairs % size, minlength=size).tolist()
    found: dict[str, int] = defaultdict(int)
    for name, count in zip(texts.dictionary.to_pylist(), counts, strict=False):
        found[name] += count
    return found


def _counted(graph: Graph) -> dict[str, Used]:
    calls, errors = defaultdict[str, int](int), defaultdict[str, int](int)
    for d in graph.dependencies:
        calls[d.target] += d.calls
        errors[d.target] += d.errors
    return {
        c.id: (
            Used(c.invocations, min(c.errors, c.invocations), "invocations")
            if c.invocations
            else Used(calls[c.id], min(errors[c.id], calls[c.id]), "invocations")
        )
        for c in graph.components
    }


def _by_kind(graph: Graph, used: Mapping[str, Used]) -> dict[ComponentKind, Used]:
    runs, failed = defaultdict[ComponentKind, int](int), defaultdict[ComponentKind, int](int)
    for c in graph.components:
        of = used.get(c.id, Used(0, 0))
        runs[c.kind] += of.runs
        failed[c.kind] += of.failed
    return {kind: Used(runs[kind], failed[kind]) for kind in runs}


def _shrunk(failed: float, runs: float, towards: float) -> float:
    return (failed + STRENGTH * towards) / (runs + STRENGTH)


def _likelihood(used: Used, rate: float) -> Likelihood:
    weighed, seen = used.failed + STRENGTH * rate, used.runs + STRENGTH
    low, high = wilson(weighed, seen)
    return Likelihood(used, rate, weighed / seen, low, high)
