"""The numbers that a text says, in digits or in words."""

from __future__ import annotations

import re
import unicodedata

_UNITS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen
"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_VALUES = {word: n for n, word in enumerate(_UNITS.split())} | {
    word: 10 * n for n, word in enumerate(_TENS.split(), start=2)
}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_AMOUNT_WORDS = """
half halves third thirds quarter quarters fifth tenth tenths double doubled twofold triple tripled
twice thrice dozen dozens score couple several hundreds thousands millions majority minority most
"""
_AMOUNTS = frozenset(_AMOUNT_WORDS.split())
"""Words that say an amount without being a number; they count as what they are."""
_DIGITS = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[a-z]+")
_BEFORE_PRONOUN = frozenset({"the", "this", "that", "which", "another", "each", "every", "no"})
_AFTER_PRONOUN = frozenset({"of", "that", "which", "at", "by", "after"})


def numbers_in(text: str) -> set[str]:
    """Return the numbers, normalised: without separators of thousands and trailing zeros.

    Words for numbers and amounts count; "one" does not where it is a pronoun ("this one").
    """
    said = unicodedata.normalize("NFKC", text).casefold()
    found = {_normal(each) for each in _DIGITS.findall(_ascii_digits(said))}
    return found | _in_words(_WORD.findall(said))


def _ascii_digits(text: str) -> str:
    return "".join(
        str(unicodedata.digit(c)) if c.isdigit() and not c.isascii() else c for c in text
    )


def _normal(digits: str) -> str:
    plain = re.sub(r",(?=\d{3}(?:\D|$))", "", digits)
    if plain.count(".") == 1 and "," not in plain:
        return plain.rstrip("0").rstrip(".") or "0"
    return plain


def _in_words(words: list[str]) -> set[str]:
    found: set[str] = set()
    at = 0
    while at < len(words):
        if words[at] in _AMOUNTS:
            found.add(words[at])
        number, at = _number(words, at)
        if number is not None:
            found.add(number)
    return found


def _number(words: list[str], at: int) -> tuple[str | None, int]:
    """Return the number that begins at this word, and where it ends."""
    start, total, part = at, 0, 0
    while at < len(words) and _continues(words, start, at):
        value, scale = _VALUES.get(words[at], 0), _SCALES.get(words[at])
        part = (part or 1) * scale if scale else part + value
        if scale and scale > 100:
            total, part = total + part, 0
        at += 1
    if at == start:
        return None, at + 1
    return (
        None if words[start:at] == ["one"] and _pronoun(words, start) else str(total + part)
    ), at


def _continues(words: list[str], start: int, at: int) -> bool:
    """Return whether this word is a part of the number that begins at `start`."""
    if words[at] != "and":
        return words[at] in _VALUES or words[at] in _SCALES
    return at > start and at + 1 < len(words) and words[at + 1] in _VALUES


def _pronoun(words: list[str], at: int) -> bool:
    before = words[at - 1] if at else ""
    after = words[at + 1] if at + 1 < len(words) else ""
    return before in _BEFORE_PRONOUN or after in _AFTER_PRONOUN
