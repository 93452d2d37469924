"""Outcomes of runs whose root does not record one."""

from __future__ import annotations

import numpy as np

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.kinds import TYPE_CODE, DependencyType
from agentguard.discovery.ownership import Owners
from agentguard.discovery.partial import I64, Mask
from agentguard.discovery.span_state import SpanState
from agentguard.ingest.attribute_selection import ENDED_BY_EXCEPTION

_ROOTS = (Role.AGENT, Role.WORKFLOW, Role.SERVER, Role.CONSUMER)
ATTEMPTS = (Role.AGENT, Role.MODEL, Role.TOOL, Role.MCP_CLIENT, Role.MCP_SERVER)
_DOUBLINGS = 62
"""Steps of pointer doubling; a chain of 2**62 rows fits into no memory."""
_HTTP_STATUS = ("http.response.status_code", "http.status_code")


def infer_failed_runs(s: SpanState, owned: Owners) -> None:
    """Mark roots as failed whose last attempt failed and was not followed by a success.

    Most SDKs leave the status of the root unset. The last attempt is the call of the root, or of
    the agent that the root called last, that ended last. A root that states its outcome keeps it.
    """
    _fail_by_exceptions(s)
    last = _last_attempts(s, owned)
    roots = np.flatnonzero(
        (owned.source < 0) & (s.parent < 0) & np.isin(s.role, _ROOTS) & (last >= 0) & ~s.failed
    )
    roots = roots[~_states_outcome(s)[roots]]
    at = _ends(np.where((s.role == Role.AGENT) & ~s.failed, last, -1))[last[roots]]
    s.failed[roots[s.failed[at] & _conclusive(s, owned, at)]] = True


def _fail_by_exceptions(s: SpanState) -> None:
    """Mark agent and workflow runs as failed that an exception ended without setting the status."""
    ended = [
        r.fails is None
        and not r.succeeded
        and any(key == ENDED_BY_EXCEPTION for key, _ in r.attributes)
        for r in s.classifications.by_shape
    ]
    runs = np.isin(s.role, (Role.AGENT, Role.WORKFLOW))
    s.failed |= runs & np.array(ended, np.bool_)[s.classifications.shape]


def _ends(following: I64) -> I64:
    """Return where the chain from each row ends; -1: it ends there.

    By pointer doubling, so that a cycle, as untimed handoffs can form, ends too: after a number of
    steps that does not depend on the other traces.
    """
    ends = np.where(following >= 0, following, np.arange(len(following)))
    for _ in range(_DOUBLINGS):
        further = ends[ends]
        if np.array_equal(further, ends):
            break
        ends = further
    return ends


def _conclusive(s: SpanState, owned: Owners, rows: I64) -> Mask:
    """Return which attempts can have been the last ones.

    Where no model call of an agent is recorded, what it did after a failed tool is unknown.
    """
    models = s.rows(Role.MODEL)
    with_models = np.zeros(len(s.role) + 1, np.bool_)
    with_models[owned.source[models]] = True
    caller = owned.source[rows]
    by_agent = s.role[caller] == Role.AGENT
    conclusive: Mask = ~by_agent | (s.role[rows] == Role.MODEL) | with_models[caller]
    return conclusive


def _last_attempts(s: SpanState, owned: Owners) -> I64:
    """Return, for each span, the last of its calls to end; -1: none.

    Messages do not count, because nobody waits for their outcome; nor do calls that start after a
    caller that is no agent has ended.
    """
    attempts = np.isin(s.role, ATTEMPTS) & (owned.type != TYPE_CODE[DependencyType.MESSAGING])
    rows = np.flatnonzero(attempts & (owned.source >= 0))
    caller = owned.source[rows]
    late = s.timed[caller] & (s.start[rows] > s.end[caller]) & (s.role[caller] != Role.AGENT)
    rows = rows[~late]
    rows = rows[np.lexsort((rows, s.start[rows], s.end[rows]))]
    last = np.full(len(s.role), -1, np.int64)
    last[owned.source[rows]] = rows
    return last


def _states_outcome(s: SpanState) -> Mask:
    """Return which spans state their outcome: by an attribute, or as an HTTP status."""
    stated = np.array(
        [
            r.succeeded
            or r.fails is not None
            or any(key in _HTTP_STATUS for key, _ in r.attributes)
            for r in s.classifications.by_shape
        ],
        np.bool_,
    )
    outcome: Mask = stated[s.classifications.shape]
    return outcome
