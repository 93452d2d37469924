"""Cardinality limit: groups the rarest names of a kind into one component or workflow."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from agentguard.discovery.kinds import ComponentKind
from agentguard.discovery.naming import Identity, identity
from agentguard.discovery.partial import I32, Observation, Partial, Proof

MOST_NAMES = 5_000
"""Names of one kind, in all environments, that are kept: more are unrecognized ids inside names,
not components or workflows.
"""
CARDINALITY_LIMITED = "cardinality-limit"
"""The rule of the component that represents the grouped names."""

_Rest: TypeAlias = Mapping[ComponentKind, frozenset[str]]
"""The ids beyond the limit."""


def limit_cardinality(partial: Partial, most: int = MOST_NAMES) -> dict[str, int]:
    """Replace all but the `most` frequent names of a kind by one, "other (n)".

    Of components and of workflows. Returns the number of replaced names by kind.
    """
    components = _limit_components(partial, most)
    workflows = _limit_workflows(partial, most)
    replaced: dict[str, set[str]] = defaultdict(set)
    for rest in (components, workflows):
        for kind, ids in rest.items():
            replaced[kind.value] |= ids
    return {kind: len(ids) for kind, ids in sorted(replaced.items())}


def _limit_components(partial: Partial, most: int) -> _Rest:
    who = [observation.identity for observation in partial.observations]
    rest = _rest(who, partial.calls.observation, most)
    if rest:
        others = [
            Observation(other, other.name, "", None, CARDINALITY_LIMITED, Proof.STRUCTURE)
            for other in _others(rest)
        ]
        codes = _codes(who, rest)
        kept, partial.calls.observation = _used(codes[partial.calls.observation])
        every = [*partial.observations, *others]
        partial.observations = [every[code] for code in kept]
    return rest


def _limit_workflows(partial: Partial, most: int) -> _Rest:
    rest = _rest(partial.workflows, partial.calls.entry, most)
    if rest:
        codes = np.append(_codes(partial.workflows, rest), -1)
        kept, partial.calls.entry = _used(codes[partial.calls.entry])
        every = [*partial.workflows, *_others(rest)]
        partial.workflows = [every[code] for code in kept]
    return rest


def _rest(who: Sequence[Identity], used: I32, most: int) -> _Rest:
    """Return which of the identities exceed the limit; `used` has their codes, or -1."""
    counts = np.bincount(used[used >= 0], minlength=len(who)).tolist()
    seen: dict[ComponentKind, Counter[str]] = defaultdict(Counter)
    for each, count in zip(who, counts, strict=True):
        if count:
            seen[each.kind][each.id] += count
    return {kind: _rarest(ids, most) for kind, ids in seen.items() if len(ids) > most}


def _codes(who: Sequence[Identity], rest: _Rest) -> I32:
    """Return the new code of each identity: its own, or that of its kind's other."""
    other = {kind: len(who) + position for position, kind in enumerate(rest)}
    return np.array(
        [
            other[each.kind] if each.id in rest.get(each.kind, ()) else code
            for code, each in enumerate(who)
        ],
        np.int32,
    )


def _used(codes: I32) -> tuple[list[int], I32]:
    """Return the codes that occur, without -1, and the codes renumbered accordingly."""
    kept = np.unique(codes[codes >= 0])
    numbers = np.searchsorted(kept, codes).astype(np.int32)
    return kept.tolist(), np.where(codes >= 0, numbers, np.int32(-1))


def _rarest(names: Counter[str], most: int) -> frozenset[str]:
    return frozenset(sorted(names, key=lambda name: (-names[name], name))[most:])


def _others(rest: _Rest) -> list[Identity]:
    """Return what represents the names beyond the limit, by kind."""
    return [
        replace(identity(kind, "(other)", identified=False), name=f"other ({len(ids):,})")
        for kind, ids in rest.items()
    ]
