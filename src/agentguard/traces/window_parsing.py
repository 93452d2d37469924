"""Windows of event time as people write them: moments in ISO 8601, or how long ago.

Durations such as 15m.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from agentguard.kernel.clock import NS_PER_SECOND
from agentguard.traces.window import TimeWindow, TimeWindowError, time_window

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])", re.IGNORECASE)
_LATEST = 2**63 - 1


def written_window(
    *, since: str | None, until: str | None, lookback: str | None, now: int
) -> TimeWindow | None:
    """Return the window that these words ask for, None where there are none.

    Without an end, a lookback ends now (ns).

    `since` and `until` are moments, see `moment`; `lookback` is a duration. Raises TimeWindowError.
    """
    if since is lookback is until is None:
        return None
    end = None if until is None else moment(until, "until", now)
    return time_window(
        since=None if since is None else moment(since, "since", now),
        until=now if end is None and lookback is not None else end,
        lookback=None if lookback is None else duration(lookback, "lookback"),
    )


def moment(words: str, name: str, now: int) -> int:
    """Return the moment in ns: ISO 8601 (without an offset, UTC), or a duration.

    So long before now.
    """
    if _DURATION.fullmatch(words.strip()):
        return now - duration(words, name)
    try:
        at = datetime.fromisoformat(words.strip())
    except ValueError:
        message = (
            f"{name} is {words!r}: write a time as 2026-11-25T10:00:00Z, or how long ago it was, as"
            " 90s, 15m, 24h or 7d."
        )
        raise TimeWindowError(message) from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    since_epoch = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (
        since_epoch.days * 86_400 + since_epoch.seconds
    ) * NS_PER_SECOND + since_epoch.microseconds * 1_000


def duration(words: str, name: str) -> int:
    """Return the duration in ns."""
    found = _DURATION.fullmatch(words.strip())
    if found is None:
        raise TimeWindowError(f"{name} is {words!r}: write a duration as 90s, 15m, 24h, 7d or 2w.")
    return min(round(float(found[1]) * _UNITS[found[2].lower()] * NS_PER_SECOND), _LATEST)
