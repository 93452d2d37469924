"""Usage that only the agent's run records: its models' calls get it, or the agent itself."""

from __future__ import annotations

from collections import defaultdict

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import model_name
from agentguard.discovery.span_state import InferredCall, SpanState, by_time, nearest_ancestor

RULE = "usage-on-agent"
_MODELS = ("gen_ai.request.model", "gen_ai.response.model")


def assign_usage_of_agents(s: SpanState) -> None:
    """Give the tokens of runs to the calls of the one model that they use, if those have none.

    Without any model's span the call is inferred; how many there were is unknown: it counts as one.
    Without the model's name either, the tokens stay the agent's own.
    """
    agents = s.rows(Role.AGENT)
    agents = agents[agents < len(s.tree.spans)]
    agents = agents[(s.tokens[0] + s.tokens[1])[agents] > 0]
    if not len(agents):
        return
    owner = nearest_ancestor(s.parent, s.role == Role.AGENT)
    with_agents = set(owner[s.rows(Role.AGENT)].tolist())
    models: dict[int, list[int]] = defaultdict(list)
    for row in by_time(s, s.rows(Role.MODEL)):
        models[int(owner[row])].append(row)
    for row in agents.tolist():
        if models[row]:
            _give(s, row, models[row])
        elif row not in with_agents:
            _keep(s, row)


def _give(s: SpanState, row: int, models: list[int]) -> None:
    """Give the run's tokens to its first model call if no call has any and all use one model."""
    used = any(tokens[models].any() for tokens in s.tokens)
    if not used and len({s.name(model) for model in models}) == 1:
        for tokens in s.tokens:
            tokens[models[0]] = tokens[row]


def _keep(s: SpanState, row: int) -> None:
    attributes = dict(s.classification(row).attributes)
    name = next((model_name(attributes[key]) for key in _MODELS if key in attributes), None)
    if name:
        s.inferred_calls.append(InferredCall(row, row, name, Role.MODEL, RULE))
    else:
        s.own_usage.add(row)
