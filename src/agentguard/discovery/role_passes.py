"""Roles state: the passes over a scene, in their order."""

from __future__ import annotations

from agentguard.discovery.agents import (
    act,
    adopt_bodies,
    agents_by_service,
    delegate_by_time,
    lend_names,
    promote_hosts,
    resolve_delegations,
    resolve_workflows,
    tell_unnamed_apart,
    unwrap_agents,
)
from agentguard.discovery.classification import Readings
from agentguard.discovery.deduplication import drop_doubles
from agentguard.discovery.handoffs import resolve_handoffs
from agentguard.discovery.mcp import pair_mcp
from agentguard.discovery.missing_server_spans import enter_calling, find_origins
from agentguard.discovery.prescan import Prescan
from agentguard.discovery.requested_tools import take_requests
from agentguard.discovery.services import (
    drop_transport,
    enter_services,
    pair_halves,
    set_unresolved_aside,
)
from agentguard.discovery.span_state import SpanState, initial_state
from agentguard.discovery.spantree import SpanTree


def assign_roles(tree: SpanTree, readings: Readings, seen: Prescan) -> SpanState:
    """Settle the roles. `seen`: what all spans of the window show."""
    state = initial_state(tree, readings)
    adopt_bodies(state)
    act(state)
    promote_hosts(state)
    lend_names(state)
    unwrap_agents(state)
    agents_by_service(state, seen.hosts)
    enter_services(state)
    enter_calling(state, seen.hosts)
    pair_mcp(state)
    halves = pair_halves(state)
    drop_transport(state)
    set_unresolved_aside(state)
    find_origins(state, halves, seen.hosts)
    resolve_workflows(state)
    drop_doubles(state)
    resolve_delegations(state)
    delegate_by_time(state)
    tell_unnamed_apart(state)
    resolve_handoffs(state, seen.agents)
    take_requests(state, seen)
    return state
