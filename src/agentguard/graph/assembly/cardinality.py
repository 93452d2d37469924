"""Cardinality limit: groups the rarest names of a kind into one component."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np

from agentguard.discovery.kinds import ComponentKind
from agentguard.discovery.naming import identity
from agentguard.discovery.partial import Observation, Partial, Proof

MOST_NAMES = 5_000
"""Names of one kind and environment that are kept: more are unrecognized ids inside names, not
components.
"""
CARDINALITY_LIMITED = "cardinality-limit"
"""The rule of the component that represents the grouped names."""


def limit_cardinality(partial: Partial, most: int = MOST_NAMES) -> dict[str, int]:
    """Replace all but the `most` frequent names of a kind by one component, "other (n)".

    Returns the number of replaced names by kind.
    """
    counts = np.bincount(partial.calls.observation, minlength=len(partial.observations)).tolist()
    seen: dict[tuple[ComponentKind, str | None], Counter[str]] = defaultdict(Counter)
    for observation, count in zip(partial.observations, counts, strict=True):
        seen[observation.identity.kind, observation.identity.environment][
            observation.identity.id
        ] += count
    rest = {place: _rarest(names, most) for place, names in seen.items() if len(names) > most}
    if not rest:
        return {}
    other = {place: len(partial.observations) + position for position, place in enumerate(rest)}
    codes = [
        (
            other[place]
            if s.identity.id in rest.get(place := (s.identity.kind, s.identity.environment), ())
            else code
        )
        for code, s in enumerate(partial.observations)
    ]
    partial.observations += [_other(*place, len(names)) for place, names in rest.items()]
    partial.calls.observation = np.array(codes, np.int32)[partial.calls.observation]
    replaced: Counter[str] = Counter()
    for (kind, _), names in rest.items():
        replaced[kind.value] += len(names)
    return dict(sorted(replaced.items()))


def _rarest(names: Counter[str], most: int) -> frozenset[str]:
    return frozenset(sorted(names, key=lambda name: (-names[name], name))[most:])


def _other(kind: ComponentKind, environment: str | None, count: int) -> Observation:
    who = replace(
        identity(kind, "(other)", environment=environment, identified=False),
        name=f"other ({count:,})",
    )
    return Observation(who, who.name, "", None, CARDINALITY_LIMITED, Proof.STRUCTURE)
