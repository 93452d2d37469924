"""What lists of a graph are sorted by."""

from __future__ import annotations

from enum import StrEnum


class SortKey(StrEnum):
    """Names ascending, numbers and times descending."""

    NAME = "name"
    CALLS = "calls"
    """A component's invocations, a dependency's calls, a workflow's runs."""
    ERRORS = "errors"
    P95 = "p95"
    TOKENS = "tokens"
    LAST_SEEN = "last_seen"
