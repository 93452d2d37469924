"""Role pass for remote agents, which both their caller and they themselves record."""

from __future__ import annotations

import numpy as np

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import agent_key
from agentguard.discovery.partial import I64
from agentguard.discovery.span_state import SpanState, nearest_ancestor, nodes

_BOUNDARY = (Role.CLIENT, Role.SERVER)


def demote_client_halves(s: SpanState) -> None:
    """Demote the caller's span of a remote agent's run to a step: the run itself is below it.

    It is the client half if it bears the same name, is in another service and makes no calls but
    this one.
    """
    above = nearest_ancestor(s.parent, nodes(s) & ~np.isin(s.role, _BOUNDARY))
    inner = _remote_runs(s, above)
    if not len(inner):
        return
    calls = np.bincount(above[nodes(s) & (above >= 0) & ~np.isin(s.role, _BOUNDARY)])
    for row in inner.tolist():
        outer = int(above[row])
        if calls[outer] == 1 and agent_key(s.name(row) or "") == agent_key(s.name(outer) or "-"):
            s.role[outer] = Role.STEP
            s.failed[row] |= s.failed[outer]


def _remote_runs(s: SpanState, above: I64) -> I64:
    """Return the agent runs below an agent's span of another service."""
    inner, services = s.rows(Role.AGENT), s.services()
    inner = inner[(above[inner] >= 0) & (s.role[above[inner]] == Role.AGENT)]
    remote: I64 = inner[services[inner] != services[above[inner]]]
    return remote
