"""Role passes for agents: infers runs, delegations and workflows that no span states directly."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container
from itertools import pairwise

import numpy as np

from agentguard.discovery.classification import Classification
from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import clean, distinctive_words, is_agent_name, normalized
from agentguard.discovery.partial import Proof
from agentguard.discovery.span_state import (
    TRANSPARENT,
    AssignedRole,
    SpanState,
    by_time,
    is_descendant,
    nearest_ancestor,
    nodes,
)
from agentguard.kernel.patterns import Pattern

_MAX_CONCURRENT_CALLS = 32
"""Concurrent calls of a tool that are searched for the one that encloses a run."""
_METHOD = Pattern(
    r"([\pL\pN_])\.(?:a?run|a?invoke|a?forward|a?call|__call__|a?stream"
    r"|kickoff(?:_async)?|execute|workflow|task)$"
)
"""A method suffix of a callable's name."""


def _without_method(name: str) -> str:
    return _METHOD.replaced(name, lambda match: match.group)


def attach_agent_bodies(s: SpanState) -> None:
    """Make the sibling step with an agent's name the child of its otherwise empty agent span."""
    bodies = {i for i, r in enumerate(s.classifications.by_shape) if r.body}
    if not bodies:
        return
    steps = np.flatnonzero(np.isin(s.classifications.shape, list(bodies)) & (s.parent >= 0))
    candidates: dict[tuple[int, str], list[int]] = {}
    for row in by_time(s, steps):
        candidates.setdefault(
            (int(s.parent[row]), normalized(s.classification(row).body or "")), []
        ).append(row)
    agents = s.rows(Role.AGENT)
    leaves = agents[np.bincount(s.parent[s.parent >= 0], minlength=len(s.parent))[agents] == 0]
    for agent in by_time(s, leaves):
        siblings = candidates.get(
            (int(s.parent[agent]), normalized(s.classification(agent).name or "")), []
        )
        body = next(
            (row for row in siblings if s.start[agent] <= s.start[row] <= s.end[agent]), None
        )
        if body is not None:
            siblings.remove(body)
            s.parent[body] = agent


def take_reported_failures(s: SpanState) -> None:
    """Mark calls as failed whose execution, a step of its own, failed; the last one counts."""
    reports = np.array([r.reports for r in s.classifications.by_shape], np.bool_)
    steps = np.flatnonzero(reports[s.classifications.shape] & (s.parent >= 0))
    last = {int(s.parent[row]): row for row in by_time(s, steps)}
    for parent, row in last.items():
        s.failed[parent] |= s.failed[row]


def infer_acting_agents(s: SpanState) -> None:
    """Make the first step of each consecutive sequence of one acting agent that agent's run.

    Applies where no span represents the agent, but steps name the agent that acts.
    """
    shapes = [i for i, r in enumerate(s.classifications.by_shape) if r.acting or r.acting_follows]
    if not shapes:
        return
    siblings: dict[int, list[int]] = {}
    family = s.parent_codes()
    for row in by_time(
        s, np.flatnonzero(np.isin(s.classifications.shape, shapes) & (family != -1))
    ):
        siblings.setdefault(int(family[row]), []).append(row)
    for steps in siblings.values():
        leader = -1
        for row in steps:
            acting = s.classification(row).acting
            if acting and (
                leader < 0 or normalized(acting) != normalized(s.assigned[leader].name or "")
            ):
                leader = row
                s.role[row] = Role.AGENT
                s.assigned[row] = AssignedRole(
                    acting, f"{s.classification(row).rule} (acting)", Proof.TEXT
                )
            elif leader >= 0:
                s.parent[row] = leader
                s.end[leader] = max(s.end[leader], s.end[row])
                s.timed[leader] |= s.timed[row]
                s.failed[leader] |= s.failed[row] and s.role[row] in TRANSPARENT


def promote_enclosing_steps(s: SpanState) -> None:
    """Turn spans that enclose the steps of an agent's loop, or call a model directly, into agents.

    A step that calls a model becomes an agent only if no agent runs above it; an agent above a tool
    does not count, because it is the caller of that tool.
    """
    _promote_loop_parents(s)
    hosts = {i for i, r in enumerate(s.classifications.by_shape) if r.hosts}
    host = np.isin(s.classifications.shape, list(hosts)) & np.isin(s.role, (Role.STEP, Role.NONE))
    if not host.any():
        return
    runs = np.isin(s.role, (Role.AGENT, Role.TOOL, Role.DELEGATION, Role.MCP_CLIENT))
    holder, run = nearest_ancestor(s.parent, host | runs), nearest_ancestor(s.parent, runs)
    calling = {int(row) for row in holder[s.rows(Role.MODEL)]}
    using = {int(row) for row in holder[s.rows(Role.TOOL, Role.MCP_CLIENT, Role.DELEGATION)]}
    for row in sorted(calling - {-1}):
        eligible = host[row] and (run[row] < 0 or s.role[run[row]] != Role.AGENT)
        if eligible and (row in using or not s.classification(row).hosts_tools):
            s.role[row] = Role.AGENT
            s.assigned[row] = _hosted(s.classification(row))


