"""Services and the halves of their calls."""

from __future__ import annotations

import numpy as np

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.partial import I64, Mask
from agentguard.discovery.span_state import SpanState, nearest, nodes

DOORS = (Role.SERVER, Role.CONSUMER)
CALLS = (Role.CLIENT, Role.DATASTORE, Role.PRODUCER)
_LEAVES = (Role.MODEL, Role.DATASTORE, Role.CLIENT, Role.PRODUCER, Role.MCP_CLIENT)


def places(s: SpanState) -> I64:
    """Return a code for each span's service; -1: nobody knows.

    A span that names none is where its parent is, unless something came in there.
    """
    known = named(s)
    above = nearest(s.parent, known | np.isin(s.role, DOORS))
    inherited = np.where((above >= 0) & known[above], s.services()[above], -1)
    return np.where(known, s.services(), np.where(np.isin(s.role, DOORS), -1, inherited))


def named(s: SpanState) -> Mask:
    """Say which spans' resources name a service."""
    return np.array([bool(r.service) for r in s.readings.readings], np.bool_)[s.readings.shape]


def tells_peer(s: SpanState) -> Mask:
    """Say which spans tell what is at the other end."""
    told = np.array([bool(r.name) for r in s.readings.readings], np.bool_)[s.readings.shape]
    told[[row for row, given in s.given.items() if given.name]] = True
    return told


def crossing(s: SpanState, place: I64) -> Mask:
    """Say which spans are in another service than their parents."""
    differs: Mask = (
        (s.parent >= 0) & (place != place[s.parent]) & (place >= 0) & (place[s.parent] >= 0)
    )
    return differs


def enter_services(s: SpanState) -> None:
    """A span without a role whose parent is in another service was called from there, and the
    trace's root serves too.
    """
    silent = (s.role == Role.NONE) & named(s)
    entering = silent & crossing(s, places(s))
    top = nearest(s.parent, s.parent < 0)[entering]
    s.role[entering] = Role.SERVER
    s.role[top[silent[top]]] = Role.SERVER


def pair_halves(s: SpanState) -> I64:
    """A client half with its server half below it is one call, which the server half shows better.

    Return the client halves.

    Local spans may lie between. A client or producer that names no peer is also the calling half of
    a consumer.
    """
    above = nearest(s.parent, nodes(s))
    doors = s.rows(*DOORS)
    doors = doors[(above[doors] >= 0) & named(s)[doors]]
    silent = ~tells_peer(s)[above[doors]]
    halves = (s.role[above[doors]] == Role.CLIENT) & ((s.role[doors] == Role.SERVER) | silent)
    halves |= (s.role[above[doors]] == Role.PRODUCER) & silent
    agents = s.rows(Role.AGENT)
    services, parent = s.services(), s.parent[agents]
    agents = agents[
        (parent >= 0) & (s.role[parent] == Role.CLIENT) & (services[parent] != services[agents])
    ]
    served = np.concatenate([doors[halves], agents])
    calling = np.concatenate([above[doors[halves]], s.parent[agents]])
    np.logical_or.at(s.failed, served, s.failed[calling])
    s.role[calling] = Role.STEP
    return calling


def drop_transport(s: SpanState) -> None:
    """A model's, broker's or MCP server's HTTP and database spans are how it was reached, not calls
    of their own.
    """
    while True:
        above = nearest(s.parent, nodes(s))
        inner = s.rows(Role.CLIENT, Role.DATASTORE)
        inner = inner[above[inner] >= 0]
        carried = inner[np.isin(s.role[above[inner]], _LEAVES)]
        if not len(carried):
            return
        s.role[carried] = Role.STEP


def set_unresolved_aside(s: SpanState) -> None:
    """A call of which nobody tells where it went is counted, and makes no component."""
    rows = s.rows(Role.CLIENT, Role.PRODUCER)
    s.unresolved = rows[~tells_peer(s)[rows]]
    s.role[s.unresolved] = Role.STEP
