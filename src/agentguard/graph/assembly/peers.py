"""Peers known by name alone recognised as the components that bear the name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from agentguard.discovery.kinds import ComponentKind
from agentguard.discovery.naming import Identity, identity
from agentguard.discovery.partial import Partial, Sighting


def recognise(partial: Partial) -> None:
    """A peer that a call or a server names is the service of that name, where one of that name and
    environment sends spans.

    An agent that is known by its service's name alone counts as that service.
    """
    used = set(np.unique(partial.calls.sighting).tolist())
    seen = [s for code, s in enumerate(partial.sightings) if code in used]
    known = {s.identity.id: s.identity for s in seen if _goes_by_service(s)}
    partial.sightings = [_recognised(s, known) for s in partial.sightings]


def _goes_by_service(sighting: Sighting) -> bool:
    return sighting.identity.kind is ComponentKind.SERVICE or sighting.rule == "service-name"


def _recognised(sighting: Sighting, known: dict[str, Identity]) -> Sighting:
    who = sighting.identity
    if who.kind is not ComponentKind.EXTERNAL or not who.identified:
        return sighting
    candidates = (
        identity(kind, who.name, environment=who.environment).id
        for kind in (ComponentKind.SERVICE, ComponentKind.AGENT)
    )
    found = next((known[key] for key in candidates if key in known), None)
    return (
        sighting
        if found is None
        else replace(sighting, identity=found, spelling=found.name, service=found.name)
    )
