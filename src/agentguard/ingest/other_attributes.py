"""Attributes that no rule names, kept by the form of their keys.

They are kept where an instrumentation is unknown, as evidence of what a span is: see
discovery.shapes. Content is never kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias, TypeVar

from agentguard.kernel.patterns import Pattern

V = TypeVar("V")

Usage: TypeAlias = tuple[tuple[tuple[str, ...], ...], ...]
"""Paths in the JSON of one attribute, for each column of Numbers."""
MODEL_IN_CONTENT = "agentguard.model_in_content"
"""Attribute that stores the model's name found in content."""
_LONGEST_KEY = 128
_MOST_REMEMBERED = 10_000


class OtherUse(IntEnum):
    """What is kept of such an attribute."""

    LABEL = 0
    TEXT = 1
    """A label if its value is text."""
    PRESENCE = 2
    MODEL = 3
    """The model's name in its text."""
    INPUT_TOKENS = 4
    OUTPUT_TOKENS = 5
    USAGE = 6
    """Numbers of tokens inside JSON."""
    CACHED_INPUT_TOKENS = 7


@dataclass(frozen=True, slots=True)
class OtherAttributes:
    """The keys, as patterns; the first use whose pattern matches counts."""

    known_scopes: tuple[Pattern, ...]
    """Scopes whose spans rules describe: nothing else is kept of them."""
    uses: tuple[tuple[OtherUse, Pattern], ...]
    model: Pattern
    """Finds the model's name in text."""
    usage: Usage
    """Where JSON holds numbers of tokens."""
    excluded: Pattern
    """Keys that are about something other than the span."""
    _scopes: dict[str, bool] = field(default_factory=dict, compare=False, repr=False)
    _keys: dict[str, OtherUse | None] = field(default_factory=dict, compare=False, repr=False)

    def is_open(self, scope: str) -> bool:
        """Return whether attributes of spans with this scope are kept."""
        if scope not in self._scopes:
            found = not any(pattern.found(scope) for pattern in self.known_scopes)
            _remember(self._scopes, scope, found)
        return self._scopes[scope]

    def use_of(self, key: str) -> OtherUse | None:
        """Return what is kept of the attribute; None: nothing."""
        if key not in self._keys:
            _remember(self._keys, key, self._found(key))
        return self._keys[key]

    def _found(self, key: str) -> OtherUse | None:
        if len(key) >= _LONGEST_KEY or self.excluded.found(key):
            return None
        return next((use for use, pattern in self.uses if pattern.found(key)), None)

    def numbers(self, key: str) -> Usage | None:
        """Return where the attribute holds numbers; None: it holds none."""
        match self.use_of(key):
            case OtherUse.INPUT_TOKENS:
                return (((),), (), (), ())
            case OtherUse.OUTPUT_TOKENS:
                return ((), ((),), (), ())
            case OtherUse.CACHED_INPUT_TOKENS:
                return ((), (), ((),), ())
            case OtherUse.USAGE:
                return self.usage
            case _:
                return None


def _remember(known: dict[str, V], text: str, value: V) -> None:
    if len(known) >= _MOST_REMEMBERED:
        known.clear()
    known[text] = value
