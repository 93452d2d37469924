"""Roles settled: the passes over a scene, in their order."""

from __future__ import annotations

from agentguard.discovery.agents import (
    act,
    adopt_bodies,
    agents_by_service,
    delegate_by_time,
    lend_names,
    promote_hosts,
    settle_delegations,
    settle_workflows,
    tell_unnamed_apart,
    unwrap_agents,
)
from agentguard.discovery.classification import Readings
from agentguard.discovery.deduplication import drop_doubles
from agentguard.discovery.handoffs import settle_handoffs
from agentguard.discovery.mcp import pair_mcp
from agentguard.discovery.missing_server_spans import enter_calling, find_origins
from agentguard.discovery.prescan import Survey
from agentguard.discovery.requested_tools import take_requests
from agentguard.discovery.services import (
    drop_transport,
    enter_services,
    pair_halves,
    set_unresolved_aside,
)
from agentguard.discovery.span_state import Scene, unsettled
from agentguard.discovery.spantree import SpanTree


def settle(tree: SpanTree, readings: Readings, seen: Survey) -> Scene:
    """Settle the roles. `seen`: what all spans of the window show."""
    settled = unsettled(tree, readings)
    adopt_bodies(settled)
    act(settled)
    promote_hosts(settled)
    lend_names(settled)
    unwrap_agents(settled)
    agents_by_service(settled, seen.hosts)
    enter_services(settled)
    enter_calling(settled, seen.hosts)
    pair_mcp(settled)
    halves = pair_halves(settled)
    drop_transport(settled)
    set_unresolved_aside(settled)
    find_origins(settled, halves, seen.hosts)
    settle_workflows(settled)
    drop_doubles(settled)
    settle_delegations(settled)
    delegate_by_time(settled)
    tell_unnamed_apart(settled)
    settle_handoffs(settled, seen.agents)
    take_requests(settled, seen)
    return settled
