"""Regular expressions that match in time linear in the text, whatever text and expression are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import re2

from agentguard.kernel.errors import InvalidInputError

MOST_MATCHES = 64
"""Matches that `groups` returns. Finding all matches of some expressions takes quadratic time even
where finding one takes linear time: each search may have to read to the end of the text.
"""


class BadPatternError(InvalidInputError):
    """The expression is not in RE2's syntax."""

    code = "bad-pattern"


@dataclass(frozen=True, slots=True)
class Pattern:
    r"""An expression in RE2's syntax (github.com/google/re2/wiki/Syntax).

    It has neither look-around nor back-references; `\w`, `\d`, `\s` and `\b` are ASCII. Raises
    BadPatternError with the column of the fault.
    """

    text: str
    _compiled: re2._Regexp = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_compiled", _compile(self.text))

    def found(self, text: str) -> bool:
        """Return whether the expression matches anywhere in the text."""
        return self._compiled.search(_encoded(text)) is not None

    def group(self, text: str) -> str | None:
        """Return the first match: its first group that took part, or all of it without groups."""
        match = self._compiled.search(_encoded(text))
        return None if match is None else _group(match)

    def groups(self, text: str) -> list[str]:
        """Return what `group` returns, for each of the first MOST_MATCHES matches."""
        matches = self._compiled.finditer(_encoded(text))
        return [_group(match) for match, _ in zip(matches, range(MOST_MATCHES), strict=False)]

    def replaced(self, text: str, by: Callable[[Match], str]) -> str:
        """Return the text with every match replaced. Only for text of bounded length."""
        encoded, parts, end = _encoded(text), [], 0
        for match in self._compiled.finditer(encoded):
            parts += [encoded[end : match.start()], by(Match(encoded, match)).encode()]
            end = match.end()
        return b"".join([*parts, encoded[end:]]).decode() if parts else text


@dataclass(frozen=True, slots=True)
class Match:
    """A match of an expression."""

    _text: bytes
    _match: re2._Match

    @property
    def whole(self) -> str:
        """Return the matched text."""
        return str(self._match.group().decode("utf-8", "replace"))

    @property
    def group(self) -> str:
        """Return the first group that took part, or the empty text."""
        taken = next(filter(None, self._match.groups()), b"")
        return str(taken.decode("utf-8", "replace"))

    @property
    def inside_word(self) -> bool:
        """Return whether an ASCII letter or digit touches the first group, or the match."""
        number = 1 if self._match.groups() else 0
        start, end = self._match.span(number)
        around = self._text[max(start - 1, 0) : start] + self._text[end : end + 1]
        return any(chr(byte).isalnum() and byte < _ASCII for byte in around)


_ASCII = 128


def literal(text: str) -> str:
    """Return an expression that matches exactly this text."""
    return str(re2.escape(text))


def _group(match: re2._Match) -> str:
    groups = match.groups()
    found = next((group for group in groups if group is not None), b"") if groups else match.group()
    return found.decode("utf-8", "replace")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _compile(text: str) -> re2._Regexp:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        raise BadPatternError(_fault(text, str(_reason(error)))) from None


def _reason(error: re2.error) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)


def _fault(text: str, reason: str) -> str:
    """Return what is wrong and where: RE2 names the part that it cannot parse."""
    _, _, part = reason.rpartition(": ")
    column = text.find(part) + 1 if part else 0
    place = f" at column {column}" if column else ""
    return (
        f"The regular expression {text!r} is invalid{place}: {reason}. Use RE2's syntax: it has"
        " neither look-around nor back-references nor possessive quantifiers."
    )
