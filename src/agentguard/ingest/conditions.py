"""Conditions on a span's name, scope, kind and attributes, as the dialect tables write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Attributes = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """True where every part that is given holds."""

    name: re.Pattern[str] | None = None
    scope: re.Pattern[str] | None = None
    kinds: frozenset[int] | None = None
    has: frozenset[str] = frozenset()
    any_of: frozenset[str] = frozenset()
    """Attributes of which at least one is there."""
    lacks: frozenset[str] = frozenset()
    equals: tuple[tuple[str, frozenset[str]], ...] = ()
    """Attribute and the values that it may have, compared as lower-case text."""
    matches: tuple[tuple[str, re.Pattern[str]], ...] = ()
    """Attribute and a pattern found in its text."""

    def holds(self, name: str, scope: str, kind: int, attributes: Attributes) -> bool:
        """Say whether a span with these properties meets the condition."""
        for key, values in self.equals:
            if key not in attributes or str(attributes[key]).lower() not in values:
                return False
        if self.kinds is not None and kind not in self.kinds:
            return False
        if not (attributes.keys() >= self.has and attributes.keys().isdisjoint(self.lacks)):
            return False
        if self.any_of and attributes.keys().isdisjoint(self.any_of):
            return False
        if self.scope is not None and not self.scope.search(scope):
            return False
        if self.name is not None and not self.name.search(name):
            return False
        return all(key in attributes and pattern.search(str(attributes[key])) for key, pattern in self.matches)
