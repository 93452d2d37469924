"""Ranges of the share of runs lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from agentguard.simulation.model import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SAMPLES = 16
"""Windows imagined for each draw."""
_JEFFREYS = 0.5


def predictive_interval(
    lost: NDArray[np.int64], seen: int, rng: np.random.Generator
) -> Interval | None:
    """Return the 95 % range of the share lost in another window of as many runs.

    `lost` are the runs lost in each draw of what is not known. Within a draw, the share behind them
    has a Beta distribution (Jeffreys prior: 1 of 1 is not certainty, and 0 is not never), and the
    runs of the other window are drawn with it. None without runs.
    """
    if not seen:
        return None
    many = np.repeat(lost, _SAMPLES)
    share = rng.beta(many + _JEFFREYS, seen - many + _JEFFREYS)
    drawn = rng.binomial(seen, share) / seen
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Interval(float(low), float(high), method="predictive")
