"""Call ownership: finds the caller of each node at any distance above it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.kinds import TYPE_CODE, DependencyType
from agentguard.discovery.partial import I64, Mask, Proof
from agentguard.discovery.span_state import SpanState, nearest_ancestor

_HOLDERS = (
    Role.AGENT,
    Role.TOOL,
    Role.MCP_CLIENT,
    Role.MCP_SERVER,
    Role.SERVER,
    Role.CONSUMER,
    Role.WORKFLOW,
)
_SERVING_ROLES = (Role.SERVER, Role.CONSUMER)
_TOOLS = (Role.TOOL, Role.MCP_CLIENT, Role.MCP_SERVER)


@dataclass(slots=True)
class Owners:
    """Ownership of n spans; indexes are rows of spans."""

    holds: Mask
    """Whether a span can call others."""
    holder: I64
    """The nearest span above that can call others; -1: none."""
    above: I64
    """The nearest node above, of any role; -1: none."""
    source: I64
    """The caller; -1: none."""
    type: NDArray[np.int8]
    """Code of the DependencyType if the path to the caller decides it; -1: by the callee's role."""
    proof: NDArray[np.int8]
    via: NDArray[np.int32]
    """Code of the text between caller and callee; -1: none."""
    vias: dict[str, int]
    """Text → code."""
    relay: Mask
    """Whether the span is a consumer that only forwards messages to agents: not a call node."""
    pending: I64
    """For agents: the root consumer that started them, whose link leads to the caller; -1: none."""
    depth: I64
    """Number of holders above."""


def owners(s: SpanState) -> Owners:
    """Find the caller of every node."""
    holds = np.isin(s.role, _HOLDERS)
    holder = _skip_ended_runs(s, nearest_ancestor(s.parent, holds))
    nodes = ~np.isin(s.role, (Role.NONE, Role.STEP, Role.SETUP))
    c = Owners(
        holds=holds,
        holder=holder,
        above=nearest_ancestor(s.parent, nodes),
        source=holder.copy(),
        type=np.full(len(holder), -1, np.int8),
        proof=_proofs(s),
        via=np.full(len(holder), -1, np.int32),
        vias={},
        relay=_relays(s, holder),
        pending=np.full(len(holder), -1, np.int64),
        depth=_depth(holder),
    )
    c.type[(s.role == Role.WORKFLOW) & (holder >= 0)] = TYPE_CODE[DependencyType.STARTS]
    _services(s, c)
    _mcp(s, c)
    _agents(s, c)
    return c


def _proofs(s: SpanState) -> NDArray[np.int8]:
    proofs = np.full(len(s.role), Proof.STRUCTURE, np.int8)
    for row, proof in s.ownership.items():
        proofs[row] = proof
    weak = np.array([r.weak for r in s.classifications.by_shape], np.bool_)
    return np.where(weak[s.classifications.shape], np.maximum(proofs, Proof.SHAPE), proofs).astype(
        np.int8
    )


def _skip_ended_runs(s: SpanState, holder: I64) -> I64:
    """Reassign a model or tool call that belongs to no run to an outer, active agent run.

    Some frameworks leak the context of a finished run to the next step of the run around it. A call
    inside a span that started in time stays, because a stream outlives the run that returned it,
    and so does a call for whose run a tool still waits.
    """
    rows = _leaked_calls(s, holder)
    at = holder[rows]
    while True:
        ended = (at >= 0) & (s.role[at] == Role.AGENT) & (s.start[rows] >= s.end[at])
        if not ended.any():
            break
        at = np.where(ended, holder[at], at)
    running = (at >= 0) & (s.end[at] >= s.start[rows]) & (s.role[at] != Role.TOOL)
    adjusted = holder.copy()
    adjusted[rows[running]] = at[running]
    return adjusted


def _leaked_calls(s: SpanState, holder: I64) -> I64:
    """Return the calls whose outermost span below an agent run of their service started after it.

    Only runs with a duration count.
    """
    rows = _after_runs(s, holder)
    top = rows.copy()
    while len(top) and (below := s.parent[top] != holder[rows]).any():
        top = np.where(below, s.parent[top], top)
    leaked: I64 = rows[s.start[top] >= s.end[holder[rows]]]
    return leaked


def _after_runs(s: SpanState, holder: I64) -> I64:
    """Return the calls that start after the agent run above them, of their service, has ended."""
    rows, services = s.rows(Role.MODEL, Role.TOOL), s.services()
    rows = rows[~np.isin(rows, list(s.ownership)) & (holder[rows] >= 0)]
    run = holder[rows]
    ended = (s.start[rows] >= s.end[run]) & (s.end[run] > s.start[run])
    after: I64 = rows[ended & (s.role[run] == Role.AGENT) & (services[run] == services[rows])]
    return after


