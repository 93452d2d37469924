"""Too many names of one kind: the rarest are counted together, visibly."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np

from agentguard.discovery.kinds import ComponentKind
from agentguard.discovery.naming import identity
from agentguard.discovery.partial import Partial, Proof, Sighting

MOST_NAMES = 5_000
"""Names of one kind in one environment that stay apart: more are an id that no rule takes out of a
name, not so many components.
"""
CARDINALITY_LIMITED = "cardinality-limit"
"""The rule of the component that stands for the others."""


def limit_cardinality(partial: Partial, most: int = MOST_NAMES) -> dict[str, int]:
    """Make one component, "other (n)", of the names beyond the `most` that were seen most often.

    Return how many by kind.
    """
    counts = np.bincount(partial.calls.sighting, minlength=len(partial.sightings)).tolist()
    seen: dict[tuple[ComponentKind, str | None], Counter[str]] = defaultdict(Counter)
    for sighting, count in zip(partial.sightings, counts, strict=True):
        seen[sighting.identity.kind, sighting.identity.environment][sighting.identity.id] += count
    rest = {place: _rarest(names, most) for place, names in seen.items() if len(names) > most}
    if not rest:
        return {}
    other = {place: len(partial.sightings) + position for position, place in enumerate(rest)}
    codes = [
        (
            other[place]
            if s.identity.id in rest.get(place := (s.identity.kind, s.identity.environment), ())
            else code
        )
        for code, s in enumerate(partial.sightings)
    ]
    partial.sightings += [_other(*place, len(names)) for place, names in rest.items()]
    partial.calls.sighting = np.array(codes, np.int32)[partial.calls.sighting]
    folded: Counter[str] = Counter()
    for (kind, _), names in rest.items():
        folded[kind.value] += len(names)
    return dict(sorted(folded.items()))


def _rarest(names: Counter[str], most: int) -> frozenset[str]:
    return frozenset(sorted(names, key=lambda name: (-names[name], name))[most:])


def _other(kind: ComponentKind, environment: str | None, count: int) -> Sighting:
    who = replace(
        identity(kind, "(other)", environment=environment, identified=False),
        name=f"other ({count:,})",
    )
    return Sighting(who, who.name, "", None, CARDINALITY_LIMITED, Proof.STRUCTURE)
