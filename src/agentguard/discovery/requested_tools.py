"""Tools without spans, inferred from the tool calls in model responses."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.facts import Facts
from agentguard.discovery.naming import agent_key, normalized
from agentguard.discovery.partial import Mask
from agentguard.discovery.span_state import (
    InferredCall,
    SpanState,
    by_time,
    nearest_ancestor,
    nodes,
)

RULE = "requested-tool"


def demote_requests(s: SpanState) -> None:
    """Demote the tool span below a model call that only records the model's request for it.

    The tool's own run, of the same name and owner, follows outside the model call. A span of the
    same trace and instrumentation whose parent is missing is such a request too.
    """
    tools = by_time(s, s.rows(Role.TOOL))
    requests = _requests(s, tools)
    if not requests:
        return
    owner = nearest_ancestor(s.parent, nodes(s) & (s.role != Role.MODEL))
    waiting: dict[tuple[bytes, int, str], list[int]] = defaultdict(list)
    for row in tools:
        key = (s.tree.trace[row].tobytes(), int(owner[row]), normalized(s.name(row) or ""))
        if row in requests:
            waiting[key].append(row)
        elif waiting[key]:
            s.role[waiting[key].pop(0)] = Role.STEP


def _requests(s: SpanState, tools: list[int]) -> set[int]:
    above = nearest_ancestor(s.parent, nodes(s))
    below_models = (above >= 0) & (s.role[above] == Role.MODEL)
    inside = {row for row in tools if below_models[row]}
    scopes = {_scope(s, row) for row in inside}
    return inside | {row for row in tools if s.tree.orphan[row] and _scope(s, row) in scopes}


def _scope(s: SpanState, row: int) -> tuple[bytes, str]:
    return s.tree.trace[row].tobytes(), s.classification(row).scope


def infer_requested_tools(s: SpanState, facts: Facts) -> None:
    """Infer a tool call from each tool that a model response requests.

    Only for services without any tool spans; the caller is the agent that called the model. Whether
    the tool failed is unknown. An agent's name among the tools is a delegation, which the agent's
    own run shows.
    """
    shapes = [
        i
        for i, r in enumerate(s.classifications.by_shape)
        if r.requested and r.service not in facts.tool_services
    ]
    rows = (
        np.flatnonzero(np.isin(s.classifications.shape, shapes) & _models(s))
        if shapes
        else np.zeros(0, np.int64)
    )
    if not len(rows):
        return
    caller = nearest_ancestor(s.parent, s.role == Role.AGENT)
    for row in rows[caller[rows] >= 0].tolist():
        for tool in s.classification(row).requested:
            if agent_key(tool) not in facts.agents:
                s.inferred_calls.append(InferredCall(row, int(caller[row]), tool, Role.TOOL, RULE))


def _models(s: SpanState) -> Mask:
    models: Mask = s.role == Role.MODEL
    models[list(s.forwarded)] = True
    return models
