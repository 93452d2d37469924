"""Deduplication of calls that are recorded by more than one span."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.mcp import demote_mcp_wrappers
from agentguard.discovery.naming import normalized, undated
from agentguard.discovery.partial import I64, Proof
from agentguard.discovery.span_state import AssignedRole, SpanState, nearest_ancestor, nodes

_DEDUPLICATED_ROLES = (Role.AGENT, Role.TOOL, Role.MODEL)
_MAX_CONCURRENT_CALLS = 64
"""Concurrent calls of one callee that are searched for the one that another span duplicates."""


def deduplicate_calls(s: SpanState) -> None:
    """Count a call once if a wrapper and an inner span, or two instrumentations, recorded it."""
    demote_mcp_wrappers(s)
    labels = _labels(s)
    above = nearest_ancestor(s.parent, nodes(s))
    inner = np.flatnonzero(np.isin(s.role, _DEDUPLICATED_ROLES) & (above >= 0))
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
    _merge_into_outer(s, inner[~attempts], outer[~attempts])
    _merge_into_outer(s, *_sibling_duplicates(s, labels))
    _propagate_remote_failures(s, labels)


def _propagate_remote_failures(s: SpanState, labels: I64) -> None:
    """Propagate an agent run's failure to the caller-side span of the same run."""
    outer = nearest_ancestor(s.parent, nodes(s) & ~np.isin(s.role, (Role.CLIENT, Role.SERVER)))
    inner = s.rows(Role.AGENT)
    inner = inner[(outer[inner] >= 0) & (s.role[outer[inner]] == Role.AGENT) & (labels[inner] >= 0)]
    inner = inner[labels[inner] == labels[outer[inner]]]
    np.logical_or.at(s.failed, outer[inner], s.failed[inner])


def _labels(s: SpanState) -> I64:
    """Return a code for the role and name of each span; -1: no name."""
    codes: dict[tuple[int, str], int] = {}
    each = [
        codes.setdefault((r.role, normalized(undated(r.name))), len(codes)) if r.name else -1
        for r in s.classifications.by_shape
    ]
    labels = np.array(each, np.int64)[s.classifications.shape]
    for row, assigned in s.assigned.items():
        labels[row] = (
            codes.setdefault((int(s.role[row]), normalized(undated(assigned.name))), len(codes))
            if assigned.name
            else -1
        )
    return labels


def _merge_into_outer(s: SpanState, inner: I64, outer: I64) -> None:
    """Make inner spans transparent and add their failures and tokens to the outermost span."""
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
        s.assigned[row] = AssignedRole(s.name(child), s.classification(child).rule, Proof.ATTRIBUTE)
    s.role[inner] = Role.STEP


def _sibling_duplicates(s: SpanState, labels: I64) -> tuple[I64, I64]:
    """Return spans that duplicate a sibling's call, and those siblings.

    They have the same callee and overlap in time, but come from different instrumentations.
    """
    scopes = _scopes(s)
    pairs: list[tuple[int, int]] = []
    for group in _siblings_of_several_scopes(s, labels, scopes):
        pairs += _duplicates(s, group, scopes[group].tolist())
    found = np.array(pairs, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _siblings_of_several_scopes(s: SpanState, labels: I64, scopes: I64) -> list[I64]:
    """Return the calls of one callee under one parent, in order of start, by parent and callee."""
    rows = _named_calls(s, labels)
    before, after = rows[:-1], rows[1:]
    same = (s.parent[after] == s.parent[before]) & (labels[after] == labels[before])
    mixed = same & (scopes[after] != scopes[before])
    if not mixed.any():
        return []
    groups = np.split(rows, np.flatnonzero(~same) + 1)
    code = np.cumsum(~same)
    return [groups[number] for number in np.unique(code[mixed]).tolist()]


def _named_calls(s: SpanState, labels: I64) -> I64:
    """Return the tool and model calls below a parent, by parent, callee and start."""
    calls = np.isin(s.role, (Role.TOOL, Role.MODEL)) & (labels >= 0) & (s.parent >= 0)
    calls[list(s.forwarded)] = False
    rows = np.flatnonzero(calls)
    return rows[np.lexsort((rows, s.start[rows], labels[rows], s.parent[rows]))]


def _scopes(s: SpanState) -> I64:
    codes: dict[str, int] = {}
    each = [codes.setdefault(r.scope, len(codes)) for r in s.classifications.by_shape]
    return np.array(each, np.int64)[s.classifications.shape]


def _duplicates(s: SpanState, group: I64, scope: list[int]) -> list[tuple[int, int]]:
    """Pair the calls of all further instrumentations with those of the one that started first."""
    by_scope: dict[int, list[int]] = {}
    for row, code in zip(group.tolist(), scope, strict=True):
        by_scope.setdefault(code, []).append(row)
    first, *others = by_scope.values()
    pairs = []
    for rows in others:
        free = list(first)
        for row in rows:
            match = _most_similar(s, row, free)
            if match is not None:
                free.remove(match)
                pairs.append((row, match))
    return pairs


def _most_similar(s: SpanState, row: int, rows: list[int]) -> int | None:
    """Return the overlapping call with the same usage, or else with the most similar interval."""
    started = bisect_left(rows, s.end[row], key=lambda r: s.start[r])
    recent = rows[:started][-_MAX_CONCURRENT_CALLS:]
    overlapping = [r for r in recent if s.start[row] < s.end[r]]
    return min(overlapping, key=lambda r: _difference(s, row, r), default=None)


def _difference(s: SpanState, one: int, other: int) -> tuple[bool, int, int]:
    usage = any(tokens[one] != tokens[other] for tokens in s.tokens)
    apart = abs(int(s.start[one] - s.start[other])) + abs(int(s.end[one] - s.end[other]))
    return usage, apart, other
