"""Tools without spans, inferred from the tool calls in model responses."""

from __future__ import annotations

import numpy as np

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import agent_key
from agentguard.discovery.prescan import Prescan
from agentguard.discovery.span_state import InferredCall, SpanState, nearest_ancestor

RULE = "requested-tool"


def infer_requested_tools(s: SpanState, seen: Prescan) -> None:
    """Infer a tool call from each tool that a model response requests.

    Only for services without any tool spans; the caller is the agent that called the model. Whether
    the tool failed is unknown. An agent's name among the tools is a delegation, which the agent's
    own run shows.
    """
    shapes = [
        i
        for i, r in enumerate(s.classifications.by_shape)
        if r.requested and r.service not in seen.tool_services
    ]
    rows = (
        np.flatnonzero(np.isin(s.classifications.shape, shapes) & (s.role == Role.MODEL))
        if shapes
        else np.zeros(0, np.int64)
    )
    if not len(rows):
        return
    caller = nearest_ancestor(s.parent, s.role == Role.AGENT)
    for row in rows[caller[rows] >= 0].tolist():
        for tool in s.classification(row).requested:
            if agent_key(tool) not in seen.agents:
                s.inferred_calls.append(InferredCall(row, int(caller[row]), tool, Role.TOOL, RULE))
