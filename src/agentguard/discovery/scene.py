"""Spans with their roles settled: halves paired, agents without spans of their own given one, doubles told apart.

A *node* is a span with a role of its own; all others are transparent. Every function here works on arrays over spans.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import clean, folded, names_an_agent, undated
from agentguard.discovery.partial import I64, Mask, Proof
from agentguard.discovery.reading import Reading, Readings
from agentguard.discovery.spantree import SpanTree

_PLAIN = (Role.NONE, Role.STEP, Role.SETUP)
_LEAVES = (Role.MODEL, Role.DATASTORE, Role.CLIENT, Role.PRODUCER, Role.MCP_CLIENT)
_DOUBLED = (Role.AGENT, Role.TOOL, Role.MODEL)


@dataclass(frozen=True, slots=True)
class Given:
    """A role that a span has by its place among others, not by what it says itself."""

    name: str | None
    rule: str
    proof: Proof


@dataclass(slots=True)
class Scene:
    """n spans, being settled."""

    tree: SpanTree
    readings: Readings
    role: NDArray[np.int8]
    parent: I64
    start: I64
    end: I64
    failed: Mask
    timed: Mask
    """Whether the end is known; where it is not, it stands as the start."""
    tokens: tuple[I64, I64]
    given: dict[int, Given] = field(default_factory=dict)
    server: dict[int, str] = field(default_factory=dict)
    """MCP call → the server's name."""
    delegated: dict[int, str] = field(default_factory=dict)
    """Agent run → the tool that it was delegated through"""
    nested: dict[int, int] = field(default_factory=dict)
    """Agent run without a name → how many such runs enclose it"""
    handoffs: dict[int, tuple[int, str | None, Proof]] = field(default_factory=dict)
    """Agent run → (the giver's run, via, proof)."""
    unmet: list[tuple[int, int]] = field(default_factory=list)
    """Handoffs whose receiver never ran: (marker, giver's run)."""

    def reading(self, row: int) -> Reading:
        """What this span says of itself."""
        return self.readings.readings[int(self.readings.shape[row])]

    def name(self, row: int) -> str | None:
        """The name of the component that this span stands for."""
        return self.given[row].name if row in self.given else self.reading(row).name

    def services(self) -> I64:
        """A code for each span's service."""
        codes: dict[str, int] = {}
        return np.array([codes.setdefault(r.service, len(codes)) for r in self.readings.readings], np.int64)[self.readings.shape]

    def rows(self, *roles: Role) -> I64:
        """The spans that have one of the roles."""
        return np.flatnonzero(np.isin(self.role, roles))


def scene(tree: SpanTree, readings: Readings, hosts: frozenset[str]) -> Scene:
    """Settle the roles. `hosts`: services known to run agents that have spans of their own."""
    settled = _scene(tree, readings)
    _adopt_bodies(settled)
    _act(settled)
    _agents_by_service(settled, hosts)
    _enter_services(settled)
    _pair_mcp(settled)
    _pair_halves(settled)
    _settle_workflows(settled)
    _drop_transport(settled)
    _drop_doubles(settled)
    _settle_delegations(settled)
    _tell_unnamed_apart(settled)
    _settle_handoffs(settled)
    return settled


def nearest(parent: I64, mask: Mask) -> I64:
    """Return, for each span, the nearest span above it (not itself) where the mask holds; -1 where there is none."""
    rows = np.arange(len(parent))
    jump = np.where(mask | (parent < 0), rows, parent)
    while True:
        further = jump[jump]
        if (further == jump).all():
            break
        jump = further
    above = np.where(parent >= 0, jump[parent], -1)
    return np.where((above >= 0) & mask[above], above, -1)


def _scene(tree: SpanTree, readings: Readings) -> Scene:
    fails = np.array([-1 if r.fails is None else int(r.fails) for r in readings.readings], np.int8)[readings.shape]
    failed = tree.spans.column("failed").to_numpy(zero_copy_only=False)
    start, end, into, out = (_numbers(tree.spans, key) for key in ("start", "end", "input_tokens", "output_tokens"))
    failing = np.where(fails < 0, failed, fails > 0)
    return Scene(tree, readings, readings.roles(), tree.parent.copy(), start, np.maximum(start, end), failing, end > 0, (into, out))


def _numbers(spans: pa.Table, key: str) -> I64:
    numbers: I64 = spans.column(key).to_numpy().copy()
    return numbers


def _nodes(s: Scene) -> Mask:
    return ~np.isin(s.role, _PLAIN)


