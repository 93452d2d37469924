"""Services and the halves of their calls."""

from __future__ import annotations

import numpy as np

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.scene import Scene, nearest, nodes

_LEAVES = (Role.MODEL, Role.DATASTORE, Role.CLIENT, Role.PRODUCER, Role.MCP_CLIENT)


def enter_services(s: Scene) -> None:
    """A span without a role whose parent is in another service was called from there, and the trace's root serves too."""
    services = s.services()
    named = np.array([bool(r.service) for r in s.readings.readings], np.bool_)[s.readings.shape]
    silent = (s.role == Role.NONE) & named
    entering = silent & (s.parent >= 0) & (services[s.parent] != services) & named[s.parent]
    top = nearest(s.parent, s.parent < 0)[entering]
    s.role[entering] = Role.SERVER
    s.role[top[silent[top]]] = Role.SERVER


def pair_halves(s: Scene) -> None:
    """A client half with its server half below it is one call, which the server half shows better."""
    servers = s.rows(Role.SERVER, Role.AGENT)
    above = s.parent[servers]
    services = s.services()
    paired = (above >= 0) & (s.role[above] == Role.CLIENT)
    paired &= (s.role[servers] == Role.SERVER) | (services[above] != services[servers])
    np.logical_or.at(s.failed, servers[paired], s.failed[above[paired]])
    s.role[above[paired]] = Role.STEP


def drop_transport(s: Scene) -> None:
    """A model's, broker's or MCP server's HTTP and database spans are how it was reached, not calls of their own."""
    while True:
        above = nearest(s.parent, nodes(s))
        inner = s.rows(Role.CLIENT, Role.DATASTORE)
        inner = inner[above[inner] >= 0]
        carried = inner[np.isin(s.role[above[inner]], _LEAVES)]
        if not len(carried):
            return
        s.role[carried] = Role.STEP
