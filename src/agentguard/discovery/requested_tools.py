"""Tools without spans: what only the answers of models tell."""

from __future__ import annotations

import numpy as np

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import agent_key
from agentguard.discovery.prescan import Prescan
from agentguard.discovery.span_state import SpanState, Unseen, nearest

RULE = "requested-tool"


def take_requests(s: SpanState, seen: Prescan) -> None:
    """Where a service's tools have no spans at all, a tool that a model's answer asks for is used
    by the agent that asked the model.

    Whether the tool failed is not known. An agent's name among the tools is a delegation, which
    that agent's run shows.
    """
    shapes = [
        i for i, r in enumerate(s.readings.readings) if r.requested and r.service not in seen.tooled
    ]
    rows = (
        np.flatnonzero(np.isin(s.readings.shape, shapes) & (s.role == Role.MODEL))
        if shapes
        else np.zeros(0, np.int64)
    )
    if not len(rows):
        return
    caller = nearest(s.parent, s.role == Role.AGENT)
    for row in rows[caller[rows] >= 0].tolist():
        for tool in s.reading(row).requested:
            if agent_key(tool) not in seen.agents:
                s.unseen.append(Unseen(row, int(caller[row]), tool, Role.TOOL, RULE))
