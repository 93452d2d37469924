"""Alias patterns: other names, matched whole, whatever their case."""

from __future__ import annotations

import fnmatch
import re
from functools import lru_cache

LEAST_CHARACTERS = 3
"""Letters and digits that a pattern must hold beside its wildcards."""

_WILD = frozenset("*?")


def is_pattern(alias: str) -> bool:
    """Whether the alias has wildcards; without any it is just another name."""
    return not _WILD.isdisjoint(alias)


def fault_of(alias: str) -> str | None:
    """Return why the alias is too broad to declare anything, or None where it is not."""
    if not is_pattern(alias):
        return None
    if sum(c.isalnum() for c in alias) < LEAST_CHARACTERS:
        return (
            f"fits nearly every name; write at least {LEAST_CHARACTERS} letters or digits beside"
            " its wildcards"
        )
    if alias[0] in _WILD and alias[-1] in _WILD:
        return (
            "fits every name with this text somewhere inside; give the name's beginning or its end"
        )
    return None


def fits(alias: str, name: str) -> bool:
    """Whether the alias is this name as a whole: `*` stands for any characters, `?` for one.

    No other character is special.
    """
    return _expression(alias).match(name.casefold()) is not None


@lru_cache(maxsize=16384)
def _expression(alias: str) -> re.Pattern[str]:
    # fnmatch's expressions try no two ways of sharing characters out among wildcards, so none takes
    # exponential time.
    return re.compile(fnmatch.translate(alias.casefold().replace("[", "[[]")))
