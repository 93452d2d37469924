"""Rates per hour, only for windows that are long enough."""

from __future__ import annotations

from agentguard.graph.model import Graph
from agentguard.kernel.clock import NS_PER_SECOND

MIN_OBSERVED_SECONDS = 600
"""Shortest window for a rate per hour: ten minutes."""


def observed_seconds(graph: Graph) -> float | None:
    """Return the length of time that spans and runs cover; None where no time is known."""
    spans = [
        (graph.coverage.first_seen, graph.coverage.last_seen),
        *((w.first_seen, w.last_seen) for w in graph.workflows),
    ]
    known = [(first, last) for first, last in spans if first > 0 and last >= first]
    if not known:
        return None
    return (max(last for _, last in known) - min(first for first, _ in known)) / NS_PER_SECOND


def per_hour(count: float, seconds: float | None) -> float | None:
    """Return the rate per hour; None for too short a window, `too_short` then gives the reason."""
    return None if seconds is None or seconds < MIN_OBSERVED_SECONDS else count * 3600 / seconds


def too_short(seconds: float | None) -> str:
    """Return the reason why there is no rate per hour."""
    seen = "an unknown time was" if seconds is None else f"{seconds:.0f} s were"
    return (
        f"Only {seen} observed; a rate per hour needs at least {MIN_OBSERVED_SECONDS // 60}"
        " minutes."
    )
