"""Assigns final roles to spans by a fixed sequence of passes."""

from __future__ import annotations

from agentguard.discovery.agents import (
    attach_agent_bodies,
    demote_wrapper_agents,
    infer_acting_agents,
    infer_agents_by_service,
    infer_delegations_by_time,
    inherit_agent_names,
    number_unnamed_agents,
    promote_enclosing_steps,
    resolve_delegations,
    resolve_workflows,
    take_reported_failures,
)
from agentguard.discovery.attribution import (
    assign_calls_by_time,
    assign_named_calls,
)
from agentguard.discovery.classification import Classifications
from agentguard.discovery.deduplication import deduplicate_calls
from agentguard.discovery.facts import Facts
from agentguard.discovery.handoffs import infer_handoffs_in_order, resolve_handoffs
from agentguard.discovery.mcp import pair_mcp_spans
from agentguard.discovery.missing_server_spans import (
    insert_missing_servers,
    insert_servers_above_calls,
)
from agentguard.discovery.polls import resolve_polls
from agentguard.discovery.remote_agents import demote_client_halves
from agentguard.discovery.requested_tools import demote_requests, infer_requested_tools
from agentguard.discovery.server_nesting import (
    demote_inner_server_spans,
    nest_beside_server_spans,
)
from agentguard.discovery.services import (
    drop_transport_spans,
    exclude_unresolved_calls,
    infer_server_spans,
    pair_client_server_spans,
)
from agentguard.discovery.span_state import SpanState, initial_state
from agentguard.discovery.spantree import SpanTree
from agentguard.discovery.usage import infer_models_of_agents


def assign_roles(tree: SpanTree, classifications: Classifications, facts: Facts) -> SpanState:
    """Assign the final roles; `facts` cover all spans of the window."""
    state = initial_state(tree, classifications)
    take_reported_failures(state)
    attach_agent_bodies(state)
    infer_acting_agents(state)
    promote_enclosing_steps(state)
    inherit_agent_names(state)
    demote_wrapper_agents(state)
    resolve_polls(state)
    nest_beside_server_spans(state)
    demote_inner_server_spans(state)
    infer_agents_by_service(state, facts.agent_services)
    assign_named_calls(state)
    assign_calls_by_time(state)
    infer_server_spans(state)
    insert_servers_above_calls(state, facts.agent_services)
    pair_mcp_spans(state)
    halves = pair_client_server_spans(state)
    drop_transport_spans(state)
    exclude_unresolved_calls(state)
    insert_missing_servers(state, halves, facts.agent_services)
    resolve_workflows(state)
    demote_requests(state)
    deduplicate_calls(state)
    demote_client_halves(state)
    resolve_delegations(state)
    infer_delegations_by_time(state)
    number_unnamed_agents(state)
    resolve_handoffs(state, facts.agents)
    infer_handoffs_in_order(state)
    infer_models_of_agents(state)
    infer_requested_tools(state, facts)
    return state
