"""The states of an incident, without what moves it: importing this costs nothing."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """How far the work on an incident is."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    """Somebody works on it."""
    MITIGATED = "mitigated"
    """Users are no longer hit; the cause may remain."""
    RESOLVED = "resolved"
    """The cause is removed."""
    REVIEWED = "reviewed"
    """The post-mortem is done."""
