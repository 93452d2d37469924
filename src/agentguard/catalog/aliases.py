"""Alias patterns: further names of an entry, matched as a whole and case-insensitively."""

from __future__ import annotations

from functools import lru_cache

from agentguard.kernel.patterns import Pattern, literal

LEAST_CHARACTERS = 3
"""Minimum number of letters and digits in a pattern, not counting wildcards."""

_WILDCARDS = {"*": ".*", "?": "."}
_WILD = frozenset(_WILDCARDS)


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
    return _expression(alias).found(name.casefold())


@lru_cache(maxsize=16384)
def _expression(alias: str) -> Pattern:
    parts = (_WILDCARDS.get(c) or literal(c) for c in alias.casefold())
    return Pattern(f"(?s)^{''.join(parts)}\\z")