def _hosted(step: Classification) -> AssignedRole:
    proof = Proof.SHAPE if step.weak else Proof.STRUCTURE
    return AssignedRole(step.hosts, f"{step.rule} (calls a model)", proof)


def _promote_loop_parents(s: SpanState) -> None:
    inner = {i for i, r in enumerate(s.classifications.by_shape) if r.of_parent}
    if not inner:
        return
    steps = np.isin(s.classifications.shape, list(inner))
    outer = nearest_ancestor(s.parent, ~steps)[steps]
    for row in np.unique(outer[outer >= 0]).tolist():
        if s.role[row] in (Role.STEP, Role.NONE, Role.WORKFLOW):
            s.role[row] = Role.AGENT
            s.assigned[row] = AssignedRole(
                s.name(row) or clean(s.classification(row).route),
                "encloses-loop",
                Proof.STRUCTURE,
            )


def inherit_agent_names(s: SpanState) -> None:
    """Name unnamed agent runs after the component or tool above them, if its rule allows it."""
    lending = [i for i, r in enumerate(s.classifications.by_shape) if r.lends]
    if not lending:
        return
    unnamed = [row for row in s.rows(Role.AGENT).tolist() if not s.name(row)]
    lender = nearest_ancestor(
        s.parent, np.isin(s.classifications.shape, lending) | (s.role == Role.AGENT)
    )[unnamed]
    for row, above in zip(unnamed, lender.tolist(), strict=True):
        if above >= 0 and s.role[above] != Role.AGENT:
            s.assigned[row] = AssignedRole(
                s.classification(above).lends, s.classification(above).rule, Proof.STRUCTURE
            )


def demote_wrapper_agents(s: SpanState) -> None:
    """Demote unnamed agent spans that only enclose runs of named agents to steps."""
    unnamed = {
        i for i, r in enumerate(s.classifications.by_shape) if r.role is Role.AGENT and not r.name
    }
    rows = np.flatnonzero(np.isin(s.classifications.shape, list(unnamed)) & (s.role == Role.AGENT))
    rows = np.array([row for row in rows.tolist() if not s.name(row)], np.int64)
    while len(rows):
        runs = nearest_ancestor(s.parent, np.isin(s.role, (Role.AGENT, Role.TOOL, Role.DELEGATION)))
        uses = np.unique(runs[s.rows(Role.MODEL, Role.TOOL, Role.MCP_CLIENT, Role.DATASTORE)])
        named = [row for row in s.rows(Role.AGENT).tolist() if s.name(row)]
        wrapping = np.setdiff1d(np.intersect1d(rows, runs[named]), uses)
        if not len(wrapping):
            return
        s.role[wrapping] = Role.STEP
        rows = np.setdiff1d(rows, wrapping)


def infer_agents_by_service(s: SpanState, agent_services: Container[object]) -> None:
    """Turn services with an agent's name but without agent spans into agents.

    The spans at which calls enter the service become its runs.
    """
    named = np.array(
        [
            is_agent_name(r.service) and r.service not in agent_services
            for r in s.classifications.by_shape
        ],
        np.bool_,
    )
    if not named.any():
        return
    services = s.services()
    entering = (s.parent < 0) | (services[s.parent] != services)
    for row in np.flatnonzero(
        entering
        & named[s.classifications.shape]
        & np.isin(s.role, (Role.NONE, Role.STEP, Role.SERVER, Role.WORKFLOW))
    ).tolist():
        s.role[row] = Role.AGENT
        s.assigned[row] = AssignedRole(
            clean(s.classification(row).service), "service-name", Proof.SERVICE_NAME
        )


