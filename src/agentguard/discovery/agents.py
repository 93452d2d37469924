"""Agents, their delegations and workflows: who runs, where its own span does not say so."""

from __future__ import annotations

import re
from bisect import bisect_right

import numpy as np

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import clean, folded, names_an_agent, telling_words
from agentguard.discovery.partial import Proof
from agentguard.discovery.span_state import (
    PLAIN,
    Given,
    SpanState,
    by_time,
    is_below,
    nearest,
    nodes,
)

_BESIDE = 32
"""Calls of a tool that may be under way at one time, among which the one around a run is looked
for.
"""
_METHOD = re.compile(
    r"(?<=\w)\.(?:a?run|a?invoke|a?forward|a?call|__call__|a?stream|kickoff(?:_async)?|execute|workflow|task)$"
)
"""A method behind the name of what was called."""


def adopt_bodies(s: SpanState) -> None:
    """An agent's span that is an empty leaf takes the step of its name beside it as its body."""
    bodies = {i for i, r in enumerate(s.readings.readings) if r.body}
    if not bodies:
        return
    steps = np.flatnonzero(np.isin(s.readings.shape, list(bodies)) & (s.parent >= 0))
    waiting: dict[tuple[int, str], list[int]] = {}
    for row in by_time(s, steps):
        waiting.setdefault((int(s.parent[row]), folded(s.reading(row).body or "")), []).append(row)
    agents = s.rows(Role.AGENT)
    leaves = agents[np.bincount(s.parent[s.parent >= 0], minlength=len(s.parent))[agents] == 0]
    for agent in by_time(s, leaves):
        beside = waiting.get((int(s.parent[agent]), folded(s.reading(agent).name or "")), [])
        body = next((row for row in beside if s.start[agent] <= s.start[row] <= s.end[agent]), None)
        if body is not None:
            beside.remove(body)
            s.parent[body] = agent


def act(s: SpanState) -> None:
    """Where no span stands for an agent but steps name who acts, the first step of each stretch
    stands for the agent's run.
    """
    shapes = [i for i, r in enumerate(s.readings.readings) if r.acting or r.acting_follows]
    if not shapes:
        return
    beside: dict[int, list[int]] = {}
    family = s.families()
    for row in by_time(s, np.flatnonzero(np.isin(s.readings.shape, shapes) & (family != -1))):
        beside.setdefault(int(family[row]), []).append(row)
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
                s.failed[leader] |= s.failed[row] and s.role[row] in PLAIN


def promote_hosts(s: SpanState) -> None:
    """What encloses the steps of an agent's loop is that agent.

    So is a step that calls a model itself, where no agent runs above.

    An agent further up with a tool in between does not count: that is another agent behind a tool.
    """
    _promote_parents(s)
    hosts = {i for i, r in enumerate(s.readings.readings) if r.hosts}
    host = np.isin(s.readings.shape, list(hosts)) & np.isin(s.role, (Role.STEP, Role.NONE))
    if not host.any():
        return
    runs = np.isin(s.role, (Role.AGENT, Role.TOOL, Role.DELEGATION, Role.MCP_CLIENT))
    holder, run = nearest(s.parent, host | runs), nearest(s.parent, runs)
    calling = {int(row) for row in holder[s.rows(Role.MODEL)]}
    using = {int(row) for row in holder[s.rows(Role.TOOL, Role.MCP_CLIENT, Role.DELEGATION)]}
    for row in sorted(calling - {-1}):
        free = host[row] and (run[row] < 0 or s.role[run[row]] != Role.AGENT)
        if free and (row in using or not s.reading(row).hosts_tools):
            s.role[row] = Role.AGENT
            s.given[row] = Given(
                s.reading(row).hosts, f"{s.reading(row).rule} (calls a model)", Proof.STRUCTURE
            )


def _promote_parents(s: SpanState) -> None:
    inner = {i for i, r in enumerate(s.readings.readings) if r.of_parent}
    parents = s.parent[np.isin(s.readings.shape, list(inner))] if inner else s.parent[:0]
    for row in np.unique(parents[parents >= 0]).tolist():
        if s.role[row] in (Role.STEP, Role.NONE, Role.WORKFLOW):
            s.role[row] = Role.AGENT
            s.given[row] = Given(
                s.name(row) or clean(s.reading(row).span_name), "encloses-loop", Proof.STRUCTURE
            )


def lend_names(s: SpanState) -> None:
    """A run that names no agent has the name of what was called.

    The component or tool around it, where that lends its name.
    """
    lending = [i for i, r in enumerate(s.readings.readings) if r.lends]
    if not lending:
        return
    unnamed = [row for row in s.rows(Role.AGENT).tolist() if not s.name(row)]
    lender = nearest(s.parent, np.isin(s.readings.shape, lending) | (s.role == Role.AGENT))[unnamed]
    for row, above in zip(unnamed, lender.tolist(), strict=True):
        if above >= 0 and s.role[above] != Role.AGENT:
            s.given[row] = Given(s.reading(above).lends, s.reading(above).rule, Proof.STRUCTURE)


def unwrap_agents(s: SpanState) -> None:
    """A span called an agent's run that names none, and only encloses runs of agents that are
    named, is a wrapper around them.
    """
    unnamed = {i for i, r in enumerate(s.readings.readings) if r.role is Role.AGENT and not r.name}
    rows = np.flatnonzero(np.isin(s.readings.shape, list(unnamed)) & (s.role == Role.AGENT))
    rows = np.array([row for row in rows.tolist() if not s.name(row)], np.int64)
    while len(rows):
        runs = nearest(s.parent, np.isin(s.role, (Role.AGENT, Role.TOOL, Role.DELEGATION)))
        uses = np.unique(runs[s.rows(Role.MODEL, Role.TOOL, Role.MCP_CLIENT, Role.DATASTORE)])
        named = [row for row in s.rows(Role.AGENT).tolist() if s.name(row)]
        wrapping = np.setdiff1d(np.intersect1d(rows, runs[named]), uses)
        if not len(wrapping):
            return
        s.role[wrapping] = Role.STEP
        rows = np.setdiff1d(rows, wrapping)


