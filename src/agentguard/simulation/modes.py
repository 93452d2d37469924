"""How components fail."""

from __future__ import annotations

from enum import StrEnum


class FailureMode(StrEnum):
    """The failure modes that the engine simulates."""

    OUTAGE = "outage"
    """Every call fails."""
