"""Calls recorded more than once, counted once."""

from __future__ import annotations

import numpy as np

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.mcp import unwrap_tools
from agentguard.discovery.naming import folded, undated
from agentguard.discovery.partial import I64, Proof
from agentguard.discovery.span_state import Given, SpanState, nearest, nodes

_DOUBLED = (Role.AGENT, Role.TOOL, Role.MODEL)


def drop_doubles(s: SpanState) -> None:
    """A call recorded by a wrapper and inside it, or by two instrumentations side by side, counts
    once.
    """
    unwrap_tools(s)
    labels = _labels(s)
    above = nearest(s.parent, nodes(s))
    inner = np.flatnonzero(np.isin(s.role, _DOUBLED) & (above >= 0))
    outer = above[inner]
    same = (
        (s.role[inner] == s.role[outer]) & (labels[inner] == labels[outer]) & (labels[inner] >= 0)
    )
    same |= (
        (s.role[inner] == s.role[outer])
        & (s.role[inner] == Role.MODEL)
        & ((labels[inner] < 0) | (labels[outer] < 0))
    )
    inner, outer = inner[same], outer[same]
    tries = np.bincount(outer, minlength=len(s.role))
    attempts = (tries[outer] > 1) & np.isin(s.role[outer], (Role.MODEL, Role.TOOL))
    s.role[outer[attempts]] = Role.STEP
    _fold(s, inner[~attempts], outer[~attempts])
    _fold(s, *_beside(s, labels))
    _join_remote_runs(s, labels)


def _join_remote_runs(s: SpanState, labels: I64) -> None:
    """An agent that its caller's side shows too fails there when it fails at home."""
    far = nearest(s.parent, nodes(s) & ~np.isin(s.role, (Role.CLIENT, Role.SERVER)))
    inner = s.rows(Role.AGENT)
    inner = inner[(far[inner] >= 0) & (s.role[far[inner]] == Role.AGENT) & (labels[inner] >= 0)]
    inner = inner[labels[inner] == labels[far[inner]]]
    np.logical_or.at(s.failed, far[inner], s.failed[inner])


def _labels(s: SpanState) -> I64:
    """Return a code for the role and name that a span stands for; -1: it has no name."""
    codes: dict[tuple[int, str], int] = {}
    each = [
        codes.setdefault((r.role, folded(undated(r.name))), len(codes)) if r.name else -1
        for r in s.readings.readings
    ]
    labels = np.array(each, np.int64)[s.readings.shape]
    for row, given in s.given.items():
        labels[row] = (
            codes.setdefault((int(s.role[row]), folded(undated(given.name))), len(codes))
            if given.name
            else -1
        )
    return labels


def _fold(s: SpanState, inner: I64, outer: I64) -> None:
    """Make the inner spans transparent; their failures and tokens count for the outermost."""
    top = np.arange(len(s.role))
    top[inner] = outer
    while not (top[top] == top).all():
        top = top[top]
    np.logical_or.at(s.failed, top[inner], s.failed[inner])
    for tokens in s.tokens:
        np.maximum.at(tokens, top[inner], tokens[inner])
    named = np.array(
        [
            s.name(row) is None and s.name(child) is not None
            for row, child in zip(outer.tolist(), inner.tolist(), strict=True)
        ],
        np.bool_,
    )
    for row, child in zip(outer[named].tolist(), inner[named].tolist(), strict=True):
        s.given[row] = Given(s.name(child), s.reading(child).rule, Proof.ATTRIBUTE)
    s.role[inner] = Role.STEP


def _beside(s: SpanState, labels: I64) -> tuple[I64, I64]:
    """Return spans that repeat a sibling's call.

    Same callee at the same time, seen by another instrumentation.
    """
    rows = np.flatnonzero(
        np.isin(s.role, (Role.TOOL, Role.MODEL)) & (labels >= 0) & (s.parent >= 0)
    )
    above = nearest(s.parent, nodes(s))
    rows = rows[np.lexsort((rows, s.start[rows], labels[rows], above[rows]))]
    first, second = rows[:-1], rows[1:]
    scopes: dict[str, int] = {}
    scope = np.array(
        [scopes.setdefault(r.scope, len(scopes)) for r in s.readings.readings], np.int64
    )[s.readings.shape]
    doubled = (
        (above[first] == above[second])
        & (labels[first] == labels[second])
        & (scope[first] != scope[second])
    )
    doubled &= (s.start[second] < s.end[first]) & (s.parent[first] == s.parent[second])
    return second[doubled], first[doubled]
