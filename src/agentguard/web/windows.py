"""The time window of a query."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from agentguard.traces.window import TimeWindow
from agentguard.traces.window_parsing import LONGEST_TEXT, parse_window
from agentguard.web.state import AppState, StateOf

SinceParameter = Annotated[
    str | None,
    Query(
        max_length=LONGEST_TEXT,
        description=(
            "Only traces that start at this time (ISO 8601, or how long ago: 15m, 24h, 7d) or"
            " later."
        ),
    ),
]
UntilParameter = Annotated[
    str | None,
    Query(
        max_length=LONGEST_TEXT,
        description="Only traces that start before this time (ISO 8601, or how long ago).",
    ),
]
LookbackParameter = Annotated[
    str | None,
    Query(
        max_length=LONGEST_TEXT,
        description="Length of the window that ends at `until` (default: now), such as 15m or 7d.",
    ),
]


def window_of(
    state: AppState, since: str | None, until: str | None, lookback: str | None
) -> TimeWindow | None:
    """Return the window that a query or a body asks for, as of now; raise TimeWindowError."""
    return parse_window(since=since, until=until, lookback=lookback, now=state.app.scans.clock())


def times_of(
    state: AppState, since: str | None, until: str | None
) -> tuple[int | None, int | None]:
    """Return the times (ns) between which a list shows; None: no limit.

    Raises TimeWindowError.
    """
    window = window_of(state, since, until, None)
    return (None, None) if window is None else (window.since, window.until)


def _window(
    state: StateOf,
    since: SinceParameter = None,
    until: UntilParameter = None,
    lookback: LookbackParameter = None,
) -> TimeWindow | None:
    return window_of(state, since, until, lookback)


WindowQuery = Annotated[TimeWindow | None, Depends(_window)]
"""The window of a query, or None. Raises TimeWindowError."""