def resolve_workflows(s: SpanState) -> None:
    """Keep the workflow role only for trace roots and for workflows that may nest.

    A root without a role above nodes becomes a workflow.
    """
    above = nearest_ancestor(s.parent, nodes(s))
    inner = s.rows(Role.WORKFLOW)
    for row in inner[above[inner] >= 0].tolist():
        wrapper = int(above[row])
        if s.classification(row).nests and s.role[wrapper] == Role.WORKFLOW:
            continue
        if (
            s.role[wrapper] == Role.AGENT
            and s.parent[wrapper] < 0
            and normalized(s.name(wrapper) or "") == normalized(s.name(row) or "-")
        ):
            s.role[wrapper] = Role.WORKFLOW
        s.role[row] = Role.STEP
    roots = np.flatnonzero(
        (s.parent < 0) & ~s.tree.orphan & np.isin(s.role, (Role.NONE, Role.STEP))
    )
    if len(roots):
        top = nearest_ancestor(s.parent, s.parent < 0)
        with_nodes = np.unique(top[nodes(s) & (top >= 0)])
        for row in np.intersect1d(roots, with_nodes).tolist():
            s.role[row] = Role.WORKFLOW
            if not s.classification(row).name:
                s.assigned[row] = AssignedRole(
                    clean(_without_method(s.classification(row).route)),
                    "trace-root",
                    Proof.STRUCTURE,
                )


def resolve_delegations(s: SpanState) -> None:
    """Turn a delegating tool into the agent's run if the agent has no span inside or next to it.

    Otherwise it stays a tool.
    """
    rows = s.rows(Role.DELEGATION)
    if not len(rows):
        return
    above = nearest_ancestor(s.parent, nodes(s))
    agents: dict[int, list[int]] = {}
    for agent in s.rows(Role.AGENT).tolist():
        if above[agent] >= 0:
            agents.setdefault(int(above[agent]), []).append(agent)
    for row in rows.tolist():
        target = s.classification(row).target
        siblings = [
            a
            for a in agents.get(int(above[row]), ())
            if s.start[row] <= s.start[a] and s.end[a] <= s.end[row]
        ]
        found = [
            a
            for a in (*agents.get(row, ()), *siblings)
            if not target or normalized(s.name(a) or "") == normalized(target)
        ]
        if found or not target:
            s.role[row] = Role.TOOL
            s.delegated.update({agent: s.classification(row).name or "" for agent in found})
        else:
            s.role[row] = Role.AGENT
            s.assigned[row] = AssignedRole(target, s.classification(row).rule, Proof.TEXT)
            s.delegated[row] = s.classification(row).name or ""


def infer_delegations_by_time(s: SpanState) -> None:
    """Move top-level agent runs below the tool call with a similar name that encloses them in time.

    For instrumentations that record all runs as siblings.
    """
    above = nearest_ancestor(s.parent, s.role == Role.AGENT)
    agents = s.rows(Role.AGENT)
    lone = agents[(above[agents] < 0) & (s.parent[agents] >= 0)]
    flat = [row for row in lone.tolist() if row not in s.delegated]
    if not flat:
        return
    tools: dict[tuple[bytes, str], list[int]] = {}
    for row in by_time(s, s.rows(Role.TOOL)):
        for word in distinctive_words(s.name(row) or "") if above[row] >= 0 else ():
            tools.setdefault((s.tree.trace[row].tobytes(), word), []).append(row)
    for row in flat:
        trace = s.tree.trace[row].tobytes()
        similar = {
            t
            for word in distinctive_words(s.name(row) or "")
            for t in _started_before(s, tools.get((trace, word), []), int(s.start[row]))
        }
        around = [tool for tool in similar if _encloses_in_time(s, tool, row)]
        if around:
            s.parent[row] = max(around, key=lambda tool: (int(s.start[tool]), tool))


def _started_before(s: SpanState, tools: list[int], time: int) -> list[int]:
    """Return the last tools, in order of start, that had started at this time."""
    return tools[: bisect_right(tools, time, key=lambda row: int(s.start[row]))][
        -_MAX_CONCURRENT_CALLS:
    ]


def _encloses_in_time(s: SpanState, tool: int, run: int) -> bool:
    within = s.timed[tool] and s.start[tool] <= s.start[run] and s.end[run] <= s.end[tool]
    return bool(within) and not is_descendant(s.parent, tool, run)


def number_unnamed_agents(s: SpanState) -> None:
    """Distinguish nested agents without names by their nesting depth."""
    unnamed = np.zeros(len(s.role), np.bool_)
    unnamed[[row for row in s.rows(Role.AGENT).tolist() if not s.name(row)]] = True
    above = nearest_ancestor(s.parent, unnamed)
    levels: dict[int, int] = {-1: -1}
    for row in np.flatnonzero(unnamed).tolist():
        outer = [row]
        while outer[-1] not in levels:
            outer.append(int(above[outer[-1]]))
        for inner, around in reversed(list(pairwise(outer))):
            levels[inner] = levels[around] + 1
        if levels[row]:
            s.nested[row] = levels[row]
