"""Makes names from telemetry safe to show.

Without control characters, bidirectional overrides and endless lines.
"""

from __future__ import annotations

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that a terminal interprets or does not show: controls, formats, surrogates,
private use, unassigned, separators.
"""

_MARKS = frozenset({"Mn", "Me"})
_MAX_MARKS = 3
"""Combining marks in a row that are shown; more would overlap the neighboring lines."""


def printable(text: str) -> str:
    r"""Return the text with every invisible character escaped, such as `\u202e` or `\x1b`."""
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.category(char) in _MARKS else 0
        shown.append(_escape(char) if marks > _MAX_MARKS or hidden(char) else char)
    return "".join(shown)


def hidden(char: str) -> bool:
    """Return whether a terminal would interpret this character, or show nothing for it."""
    return unicodedata.category(char) in _HIDDEN


def shorten(text: str, limit: int) -> str:
    """Return at most `limit` characters of the text, with an ellipsis in place of its middle.

    The end of a name often says more than its middle.
    """
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 3
    return f"{text[: limit - 1 - tail]}…{text[len(text) - tail :]}"


def _escape(char: str) -> str:
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
