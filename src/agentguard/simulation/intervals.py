"""How sure counts make us."""

from __future__ import annotations

from math import sqrt

import numpy as np

from agentguard.simulation.model import Interval

_Z95 = 1.959963984540054  # two-sided 95 % of the normal distribution
_RESAMPLES = 1_000


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a share (Wilson 1927).

    (0, 1) where nothing was tried.
    """
    if trials <= 0:
        return 0.0, 1.0
    share, spread = hits / trials, _Z95**2 / trials
    centre = (share + spread / 2) / (1 + spread)
    half = _Z95 * sqrt(share * (1 - share) / trials + spread / (4 * trials)) / (1 + spread)
    low = 0.0 if hits == 0 else max(0.0, centre - half)
    return low, 1.0 if hits == trials else min(1.0, centre + half)


def share_interval(lost: int, seen: int, rng: np.random.Generator) -> Interval:
    """Return the 95 % percentile bootstrap interval of lost / seen over resampled runs.

    Drawing `seen` runs with replacement, of which `lost` are lost, is one binomial draw: no run
    needs to be touched. Where no run or every run is lost, resampling shows no spread at all,
    although the next run may differ: there it is the Wilson interval.
    """
    if lost in (0, seen):
        return Interval(*wilson(lost, seen), method="wilson")
    shares = rng.binomial(seen, lost / seen, _RESAMPLES) / seen
    low, high = np.percentile(shares, (2.5, 97.5))
    return Interval(float(low), float(high), method="bootstrap")
