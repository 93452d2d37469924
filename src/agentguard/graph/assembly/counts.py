"""Sums and extremes over groups of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agentguard.discovery.partial import I64, Mask


@dataclass(frozen=True, slots=True)
class Counts:
    """Sums over groups of rows."""

    rows: I64
    group: I64
    size: int

    def add(self, values: I64 | Mask | None = None) -> list[int]:
        """Sum integers over each group (exactly, below 2**53); without values, count."""
        weights = None if values is None else values[self.rows].astype(np.float64)
        return list(map(int, np.bincount(self.group, weights, self.size).tolist()))

    def lowest(self, values: I64) -> list[int]:
        """Return each group's lowest known (positive) value; 0 if none is known."""
        return self._extreme(np.minimum, values, 2**63 - 1)

    def highest(self, values: I64) -> list[int]:
        """Return each group's highest value."""
        return self._extreme(np.maximum, values, 0)

    def _extreme(self, pick: np.ufunc, values: I64, none: int) -> list[int]:
        known = values[self.rows] > 0
        result = np.full(self.size, none, np.int64)
        pick.at(result, self.group[known], values[self.rows][known])
        return list(map(int, np.where(result == 2**63 - 1, 0, result).tolist()))
