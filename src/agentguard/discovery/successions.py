"""Weak handoffs: agents that run one after the other in a workflow that records no handoff."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import agent_key
from agentguard.discovery.partial import I64, Proof
from agentguard.discovery.span_state import (
    InferredCall,
    SpanState,
    by_time,
    nearest_ancestor,
    nodes,
)

_DECIDING = (Role.MODEL, Role.TOOL, Role.MCP_CLIENT, Role.DELEGATION, Role.HANDOFF)
"""Calls with which a workflow may decide itself which agent runs next."""


def infer_succession(s: SpanState) -> None:
    """Add a weak handoff between agents that a workflow runs one after the other.

    The workflow makes no other calls, none of its agents received a recorded handoff, and the next
    agent did not run before: otherwise control returned. The workflow still starts each of them.
    """
    above = nearest_ancestor(s.parent, nodes(s))
    for runs in _runs_by_workflow(s, above):
        s.inferred_calls += [
            InferredCall(run, giver, s.name(run), Role.AGENT, _rule(s, run), Proof.ORDER)
            for giver, run in _successions(s, runs)
        ]


def _rule(s: SpanState, run: int) -> str:
    return s.assigned[run].rule if run in s.assigned else s.classification(run).rule


def _runs_by_workflow(s: SpanState, above: I64) -> Iterator[list[int]]:
    """Yield the agent runs of each workflow run that only runs agents, in order of start."""
    calls = s.rows(*_DECIDING)
    deciding = above[calls]
    agents = s.rows(Role.AGENT)
    agents = agents[(above[agents] >= 0) & (s.role[above[agents]] == Role.WORKFLOW)]
    agents = agents[~np.isin(above[agents], deciding)]
    runs: dict[int, list[int]] = defaultdict(list)
    for run in by_time(s, agents):
        runs[int(above[run])].append(run)
    for each in runs.values():
        if not any(run in s.handoffs or run in s.delegated for run in each):
            yield each


def _successions(s: SpanState, runs: list[int]) -> Iterator[tuple[int, int]]:
    """Yield each run that ended before the next agent started, with that agent's run.

    No other run lasts into either of them.
    """
    seen: set[str] = set()
    latest = before = 0
    for giver, run in pairwise(runs):
        seen.add(agent_key(s.name(giver) or ""))
        before, latest = latest, max(latest, int(s.end[giver]))
        alone = before <= s.start[giver] and latest <= s.start[run]
        known = agent_key(s.name(run) or "")
        if alone and known and known not in seen and s.name(giver) and _ended_well(s, giver):
            yield giver, run


def _ended_well(s: SpanState, run: int) -> bool:
    return bool(s.timed[run] and not s.failed[run])