def _by_time(s: Scene, rows: I64) -> list[int]:
    return [int(row) for row in rows[np.lexsort((rows, s.start[rows]))]]


def _adopt_bodies(s: Scene) -> None:
    """An agent's span that is an empty leaf takes the step of its name beside it as its body."""
    bodies = {i for i, r in enumerate(s.readings.readings) if r.body}
    if not bodies:
        return
    steps = np.flatnonzero(np.isin(s.readings.shape, list(bodies)) & (s.parent >= 0))
    waiting: dict[tuple[int, str], list[int]] = {}
    for row in _by_time(s, steps):
        waiting.setdefault((int(s.parent[row]), folded(s.reading(row).body or "")), []).append(row)
    agents = s.rows(Role.AGENT)
    leaves = agents[np.bincount(s.parent[s.parent >= 0], minlength=len(s.parent))[agents] == 0]
    for agent in _by_time(s, leaves):
        beside = waiting.get((int(s.parent[agent]), folded(s.reading(agent).name or "")), [])
        body = next((row for row in beside if s.start[agent] <= s.start[row] <= s.end[agent]), None)
        if body is not None:
            beside.remove(body)
            s.parent[body] = agent


def _act(s: Scene) -> None:
    """Where no span stands for an agent but steps name who acts, the first step of each stretch stands for the agent's run."""
    shapes = [i for i, r in enumerate(s.readings.readings) if r.acting or r.acting_follows]
    if not shapes:
        return
    beside: dict[int, list[int]] = {}
    for row in _by_time(s, np.flatnonzero(np.isin(s.readings.shape, shapes) & (s.parent >= 0))):
        beside.setdefault(int(s.parent[row]), []).append(row)
    for steps in beside.values():
        leader = -1
        for row in steps:
            acting = s.reading(row).acting
            if acting and (leader < 0 or folded(acting) != folded(s.given[leader].name or "")):
                leader = row
                s.role[row] = Role.AGENT
                s.given[row] = Given(acting, f"{s.reading(row).rule} (acting)", Proof.TEXT)
            elif leader >= 0:
                s.parent[row] = leader
                s.end[leader] = max(s.end[leader], s.end[row])
                s.timed[leader] |= s.timed[row]
                s.failed[leader] |= s.failed[row]


def _agents_by_service(s: Scene, hosts: frozenset[str]) -> None:
    """A service whose name says agent, and in which no agent has a span of its own, is one: its entries are its runs."""
    named = np.array([names_an_agent(r.service) and r.service not in hosts for r in s.readings.readings], np.bool_)
    if not named.any():
        return
    services = s.services()
    entering = (s.parent < 0) | (services[s.parent] != services)
    for row in np.flatnonzero(
        entering & named[s.readings.shape] & np.isin(s.role, (Role.NONE, Role.STEP, Role.SERVER, Role.WORKFLOW))
    ).tolist():
        s.role[row] = Role.AGENT
        s.given[row] = Given(clean(s.reading(row).service), "service-name", Proof.SERVICE_NAME)


def _enter_services(s: Scene) -> None:
    """A span without a role whose parent is in another service was called from there, and the trace's root serves too."""
    services = s.services()
    named = np.array([bool(r.service) for r in s.readings.readings], np.bool_)[s.readings.shape]
    silent = (s.role == Role.NONE) & named
    entering = silent & (s.parent >= 0) & (services[s.parent] != services) & named[s.parent]
    top = nearest(s.parent, s.parent < 0)[entering]
    s.role[entering] = Role.SERVER
    s.role[top[silent[top]]] = Role.SERVER


def _pair_mcp(s: Scene) -> None:
    """The server half of an MCP call names the server and the tool; what lies between the halves is transport."""
    for row in s.rows(Role.MCP_SERVER).tolist():
        between, above = [], int(s.parent[row])
        while above >= 0 and s.role[above] in (*_PLAIN, Role.CLIENT, Role.SERVER):
            between.append(above)
            above = int(s.parent[above])
        if above >= 0 and s.role[above] == Role.MCP_CLIENT and above not in s.server:
            s.role[between] = Role.STEP
            s.role[row] = Role.STEP
            s.failed[above] |= s.failed[row]
            s.server[above] = s.reading(row).service
            s.given[above] = Given(s.name(row) or s.name(above), s.reading(row).rule, Proof.ATTRIBUTE)
        else:
            s.server[row] = s.reading(row).service
    for row in s.rows(Role.MCP_CLIENT).tolist():
        told = s.reading(row).server
        if row not in s.server and told:
            s.server[row] = told


