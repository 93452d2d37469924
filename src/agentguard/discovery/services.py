"""Role passes for services: pairs client and server spans and drops transport spans."""

from __future__ import annotations

import numpy as np

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.partial import I64, Mask
from agentguard.discovery.span_state import SpanState, nearest_ancestor, nodes

SERVING_ROLES = (Role.SERVER, Role.CONSUMER)
CALLING_ROLES = (Role.CLIENT, Role.DATASTORE, Role.PRODUCER)
_REMOTE_ROLES = (Role.MODEL, Role.DATASTORE, Role.CLIENT, Role.PRODUCER, Role.MCP_CLIENT)


def service_codes(s: SpanState) -> I64:
    """Return a code for the service of each span; -1: unknown.

    A span without a service name inherits it from its parent, unless a call enters there.
    """
    known = has_service_name(s)
    above = nearest_ancestor(s.parent, known | np.isin(s.role, SERVING_ROLES))
    inherited = np.where((above >= 0) & known[above], s.services()[above], -1)
    return np.where(known, s.services(), np.where(np.isin(s.role, SERVING_ROLES), -1, inherited))


def has_service_name(s: SpanState) -> Mask:
    """Return which spans have a service name in their resource."""
    return np.array([bool(r.service) for r in s.classifications.by_shape], np.bool_)[
        s.classifications.shape
    ]


def has_peer_name(s: SpanState) -> Mask:
    """Return which spans name their peer."""
    peer_named = np.array([bool(r.name) for r in s.classifications.by_shape], np.bool_)[
        s.classifications.shape
    ]
    peer_named[[row for row, assigned in s.assigned.items() if assigned.name]] = True
    return peer_named


def crosses_services(s: SpanState, place: I64) -> Mask:
    """Return which spans are in another service than their parents."""
    differs: Mask = (
        (s.parent >= 0) & (place != place[s.parent]) & (place >= 0) & (place[s.parent] >= 0)
    )
    return differs


def infer_server_spans(s: SpanState) -> None:
    """Turn role-less spans whose parent is in another service into server spans.

    The root of such a trace becomes a server span too.
    """
    unassigned = (s.role == Role.NONE) & has_service_name(s)
    entering = unassigned & crosses_services(s, service_codes(s))
    top = nearest_ancestor(s.parent, s.parent < 0)[entering]
    s.role[entering] = Role.SERVER
    s.role[top[unassigned[top]]] = Role.SERVER


def pair_client_server_spans(s: SpanState) -> I64:
    """Merge each client span with the server span below it into one call; return the client spans.

    The server span represents the call; local spans may lie between. A client or producer without a
    peer name is also paired with a consumer.
    """
    above = nearest_ancestor(s.parent, nodes(s))
    serving = s.rows(*SERVING_ROLES)
    serving = serving[(above[serving] >= 0) & has_service_name(s)[serving]]
    unassigned = ~has_peer_name(s)[above[serving]]
    halves = (s.role[above[serving]] == Role.CLIENT) & (
        (s.role[serving] == Role.SERVER) | unassigned
    )
    halves |= (s.role[above[serving]] == Role.PRODUCER) & unassigned
    agents = s.rows(Role.AGENT)
    services, parent = s.services(), s.parent[agents]
    agents = agents[
        (parent >= 0) & (s.role[parent] == Role.CLIENT) & (services[parent] != services[agents])
    ]
    served = np.concatenate([serving[halves], agents])
    calling = np.concatenate([above[serving[halves]], s.parent[agents]])
    np.logical_or.at(s.failed, served, s.failed[calling])
    s.role[calling] = Role.STEP
    return calling


def drop_transport_spans(s: SpanState) -> None:
    """Drop HTTP and database spans below calls of models, brokers and MCP servers: transport.

    What an MCP server calls for its client is not: that is the work of its tool. A message that a
    broker's SDK sends for a span above it, to the same queue, is that message.
    """
    merged = s.merged()
    while True:
        above = nearest_ancestor(s.parent, nodes(s) | merged)
        inner = s.rows(Role.CLIENT, Role.DATASTORE)
        inner = inner[above[inner] >= 0]
        transport = inner[np.isin(s.role[above[inner]], _REMOTE_ROLES)]
        transport = np.concatenate([transport, _sent_twice(s, above)])
        if not len(transport):
            return
        s.role[transport] = Role.STEP


def _sent_twice(s: SpanState, above: I64) -> I64:
    inner = s.rows(Role.PRODUCER)
    inner = inner[(above[inner] >= 0) & (s.role[above[inner]] == Role.PRODUCER)]
    same = [s.name(row) == s.name(int(above[row])) for row in inner.tolist()]
    twice: I64 = inner[np.array(same, np.bool_)]
    return twice


def exclude_unresolved_calls(s: SpanState) -> None:
    """Count client and producer spans without a peer name as unresolved and drop them."""
    rows = s.rows(Role.CLIENT, Role.PRODUCER)
    s.unresolved = rows[~has_peer_name(s)[rows]]
    s.role[s.unresolved] = Role.STEP
