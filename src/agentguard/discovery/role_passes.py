"""Assigns final roles to spans by a fixed sequence of passes."""

from __future__ import annotations

from collections.abc import Callable, Container
from functools import partial
from typing import TypeAlias

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
from agentguard.discovery.dialects.loading import Dialects
from agentguard.discovery.facts import Facts
from agentguard.discovery.gateways import resolve_gateways
from agentguard.discovery.handoffs import infer_handoffs_in_order, resolve_handoffs
from agentguard.discovery.mcp import pair_mcp_spans
from agentguard.discovery.missing_server_spans import (
    insert_missing_servers,
    insert_servers_above_calls,
)
from agentguard.discovery.polls import resolve_polls
from agentguard.discovery.qualified_names import split_server_tools
from agentguard.discovery.remote_agents import demote_client_halves
from agentguard.discovery.requested_tools import demote_requests, infer_requested_tools
from agentguard.discovery.retrievers import demote_retrievers
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
from agentguard.discovery.start_up import demote_start_up_calls
from agentguard.discovery.stops import clear_errors_above_stops
from agentguard.discovery.successions import infer_succession
from agentguard.discovery.usage import assign_usage_of_agents

Pass: TypeAlias = Callable[[SpanState], None]
Watch: TypeAlias = Callable[[Pass, SpanState], None]


def assign_roles(
    tree: SpanTree,
    classifications: Classifications,
    facts: Facts,
    dialects: Dialects,
    *,
    watch: Watch | None = None,
) -> SpanState:
    """Assign the final roles; `facts` cover all spans of the window.

    `watch` is called after each pass.
    """
    state = initial_state(tree, classifications)
    for role_pass in _passes(facts, dialects):
        role_pass(state)
        if watch is not None:
            watch(role_pass, state)
    return state


def _passes(facts: Facts, dialects: Dialects) -> tuple[Pass, ...]:
    """Return the passes in order."""
    return (
        take_reported_failures,
        clear_errors_above_stops,
        attach_agent_bodies,
        infer_acting_agents,
        promote_enclosing_steps,
        inherit_agent_names,
        demote_wrapper_agents,
        resolve_polls,
        demote_retrievers,
        nest_beside_server_spans,
        demote_inner_server_spans,
        partial(infer_agents_by_service, agent_services=facts.agent_services),
        assign_named_calls,
        assign_calls_by_time,
        partial(demote_start_up_calls, facts=facts, names=dialects.start_up),
        infer_server_spans,
        partial(insert_servers_above_calls, agent_services=facts.agent_services),
        partial(split_server_tools, known=facts.mcp),
        pair_mcp_spans,
        partial(_pair_services, agent_services=facts.agent_services),
        resolve_workflows,
        resolve_gateways,
        demote_requests,
        deduplicate_calls,
        demote_client_halves,
        resolve_delegations,
        infer_delegations_by_time,
        number_unnamed_agents,
        partial(resolve_handoffs, agents=facts.agents),
        infer_handoffs_in_order,
        infer_succession,
        assign_usage_of_agents,
        partial(infer_requested_tools, facts=facts),
    )


def _pair_services(s: SpanState, agent_services: Container[object]) -> None:
    """Pair client and server spans, and drop those of transports and of unknown destinations."""
    halves = pair_client_server_spans(s)
    drop_transport_spans(s)
    exclude_unresolved_calls(s)
    insert_missing_servers(s, halves, agent_services)
