"""Resolves peers known only by name to observed services and agents."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from agentguard.discovery.kinds import ComponentKind
from agentguard.discovery.naming import Identity, identity
from agentguard.discovery.partial import Observation, Partial


def resolve_peers(partial: Partial) -> None:
    """Replace externals by the service of the same name and environment, if it sends spans.

    An agent that is known only by its service's name counts as that service.
    """
    used = set(np.unique(partial.calls.observation).tolist())
    seen = [s for code, s in enumerate(partial.observations) if code in used]
    known = {s.identity.id: s.identity for s in seen if _is_service_name(s)}
    partial.observations = [_resolved(s, known) for s in partial.observations]


def _is_service_name(observation: Observation) -> bool:
    return observation.identity.kind is ComponentKind.SERVICE or observation.rule == "service-name"


def _resolved(observation: Observation, known: dict[str, Identity]) -> Observation:
    who = observation.identity
    if who.kind is not ComponentKind.EXTERNAL or not who.identified:
        return observation
    candidates = (
        identity(kind, who.name, environment=who.environment).id
        for kind in (ComponentKind.SERVICE, ComponentKind.AGENT)
    )
    found = next((known[key] for key in candidates if key in known), None)
    return (
        observation
        if found is None
        else replace(observation, identity=found, spelling=found.name, service=found.name)
    )
