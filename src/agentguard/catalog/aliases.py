"""Alias patterns: further names of an entry, matched as a whole and case-insensitively."""

from __future__ import annotations

import fnmatch
import re
from functools import lru_cache

LEAST_CHARACTERS = 3
"""Minimum number of letters and digits in a pattern, not counting wildcards."""

_WILD = frozenset("*?")


def is_pattern(alias: str) -> bool:
    """Return whether the alias has wildcards; otherwise it is an exact name."""
    return not _WILD.isdisjoint(alias)


def alias_problem(alias: str) -> str | None:
    """Return why the alias is too broad, or None if it is acceptable."""
    if not is_pattern(alias):
        return None
    if sum(c.isalnum() for c in alias) < LEAST_CHARACTERS:
        return (
            f"matches nearly every name; use at least {LEAST_CHARACTERS} letters or digits besides"
            " the wildcards"
        )
    if alias[0] in _WILD and alias[-1] in _WILD:
        return "matches every name that contains this text; remove the first or the last wildcard"
    return None


def matches_alias(alias: str, name: str) -> bool:
    """Return whether the alias matches the whole name: `*` any characters, `?` exactly one.

    No other character is special.
    """
    return _expression(alias).match(name.casefold()) is not None


@lru_cache(maxsize=16384)
def _expression(alias: str) -> re.Pattern[str]:
    # fnmatch's expressions never backtrack into an earlier wildcard: matching is not exponential.
    return re.compile(fnmatch.translate(alias.casefold().replace("[", "[[]")))
