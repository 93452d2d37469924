"""Compiles the conditions and facts of dialect files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentguard.ingest.attribute_selection import Fact
from agentguard.ingest.conditions import Condition
from agentguard.ingest.spans import (
    KIND_CLIENT,
    KIND_CONSUMER,
    KIND_INTERNAL,
    KIND_PRODUCER,
    KIND_SERVER,
    KIND_UNSPECIFIED,
)
from agentguard.kernel.patterns import Pattern

KINDS = {
    "unspecified": KIND_UNSPECIFIED,
    "internal": KIND_INTERNAL,
    "server": KIND_SERVER,
    "client": KIND_CLIENT,
    "producer": KIND_PRODUCER,
    "consumer": KIND_CONSUMER,
}
KIND_NAMES = {number: name for name, number in KINDS.items()}
CONDITION_KEYS = (
    "name",
    "scope",
    "kinds",
    "has",
    "any",
    "lacks",
    "equals",
    "matches",
    "named",
    "either",
)


def fact_of(raw: Mapping[str, Any]) -> Fact:
    """Return the fact; raise BadPatternError, KeyError or ValueError."""
    pattern = Pattern(raw["pattern"]) if "pattern" in raw else None
    return Fact(
        raw["into"],
        raw["from"],
        condition_of(raw["when"]),
        tuple(raw.get("path", ())),
        pattern,
        raw.get("every", False),
    )


def condition_of(raw: Mapping[str, Any]) -> Condition:
    """Return the condition; raise BadPatternError, KeyError or ValueError."""
    unknown = raw.keys() - set(CONDITION_KEYS)
    if unknown:
        raise ValueError(f"Unknown condition keys: {sorted(unknown)}.")
    return Condition(
        name=Pattern(raw["name"]) if "name" in raw else None,
        scope=Pattern(raw["scope"]) if "scope" in raw else None,
        kinds=frozenset(KINDS[kind] for kind in raw["kinds"]) if "kinds" in raw else None,
        has=frozenset(raw.get("has", ())),
        any_of=frozenset(raw.get("any", ())),
        lacks=frozenset(raw.get("lacks", ())),
        equals=tuple((key, _values(values)) for key, values in raw.get("equals", {}).items()),
        matches=tuple((key, Pattern(pattern)) for key, pattern in raw.get("matches", {}).items()),
        named=raw.get("named"),
        either=tuple(map(condition_of, raw.get("either", ()))),
    )


def _values(raw: Any) -> frozenset[str]:
    return frozenset(str(value).lower() for value in (raw if isinstance(raw, list) else [raw]))
