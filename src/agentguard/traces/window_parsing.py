"""Parsing of time windows: ISO 8601 times, ages and durations such as 15m."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from agentguard.kernel.clock import NS_PER_SECOND
from agentguard.traces.window import TimeWindow, TimeWindowError, time_window

LONGEST_TEXT = 64
"""Characters of a time or a duration in a request: ISO 8601 with nanoseconds and an offset has 35.
"""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])", re.IGNORECASE)
_MAX_TIME = 2**63 - 1
_MAX_SECONDS = _MAX_TIME / NS_PER_SECOND


def parse_window(
    *, since: str | None, until: str | None, lookback: str | None, now: int
) -> TimeWindow | None:
    """Return the requested window, or None if no argument is given.

    `since` and `until` are times, see `parse_time`; `lookback` is a duration that ends at `now`
    (ns) unless `until` is given. Raises TimeWindowError.
    """
    if since is lookback is until is None:
        return None
    end = None if until is None else parse_time(until, "until", now)
    return time_window(
        since=None if since is None else parse_time(since, "since", now),
        until=now if end is None and lookback is not None else end,
        lookback=None if lookback is None else parse_duration(lookback, "lookback"),
    )


def parse_time(text: str, name: str, now: int) -> int:
    """Return a time in ns from ISO 8601 (UTC if it has no offset) or from an age such as 15m."""
    if _DURATION.fullmatch(text.strip()):
        return now - parse_duration(text, name)
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        message = (
            f"Invalid `{name}`: {text!r}. Use a time such as 2026-11-25T10:00:00Z or an age such as"
            " 90s, 15m, 24h or 7d."
        )
        raise TimeWindowError(message) from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    since_epoch = at - datetime(1970, 1, 1, tzinfo=UTC)
    seconds = since_epoch.days * 86_400 + since_epoch.seconds
    return min(seconds * NS_PER_SECOND + since_epoch.microseconds * 1_000, _MAX_TIME)


def parse_deadline(text: str, name: str, now: int) -> int:
    """Return a time in ns from ISO 8601, or from how long after `now` it is, such as 90d."""
    if _DURATION.fullmatch(text.strip()):
        return min(now + parse_duration(text, name), _MAX_TIME)
    return parse_time(text, name, now)


def parse_duration(text: str, name: str) -> int:
    """Return a duration such as 15m in ns."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise TimeWindowError(
            f"Invalid `{name}`: {text!r}. Use a duration such as 90s, 15m, 24h, 7d or 2w."
        )
    seconds = float(found[1]) * _UNITS[found[2].lower()]  # infinite above 308 digits
    return _MAX_TIME if seconds >= _MAX_SECONDS else round(seconds * NS_PER_SECOND)
