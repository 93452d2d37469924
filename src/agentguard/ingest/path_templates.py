"""Folding of URL paths: segments that identify one request or one object become `{id}`."""

from __future__ import annotations

import string
from itertools import pairwise

FOLDED = "{id}"

_HEX = frozenset(string.hexdigits)
_TOKEN = frozenset(string.ascii_letters + string.digits)
_UUID_DIGITS, _UUID_LENGTHS = 32, (8, 4, 4, 4, 12)
_SHORTEST_HASH = 16
"""Hex digits of the shortest hash that is folded: a span id, or half a UUID."""
_SHORTEST_TOKEN = 12
"""Letters and digits of the shortest opaque token: ids of Stripe and Slack, and NanoIDs."""
_CHANGES = 4
"""A token is opaque if its kind of character changes at least once in so many characters. In random
base 36 and base 62 it changes at every second or third; in words, camel case and version numbers
at every sixth or less.
"""


def folded_path(path: str) -> str:
    """Return the path with numbers, UUIDs, hashes and opaque tokens replaced by `{id}`."""
    return "/".join(FOLDED if identifies(segment) else segment for segment in path.split("/"))


def identifies(segment: str) -> bool:
    """Return whether the segment identifies one object instead of naming a kind of them."""
    return (
        segment.isdecimal()
        or _is_hash(segment)
        or "@" in segment
        or any(map(_is_opaque, _tokens(segment)))
    )


def _is_hash(segment: str) -> bool:
    parts = segment.split("-")
    digits = "".join(parts)
    if not digits or not _HEX.issuperset(digits):
        return False
    if tuple(map(len, parts)) == _UUID_LENGTHS or len(digits) == _UUID_DIGITS:
        return True
    return len(parts) == 1 and len(digits) >= _SHORTEST_HASH


def _tokens(segment: str) -> list[str]:
    """Return what may be a token: each part after a prefix (`cus_`), or base64url as a whole."""
    tokens = "".join(c if c in _TOKEN else " " for c in segment).split()
    whole = segment.replace("-", "").replace("_", "")
    return [*tokens, whole] if _TOKEN.issuperset(whole) and _mixes_all(whole) else tokens


def _is_opaque(token: str) -> bool:
    if len(token) < _SHORTEST_TOKEN or (token.isalpha() and not _mixes_cases(token)):
        return False
    changes = sum(_changes(left, right) for left, right in pairwise(token))
    return changes * _CHANGES >= len(token)


def _mixes_all(token: str) -> bool:
    return {_kind(c) for c in token} == {0, 1, 2}


def _mixes_cases(token: str) -> bool:
    return not (token.islower() or token.isupper())


def _changes(left: str, right: str) -> bool:
    """Return whether the kind of character changes; a capital may start a word."""
    return _kind(left) != _kind(right) and not (left.isupper() and right.islower())


def _kind(c: str) -> int:
    return 0 if c.isdigit() else 1 if c.islower() else 2