def _pair_halves(s: Scene) -> None:
    """A client half with its server half below it is one call, which the server half shows better."""
    servers = s.rows(Role.SERVER, Role.AGENT)
    above = s.parent[servers]
    services = s.services()
    paired = (above >= 0) & (s.role[above] == Role.CLIENT)
    paired &= (s.role[servers] == Role.SERVER) | (services[above] != services[servers])
    np.logical_or.at(s.failed, servers[paired], s.failed[above[paired]])
    s.role[above[paired]] = Role.STEP


def _settle_workflows(s: Scene) -> None:
    """Only the root of a trace is a workflow; a root that is nothing else, above nodes, is one too."""
    above = nearest(s.parent, _nodes(s))
    inner = s.rows(Role.WORKFLOW)
    for row in inner[above[inner] >= 0].tolist():
        wrapper = int(above[row])
        if s.role[wrapper] == Role.AGENT and s.parent[wrapper] < 0 and folded(s.name(wrapper) or "") == folded(s.name(row) or "-"):
            s.role[wrapper] = Role.WORKFLOW
        s.role[row] = Role.STEP
    roots = np.flatnonzero((s.parent < 0) & ~s.tree.orphan & np.isin(s.role, (Role.NONE, Role.STEP)))
    if len(roots):
        top = nearest(s.parent, s.parent < 0)
        with_nodes = np.unique(top[_nodes(s) & (top >= 0)])
        for row in np.intersect1d(roots, with_nodes).tolist():
            s.role[row] = Role.WORKFLOW
            if not s.reading(row).name:
                s.given[row] = Given(clean(s.reading(row).span_name), "trace-root", Proof.STRUCTURE)


def _drop_transport(s: Scene) -> None:
    """A model's, broker's or MCP server's HTTP and database spans are how it was reached, not calls of their own."""
    while True:
        above = nearest(s.parent, _nodes(s))
        inner = s.rows(Role.CLIENT, Role.DATASTORE)
        inner = inner[above[inner] >= 0]
        carried = inner[np.isin(s.role[above[inner]], _LEAVES)]
        if not len(carried):
            return
        s.role[carried] = Role.STEP


def _labels(s: Scene) -> I64:
    """Return a code for the role and name that a span stands for; -1: it has no name."""
    codes: dict[tuple[int, str], int] = {}
    each = [codes.setdefault((r.role, folded(undated(r.name))), len(codes)) if r.name else -1 for r in s.readings.readings]
    labels = np.array(each, np.int64)[s.readings.shape]
    for row, given in s.given.items():
        labels[row] = codes.setdefault((int(s.role[row]), folded(undated(given.name))), len(codes)) if given.name else -1
    return labels


def _drop_doubles(s: Scene) -> None:
    """A call recorded by a wrapper and inside it, or by two instrumentations side by side, counts once."""
    _unwrap_tools(s)
    labels = _labels(s)
    above = nearest(s.parent, _nodes(s))
    inner = np.flatnonzero(np.isin(s.role, _DOUBLED) & (above >= 0))
    outer = above[inner]
    same = (s.role[inner] == s.role[outer]) & (labels[inner] == labels[outer]) & (labels[inner] >= 0)
    same |= (s.role[inner] == s.role[outer]) & (s.role[inner] == Role.MODEL) & ((labels[inner] < 0) | (labels[outer] < 0))
    inner, outer = inner[same], outer[same]
    tries = np.bincount(outer, minlength=len(s.role))
    attempts = (tries[outer] > 1) & (s.role[outer] == Role.MODEL)
    s.role[outer[attempts]] = Role.STEP
    _fold(s, inner[~attempts], outer[~attempts])
    _fold(s, *_beside(s, labels))


def _fold(s: Scene, inner: I64, outer: I64) -> None:
    """Make the inner spans transparent; their failures and tokens count for the outermost."""
    top = np.arange(len(s.role))
    top[inner] = outer
    while not (top[top] == top).all():
        top = top[top]
    np.logical_or.at(s.failed, top[inner], s.failed[inner])
    for tokens in s.tokens:
        np.maximum.at(tokens, top[inner], tokens[inner])
    named = np.array(
        [s.name(row) is None and s.name(child) is not None for row, child in zip(outer.tolist(), inner.tolist(), strict=True)], np.bool_
    )
    for row, child in zip(outer[named].tolist(), inner[named].tolist(), strict=True):
        s.given[row] = Given(s.name(child), s.reading(child).rule, Proof.ATTRIBUTE)
    s.role[inner] = Role.STEP


