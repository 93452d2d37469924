"""Rates per hour, given only where enough was observed."""

from __future__ import annotations

from agentguard.graph.model import Graph
from agentguard.kernel.clock import NS_PER_SECOND

MIN_OBSERVED_SECONDS = 600
"""A rate per hour needs at least ten minutes of observation."""


def observed_seconds(graph: Graph) -> float | None:
    """Return the length of the window: what was read, else the workflows' own first to last run.

    None where no time is known.
    """
    spans = [
        (graph.coverage.first_seen, graph.coverage.last_seen),
        *((w.first_seen, w.last_seen) for w in graph.workflows),
    ]
    known = [(first, last) for first, last in spans if first > 0 and last >= first]
    if not known:
        return None
    return (max(last for _, last in known) - min(first for first, _ in known)) / NS_PER_SECOND


def per_hour(count: float, seconds: float | None) -> float | None:
    """Return the rate, or None where too little was observed; `too_short` then says so."""
    return None if seconds is None or seconds < MIN_OBSERVED_SECONDS else count * 3600 / seconds


def too_short(seconds: float | None) -> str:
    """Say why there is no rate per hour."""
    seen = "an unknown time" if seconds is None else f"{seconds:.0f} s"
    return (
        f"Only {seen} observed; a rate per hour needs at least {MIN_OBSERVED_SECONDS // 60}"
        " minutes."
    )
