"""Conditions of dialect rules on a span's name, scope, kind and attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from agentguard.kernel.patterns import Pattern

Attributes = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """True if every part that is set is true."""

    name: Pattern | None = None
    scope: Pattern | None = None
    kinds: frozenset[int] | None = None
    has: frozenset[str] = frozenset()
    any_of: frozenset[str] = frozenset()
    """At least one of these attributes must be present."""
    lacks: frozenset[str] = frozenset()
    equals: tuple[tuple[str, frozenset[str]], ...] = ()
    """Attribute and its allowed values, compared as lower-case text."""
    matches: tuple[tuple[str, Pattern], ...] = ()
    """Attribute and a pattern to search in its text."""
    named: str | None = None
    """An attribute whose text, without surrounding quotes, must equal the span's name."""
    either: tuple[Condition, ...] = ()
    """At least one of these must hold too."""

    def holds(self, name: str, scope: str, kind: int, attributes: Attributes) -> bool:
        """Return whether a span with these properties satisfies the condition."""
        # First, and as a loop: this runs for every rule and every distinct span shape.
        for key, values in self.equals:
            if key not in attributes or str(attributes[key]).lower() not in values:
                return False
        return (
            (self.kinds is None or kind in self.kinds)
            and attributes.keys() >= self.has
            and (not self.any_of or not attributes.keys().isdisjoint(self.any_of))
            and attributes.keys().isdisjoint(self.lacks)
            and (self.scope is None or _scope_found(self.scope, scope))
            and (self.name is None or self.name.found(name))
            and (self.named is None or str(attributes.get(self.named)).strip('"') == name)
            and all(
                key in attributes and pattern.found(str(attributes[key]))
                for key, pattern in self.matches
            )
            and (not self.either or self._either_holds(name, scope, kind, attributes))
        )

    def _either_holds(self, name: str, scope: str, kind: int, attributes: Attributes) -> bool:
        return any(each.holds(name, scope, kind, attributes) for each in self.either)


@lru_cache(maxsize=1 << 14)
def _scope_found(pattern: Pattern, scope: str) -> bool:
    """Return whether the pattern matches; many spans, and most rules, share few scopes."""
    return pattern.found(scope)
