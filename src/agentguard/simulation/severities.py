"""How severe a failure is, without what judges it: importing this costs nothing."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """Severity for users."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"
