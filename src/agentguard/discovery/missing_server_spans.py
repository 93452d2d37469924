"""Services that call although no span of theirs was called.

Each call needs somebody who makes it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from agentguard.discovery.classification import Reading, Readings
from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import clean, names_an_agent
from agentguard.discovery.partial import I64, Proof
from agentguard.discovery.services import CALLS, DOORS, crossing, places
from agentguard.discovery.span_state import Given, SpanState, nearest

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


def enter_calling(s: SpanState, hosts: frozenset[str]) -> None:
    """A call out of another service than its parent's.

    Somebody had called that service, and its own span is not there.
    """
    entering = np.flatnonzero(crossing(s, places(s)) & np.isin(s.role, CALLS))
    _stand_in(s, entering, hosts)


def find_origins(s: SpanState, halves: I64, hosts: frozenset[str]) -> None:
    """Where nothing in a service holds the calls that it makes, its uppermost span stands for it,
    or one put above it does.

    `halves`: the calling halves that were paired with their server halves.
    """
    place = places(s)
    apart = (s.parent >= 0) & (place != place[s.parent])
    local = np.where(apart, -1, s.parent)
    entered = np.flatnonzero(crossing(s, place) & np.isin(s.role, DOORS))
    calling = np.unique(np.concatenate([s.rows(*CALLS), s.parent[entered], halves]))
    holds = np.isin(s.role, _HOLDERS)
    held = holds | (nearest(local, holds) >= 0)
    calling = calling[(place[calling] >= 0) & ~held[calling]]
    top = np.where(local >= 0, nearest(local, local < 0), np.arange(len(local)))
    tops = np.unique(top[calling])
    silent = s.role[tops] == Role.NONE
    s.role[tops[silent]] = Role.SERVER
    _stand_in(s, tops[~silent], hosts)


def _stand_in(s: SpanState, rows: I64, hosts: frozenset[str]) -> None:
    """Put above each of these spans one that stands for its service.

    The span itself is what proves it.
    """
    if not len(rows):
        return
    count = len(s.role)
    added = np.arange(count, count + len(rows))
    shapes, inverse = np.unique(s.readings.shape[rows], return_inverse=True)
    readings = [_reading(s.readings.readings[shape]) for shape in shapes.tolist()]
    above = s.parent[rows]
    failed = s.failed[rows] & (above < 0)
    s.readings = Readings(
        np.concatenate([s.readings.shape, len(s.readings.readings) + inverse]),
        [*s.readings.readings, *readings],
    )
    s.tree = replace(
        s.tree,
        trace=np.concatenate([s.tree.trace, s.tree.trace[rows]]),
        span=np.concatenate([s.tree.span, s.tree.span[rows]]),
        orphan=np.concatenate([s.tree.orphan, s.tree.orphan[rows]]),
    )
    s.parent[rows] = added
    s.parent = np.concatenate([s.parent, above])
    s.role = np.concatenate([s.role, np.full(len(rows), Role.SERVER, np.int8)])
    s.start, s.end = (np.concatenate([times, times[rows]]) for times in (s.start, s.end))
    s.failed = np.concatenate([s.failed, failed])
    s.timed = np.concatenate([s.timed, np.zeros(len(rows), np.bool_)])
    s.tokens = (np.pad(s.tokens[0], (0, len(rows))), np.pad(s.tokens[1], (0, len(rows))))
    _name_agents(s, added, hosts)


def _reading(of: Reading) -> Reading:
    return Reading(
        role=Role.SERVER,
        service=of.service,
        environment=of.environment,
        scope=of.scope,
        span_name=of.span_name,
        rule=RULE,
        attributes=of.attributes,
    )


def _name_agents(s: SpanState, added: I64, hosts: frozenset[str]) -> None:
    """A service whose name says agent is one here too, see agents.agents_by_service."""
    for row in added.tolist():
        service = s.reading(row).service
        if service not in hosts and names_an_agent(service):
            s.role[row] = Role.AGENT
            s.given[row] = Given(clean(service), "service-name", Proof.SERVICE_NAME)
