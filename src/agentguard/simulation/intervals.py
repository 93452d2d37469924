"""Intervals of the share of runs lost."""

from __future__ import annotations

import numpy as np

from agentguard.graph.significance import wilson
from agentguard.simulation.model import Interval

_RESAMPLES = 1_000


def share_interval(lost: int, seen: int, rng: np.random.Generator) -> Interval:
    """Return the 95 % percentile bootstrap interval of lost / seen over resampled runs.

    Drawing `seen` runs with replacement, of which `lost` are lost, is one binomial draw. If no run
    or every run is lost, resampling has no spread although the next run may differ; the result is
    then the Wilson interval.
    """
    if lost in (0, seen):
        return Interval(*wilson(lost, seen), method="wilson")
    shares = rng.binomial(seen, lost / seen, _RESAMPLES) / seen
    low, high = np.percentile(shares, (2.5, 97.5))
    return Interval(float(low), float(high), method="bootstrap")
