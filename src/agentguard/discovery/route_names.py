"""Names of what requests enter: the route's template, or the path without ids."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

from agentguard.ingest.path_templates import FOLDED, identifies

_MIN_NUMBER = 4
"""Digits after a word that make an id (order-12345) and no version (tier-2)."""
_MAX_SEGMENT = 64
_SEPARATORS = str.maketrans(dict.fromkeys("-_.:,~", " "))


@lru_cache(maxsize=65536)
def route_name(span_name: str, route: str | None = None) -> str:
    """Return the span's name with the route's template, else with `{id}` for ids in its path.

    OpenTelemetry semantic conventions 1.39, http-spans.md: the name is `{method} {http.route}`.
    Many instrumentations write the path instead, and some the method alone.
    """
    words = span_name.split(" ")
    at = next((n for n, word in enumerate(words) if _is_path(word)), None)
    if at is not None:
        words[at] = route or _without_ids(words[at])
    elif route and len(words) == 1 and span_name.isalpha() and span_name.isupper():
        words.append(route)
    return " ".join(words)


def _without_ids(path: str) -> str:
    """Return a path or URL without query, with `{id}` for each segment that is an id."""
    try:
        path = urlsplit(path).path
    except ValueError:
        path = path.partition("?")[0]
    return "/".join(FOLDED if _varies(segment) else segment for segment in path.split("/"))


def _is_path(word: str) -> bool:
    return word.startswith("/") or "://" in word


def _varies(segment: str) -> bool:
    """Return whether the segment is an id, a number with separators, numbered or very long."""
    parts = segment.translate(_SEPARATORS).split()
    numbered = bool(parts) and parts[-1].isdecimal() and len(parts[-1]) >= _MIN_NUMBER
    return (
        identifies(segment)
        or (bool(parts) and all(map(str.isdecimal, parts)))
        or numbered
        or len(segment) > _MAX_SEGMENT
    )