def agents_by_service(s: SpanState, hosts: frozenset[str]) -> None:
    """A service whose name says agent, and in which no agent has a span of its own, is one.

    Its entries are its runs.
    """
    named = np.array(
        [names_an_agent(r.service) and r.service not in hosts for r in s.readings.readings],
        np.bool_,
    )
    if not named.any():
        return
    services = s.services()
    entering = (s.parent < 0) | (services[s.parent] != services)
    for row in np.flatnonzero(
        entering
        & named[s.readings.shape]
        & np.isin(s.role, (Role.NONE, Role.STEP, Role.SERVER, Role.WORKFLOW))
    ).tolist():
        s.role[row] = Role.AGENT
        s.given[row] = Given(clean(s.reading(row).service), "service-name", Proof.SERVICE_NAME)


def resolve_workflows(s: SpanState) -> None:
    """Only the root of a trace is a workflow, and what nests in one.

    A root that is nothing else, above nodes, is one too.
    """
    above = nearest(s.parent, nodes(s))
    inner = s.rows(Role.WORKFLOW)
    for row in inner[above[inner] >= 0].tolist():
        wrapper = int(above[row])
        if s.reading(row).nests and s.role[wrapper] == Role.WORKFLOW:
            continue
        if (
            s.role[wrapper] == Role.AGENT
            and s.parent[wrapper] < 0
            and folded(s.name(wrapper) or "") == folded(s.name(row) or "-")
        ):
            s.role[wrapper] = Role.WORKFLOW
        s.role[row] = Role.STEP
    roots = np.flatnonzero(
        (s.parent < 0) & ~s.tree.orphan & np.isin(s.role, (Role.NONE, Role.STEP))
    )
    if len(roots):
        top = nearest(s.parent, s.parent < 0)
        with_nodes = np.unique(top[nodes(s) & (top >= 0)])
        for row in np.intersect1d(roots, with_nodes).tolist():
            s.role[row] = Role.WORKFLOW
            if not s.reading(row).name:
                s.given[row] = Given(
                    clean(_METHOD.sub("", s.reading(row).span_name)), "trace-root", Proof.STRUCTURE
                )


def resolve_delegations(s: SpanState) -> None:
    """A delegating tool is the agent's run itself where the agent has no span behind or beside it.

    Otherwise a tool.
    """
    rows = s.rows(Role.DELEGATION)
    if not len(rows):
        return
    above = nearest(s.parent, nodes(s))
    agents: dict[int, list[int]] = {}
    for agent in s.rows(Role.AGENT).tolist():
        if above[agent] >= 0:
            agents.setdefault(int(above[agent]), []).append(agent)
    for row in rows.tolist():
        target = s.reading(row).target
        beside = [
            a
            for a in agents.get(int(above[row]), ())
            if s.start[row] <= s.start[a] and s.end[a] <= s.end[row]
        ]
        found = [
            a
            for a in (*agents.get(row, ()), *beside)
            if not target or folded(s.name(a) or "") == folded(target)
        ]
        if found or not target:
            s.role[row] = Role.TOOL
            s.delegated.update({agent: s.reading(row).name or "" for agent in found})
        else:
            s.role[row] = Role.AGENT
            s.given[row] = Given(target, s.reading(row).rule, Proof.TEXT)
            s.delegated[row] = s.reading(row).name or ""


def delegate_by_time(s: SpanState) -> None:
    """An agent's run that no agent's run encloses, but that lies in time within a tool's call of a
    like name beside it, was called by it.

    So where an instrumentation draws all runs flat, side by side.
    """
    above = nearest(s.parent, s.role == Role.AGENT)
    agents = s.rows(Role.AGENT)
    lone = agents[(above[agents] < 0) & (s.parent[agents] >= 0)]
    flat = [row for row in lone.tolist() if row not in s.delegated]
    if not flat:
        return
    tools: dict[tuple[bytes, str], list[int]] = {}
    for row in by_time(s, s.rows(Role.TOOL)):
        for word in telling_words(s.name(row) or "") if above[row] >= 0 else ():
            tools.setdefault((s.tree.trace[row].tobytes(), word), []).append(row)
    for row in flat:
        trace = s.tree.trace[row].tobytes()
        alike = {
            t
            for word in telling_words(s.name(row) or "")
            for t in _begun(s, tools.get((trace, word), []), int(s.start[row]))
        }
        around = [tool for tool in alike if _encloses_in_time(s, tool, row)]
        if around:
            s.parent[row] = max(around, key=lambda tool: (int(s.start[tool]), tool))


def _begun(s: SpanState, tools: list[int], time: int) -> list[int]:
    """Of tools in the order of their start, return the last few that had started by then."""
    return tools[: bisect_right(tools, time, key=lambda row: int(s.start[row]))][-_BESIDE:]


def _encloses_in_time(s: SpanState, tool: int, run: int) -> bool:
    within = s.timed[tool] and s.start[tool] <= s.start[run] and s.end[run] <= s.end[tool]
    return bool(within) and not is_below(s.parent, tool, run)


def tell_unnamed_apart(s: SpanState) -> None:
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