def _unwrap_tools(s: Scene) -> None:
    """A framework's tool span around the MCP call of the same tool is a wrapper: the MCP call knows the server."""
    calls = s.rows(Role.MCP_CLIENT, Role.MCP_SERVER)
    above = nearest(s.parent, _nodes(s))
    for row in calls[above[calls] >= 0].tolist():
        wrapper = int(above[row])
        if s.role[wrapper] == Role.TOOL and folded(s.name(wrapper) or "") == folded(s.name(row) or "-"):
            s.role[wrapper] = Role.STEP
            s.failed[row] |= s.failed[wrapper]


def _beside(s: Scene, labels: I64) -> tuple[I64, I64]:
    """Return spans that repeat a sibling's call: same callee at the same time, seen by another instrumentation."""
    rows = np.flatnonzero(np.isin(s.role, (Role.TOOL, Role.MODEL)) & (labels >= 0) & (s.parent >= 0))
    above = nearest(s.parent, _nodes(s))
    rows = rows[np.lexsort((rows, s.start[rows], labels[rows], above[rows]))]
    first, second = rows[:-1], rows[1:]
    scopes: dict[str, int] = {}
    scope = np.array([scopes.setdefault(r.scope, len(scopes)) for r in s.readings.readings], np.int64)[s.readings.shape]
    doubled = (above[first] == above[second]) & (labels[first] == labels[second]) & (scope[first] != scope[second])
    doubled &= (s.start[second] < s.end[first]) & (s.parent[first] == s.parent[second])
    return second[doubled], first[doubled]


def _settle_delegations(s: Scene) -> None:
    """A delegating tool is the agent's run itself where the agent has no span behind or beside it; otherwise a tool."""
    rows = s.rows(Role.DELEGATION)
    if not len(rows):
        return
    above = nearest(s.parent, _nodes(s))
    agents: dict[int, list[int]] = {}
    for agent in s.rows(Role.AGENT).tolist():
        if above[agent] >= 0:
            agents.setdefault(int(above[agent]), []).append(agent)
    for row in rows.tolist():
        target = s.reading(row).target
        beside = [a for a in agents.get(int(above[row]), ()) if s.start[row] <= s.start[a] and s.end[a] <= s.end[row]]
        found = [a for a in (*agents.get(row, ()), *beside) if not target or folded(s.name(a) or "") == folded(target)]
        if found or not target:
            s.role[row] = Role.TOOL
            s.delegated.update({agent: s.reading(row).name or "" for agent in found})
        else:
            s.role[row] = Role.AGENT
            s.given[row] = Given(target, s.reading(row).rule, Proof.TEXT)
            s.delegated[row] = s.reading(row).name or ""


def _tell_unnamed_apart(s: Scene) -> None:
    """Agents without names are told apart by how deep they stand in each other."""
    unnamed = np.zeros(len(s.role), np.bool_)
    unnamed[[row for row in s.rows(Role.AGENT).tolist() if not s.name(row)]] = True
    above = nearest(s.parent, unnamed)
    for row in np.flatnonzero(unnamed).tolist():
        level, at = 0, int(above[row])
        while at >= 0:
            level, at = level + 1, int(above[at])
        if level:
            s.nested[row] = level


def _settle_handoffs(s: Scene) -> None:
    """The next run of a handoff's target, not earlier than the handoff, is its receiver."""
    markers = s.rows(Role.HANDOFF)
    if not len(markers):
        return
    giver_of = nearest(s.parent, s.role == Role.AGENT)
    waiting: dict[tuple[bytes, str], list[int]] = {}
    for row in _by_time(s, s.rows(Role.AGENT)):
        waiting.setdefault((s.tree.trace[row].tobytes(), folded(s.name(row) or "")), []).append(row)
    for marker in _by_time(s, markers):
        giver, target = int(giver_of[marker]), s.reading(marker).target
        if giver < 0 or not target:
            s.role[marker] = Role.STEP
            continue
        receivers = waiting.get((s.tree.trace[marker].tobytes(), folded(target)), [])
        receiver = next((row for row in receivers if s.start[row] >= s.start[marker] and row != giver), None)
        if receiver is None:
            s.unmet.append((marker, giver))
        else:
            receivers.remove(receiver)
            s.handoffs[receiver] = (giver, s.reading(marker).name, Proof.SIBLING)
        s.role[marker] = Role.STEP
