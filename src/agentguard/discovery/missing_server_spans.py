"""Inserts server spans for services that make calls but have no server span of their own."""

from __future__ import annotations

from collections.abc import Container

import numpy as np

from agentguard.discovery.classification import Classification
from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.inserted_spans import insert_above
from agentguard.discovery.naming import clean, is_agent_name
from agentguard.discovery.partial import I64, Mask, Proof
from agentguard.discovery.services import (
    CALLING_ROLES,
    SERVING_ROLES,
    crosses_services,
    service_codes,
)
from agentguard.discovery.span_state import AssignedRole, SpanState, nearest_ancestor

RULE = "calls-out"
_HOLDERS = (
    Role.AGENT,
    Role.DELEGATION,
    Role.TOOL,
    Role.MCP_CLIENT,
    Role.MCP_SERVER,
    Role.SERVER,
    Role.CONSUMER,
    Role.WORKFLOW,
)


def insert_servers_above_calls(s: SpanState, agent_services: Container[object]) -> None:
    """Insert a server span above calls whose parent span is in another service.

    The service was called, but did not record its server span.
    """
    entering = np.flatnonzero(
        crosses_services(s, service_codes(s)) & np.isin(s.role, CALLING_ROLES)
    )
    _insert_server_spans(s, entering, agent_services)


def insert_missing_servers(s: SpanState, halves: I64, agent_services: Container[object]) -> None:
    """Find the server span of calls that no span in their service owns.

    The topmost span of the service becomes a server span, or gets one above it. `halves` are the
    client spans that were paired with server spans.
    """
    place = service_codes(s)
    crosses = (s.parent >= 0) & (place != place[s.parent])
    local = np.where(crosses, -1, s.parent)
    entered = np.flatnonzero(crosses_services(s, place) & np.isin(s.role, SERVING_ROLES))
    calling = np.unique(np.concatenate([s.rows(*CALLING_ROLES), s.parent[entered], halves]))
    calling = calling[(place[calling] >= 0) & ~_held(s, local)[calling]]
    top = np.where(local >= 0, nearest_ancestor(local, local < 0), np.arange(len(local)))
    tops = np.unique(top[calling])
    unassigned = s.role[tops] == Role.NONE
    s.role[tops[unassigned]] = Role.SERVER
    _insert_server_spans(s, tops[~unassigned], agent_services)


def _held(s: SpanState, local: I64) -> Mask:
    """Return which spans have an owner; `local`: their parents within their service."""
    holds = np.isin(s.role, _HOLDERS) | s.merged()
    found: Mask = holds | (nearest_ancestor(local, holds) >= 0)
    return found


def _insert_server_spans(s: SpanState, rows: I64, agent_services: Container[object]) -> None:
    """Insert a server span above each of these spans, which serves as its evidence."""
    if not len(rows):
        return
    added = insert_above(s, rows, _server_classification)
    _promote_agent_services(s, added, agent_services)


def _server_classification(of: Classification) -> Classification:
    return Classification(
        role=Role.SERVER,
        service=of.service,
        environment=of.environment,
        scope=of.scope,
        span_name=of.span_name,
        route=of.route,
        rule=RULE,
        attributes=of.attributes,
    )


def _promote_agent_services(s: SpanState, added: I64, agent_services: Container[object]) -> None:
    """Turn inserted spans into agents if the service has an agent's name, see agents."""
    for row in added.tolist():
        service = s.classification(row).service
        if service not in agent_services and is_agent_name(service):
            s.role[row] = Role.AGENT
            s.assigned[row] = AssignedRole(clean(service), "service-name", Proof.SERVICE_NAME)
