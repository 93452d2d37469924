"""Offsets between the clocks of two services, from the calls between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from agentguard.discovery.call_sides import Side, WholeHop
from agentguard.discovery.partial import I64
from agentguard.kernel.clock import NS_PER_SECOND

TOLERANCE = NS_PER_SECOND // 20
"""Clocks that are synchronized over a network differ by less."""
_LARGEST = 600 * NS_PER_SECOND
_SAMPLED = 200
"""Calls of a hop that are compared with each other."""
_LEAST = 3
"""Fewer calls fit any offset."""
_SHARE = 0.8
_WIDTHS = (0, TOLERANCE // 25, TOLERANCE // 5, TOLERANCE)
"""By how much a callee's span may reach beyond its caller's; the first that fits counts."""


@dataclass(slots=True)
class ClockOffsets:
    """By caller's and callee's service: the callee's clock minus the caller's, ns."""

    known: dict[tuple[str, str], int] = field(default_factory=dict)
    estimated: set[tuple[str, str]] = field(default_factory=set)
    """Those that follow from the open sides: close to the truth, but not exact."""

    def of(self, caller: str, callee: str) -> int:
        return self.known.get((caller, callee), 0)

    def estimate_of(self, caller: str, callee: str) -> int:
        """Return the offset if it had to be estimated, else 0."""
        return self.of(caller, callee) if (caller, callee) in self.estimated else 0

    def estimate(
        self, services: tuple[str, str], calls: tuple[I64, I64], entered: tuple[I64, I64]
    ) -> None:
        """Add the offset that open sides of one hop show; both are (starts, ends)."""
        self.known[services] = estimated_offset(calls, entered)
        if self.known[services]:
            self.estimated.add(services)


def offsets_of(whole: Mapping[tuple[Side, Side], WholeHop]) -> ClockOffsets:
    """Return the offsets that the calls show whose sides share a trace; 0 where it is possible."""
    bounds: dict[tuple[str, str], tuple[int, int]] = {}
    for (caller, callee), hop in whole.items():
        if caller.protocol == "messaging":
            continue
        services = (caller.service, callee.service)
        lag, lead = bounds.get(services, (hop.lag, hop.lead))
        bounds[services] = max(lag, hop.lag), min(lead, hop.lead)
    return ClockOffsets({services: _nearest_zero(*b) for services, b in bounds.items()})


def _nearest_zero(lag: int, lead: int) -> int:
    """Return the offset that lets every call start and end within its caller's.

    If some callees end after their callers, as streams do, the start decides.
    """
    if lag <= lead:
        return min(max(0, lag - TOLERANCE), lag) if lag > TOLERANCE else min(0, lead)
    return (lag + lead) // 2 if lag - lead < NS_PER_SECOND else min(0, lead)


def estimated_offset(calls: tuple[I64, I64], entered: tuple[I64, I64]) -> int:
    """Return the offset under which most callees lie within a caller; 0 if too few say so.

    Both are (starts, ends).
    """
    low, high = _possible_offsets(calls, entered)
    enough = max(_LEAST, _SHARE * min(len(entered[0]), len(calls[0]), _SAMPLED))
    if ((low <= TOLERANCE) & (high >= -TOLERANCE)).sum() >= enough:
        return 0
    for width in _WIDTHS:
        depth, offset = _deepest(low - width, high + width)
        if depth >= enough:
            return offset
    return 0


def _possible_offsets(calls: tuple[I64, I64], entered: tuple[I64, I64]) -> tuple[I64, I64]:
    """Return between which offsets a callee lies within a caller, for each pair of them."""
    one, other = (
        (callees[:_SAMPLED, None] - callers[None, :_SAMPLED]).reshape(-1)
        for callees, callers in zip(entered, calls, strict=True)
    )
    low, high = np.minimum(one, other), np.maximum(one, other)
    near = (np.abs(low) < _LARGEST) & (high - low < _LARGEST)
    return low[near], high[near]


def _deepest(low: I64, high: I64) -> tuple[int, int]:
    """Return how many of the intervals overlap at most, and the middle of where they do."""
    if not len(low):
        return 0, 0
    points = np.concatenate([low, high])
    order = np.lexsort((np.repeat([0, 1], len(low)), points))
    depth = np.cumsum(np.where(order < len(low), 1, -1))
    best = int(np.argmax(depth))
    return int(depth[best]), int((points[order[best]] + points[order[best + 1]]) // 2)