def _depth(holder: I64) -> I64:
    depth = np.zeros(len(holder), np.int64)
    at = holder.copy()
    while (at >= 0).any():
        depth[at >= 0] += 1
        at = np.where(at >= 0, holder[at], -1)
    return depth


def _relays(s: SpanState, holder: I64) -> Mask:
    """Return the consumers whose only direct callees are agent runs."""
    consumers = s.role == Role.CONSUMER
    nodes = np.flatnonzero(
        (holder >= 0) & ~np.isin(s.role, (Role.NONE, Role.STEP, Role.SETUP, Role.CONSUMER))
    )
    agents = np.zeros(len(holder), np.bool_)
    others = np.zeros(len(holder), np.bool_)
    is_agent = s.role[nodes] == Role.AGENT
    agents[holder[nodes[is_agent]]] = True
    others[holder[nodes[~is_agent]]] = True
    passages: Mask = consumers & agents & ~others
    return passages


def _services(s: SpanState, c: Owners) -> None:
    """Assign each service the service above it, across agents and tools, else its holder.

    Below the span of an MCP server it is the tool, its holder: the service above is the client's.
    """
    rows = s.rows(*_SERVING_ROLES)
    serving = np.isin(s.role, _SERVING_ROLES)
    above = nearest_ancestor(s.parent, serving | s.merged())[rows]
    c.source[rows] = np.where((above >= 0) & serving[above], above, c.holder[rows])
    for row in rows[s.role[rows] == Role.CONSUMER].tolist():
        if s.name(row):
            c.via[row] = _code(c, f"queue:{s.name(row)}")


def _mcp(s: SpanState, c: Owners) -> None:
    for row in s.rows(Role.MCP_CLIENT, Role.MCP_SERVER).tolist():
        if s.server.get(row):
            c.via[row] = _code(c, f"mcp:{s.server[row]}")


def _agents(s: SpanState, c: Owners) -> None:
    """Assign each agent run the agent, workflow or service that started it.

    Climbs through tools and at most one service boundary.
    """
    rows = s.rows(Role.AGENT)
    at = c.holder[rows].copy()
    crossed = np.zeros(len(rows), np.bool_)
    messaging = np.zeros(len(rows), np.bool_)
    while True:
        role = np.where(at >= 0, s.role[at], Role.NONE)
        tool = np.isin(role, _TOOLS)
        boundary = np.isin(role, _SERVING_ROLES) & ~crossed & (c.holder[at] >= 0)
        moving = tool | boundary
        if not moving.any():
            break
        _set_vias(s, c, rows[moving], at[moving], tool[moving])
        messaging |= boundary & (role == Role.CONSUMER)
        crossed |= boundary
        at = np.where(moving, c.holder[at], at)
    unresolved = (at >= 0) & (s.role[at] == Role.CONSUMER) & ~crossed
    c.pending[rows[unresolved]] = at[unresolved]
    at = np.where(unresolved & c.relay[np.maximum(at, 0)], -1, at)
    c.source[rows] = at
    c.type[rows[messaging]] = TYPE_CODE[DependencyType.MESSAGING]
    started = (at >= 0) & (s.role[at] == Role.WORKFLOW)
    c.type[rows[started]] = TYPE_CODE[DependencyType.STARTS]
    _assign_delegations(s, c)
    _assign_handoffs(s, c)


def _set_vias(s: SpanState, c: Owners, rows: I64, passed: I64, tool: Mask) -> None:
    """Record what lies between caller and callee; a tool takes precedence over a protocol."""
    _, first, inverse = np.unique(
        s.classifications.shape[passed], return_index=True, return_inverse=True
    )
    codes = np.array(
        [_code(c, _between(s, row, s.classification(row).name)) for row in passed[first].tolist()],
        np.int32,
    )[inverse]
    for position in np.flatnonzero(np.isin(passed, list(s.assigned))).tolist():
        row = int(passed[position])
        codes[position] = _code(c, _between(s, row, s.name(row)))
    noted = tool | (c.via[rows] < 0)
    c.via[rows[noted]] = codes[noted]


def _between(s: SpanState, row: int, name: str | None) -> str:
    if s.role[row] in _TOOLS:
        return f"tool:{name}"
    return f"queue:{name}" if s.role[row] == Role.CONSUMER and name else "http"


def _code(c: Owners, text: str) -> int:
    return c.vias.setdefault(text, len(c.vias))


def _assign_delegations(s: SpanState, c: Owners) -> None:
    for row, tool in s.delegated.items():
        c.via[row] = _code(c, f"tool:{tool}")
        if row in s.assigned:
            c.proof[row] = s.assigned[row].proof


def _assign_handoffs(s: SpanState, c: Owners) -> None:
    for row, (giver, via, proof) in s.handoffs.items():
        c.source[row] = giver
        c.type[row] = TYPE_CODE[DependencyType.HANDOFF]
        c.proof[row] = proof
        if via:
            c.via[row] = _code(c, f"tool:{via}")
