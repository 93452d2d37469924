"""Names from strangers, made safe to show.

No control characters, no bidirectional tricks, no endless lines.
"""

from __future__ import annotations

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that a terminal acts on or does not show: controls, formats, surrogates,
private use, unassigned, separators.
"""

_MARKS = frozenset({"Mn", "Me"})
_MAX_MARKS = 3
"""Combining marks in a row that are shown as they are; more would climb over the neighbouring
lines.
"""


def printable(text: str) -> str:
    r"""Return the text with every character that is not plainly visible written as an escape, such
    as `\u202e` or `\x1b`.
    """
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.category(char) in _MARKS else 0
        shown.append(_escape(char) if marks > _MAX_MARKS or hidden(char) else char)
    return "".join(shown)


def hidden(char: str) -> bool:
    """Whether a terminal would act on this character, or show nothing for it."""
    return unicodedata.category(char) in _HIDDEN


def shorten(text: str, limit: int) -> str:
    """Return at most `limit` characters of the text, the middle left out visibly.

    Its end often tells more than its middle.
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
