"""Models of agent runs that record usage on the run only."""

from __future__ import annotations

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import model_name
from agentguard.discovery.span_state import InferredCall, SpanState, nearest_ancestor

RULE = "usage-on-agent"
_MODELS = ("gen_ai.request.model", "gen_ai.response.model")


def infer_models_of_agents(s: SpanState) -> None:
    """Infer a model call, with the run's usage, of runs that use tokens without any model span.

    How many calls there were is unknown: it counts as one.
    """
    agents = s.rows(Role.AGENT)
    agents = agents[agents < len(s.tree.spans)]
    agents = agents[(s.tokens[0] + s.tokens[1])[agents] > 0]
    if not len(agents):
        return
    owner = nearest_ancestor(s.parent, s.role == Role.AGENT)
    with_models = set(owner[s.rows(Role.MODEL)].tolist())
    with_agents = set(owner[s.rows(Role.AGENT)].tolist())
    for row in agents.tolist():
        name = _model(s, row)
        if name and row not in with_models and row not in with_agents:
            s.inferred_calls.append(InferredCall(row, row, name, Role.MODEL, RULE))


def _model(s: SpanState, row: int) -> str | None:
    attributes = dict(s.classification(row).attributes)
    return next((model_name(attributes[key]) for key in _MODELS if key in attributes), None)
