"""Role pass for model gateways, which call models on behalf of their callers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from agentguard.discovery.classification import Classifications
from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import normalized, undated
from agentguard.discovery.partial import I64, Proof
from agentguard.discovery.span_state import AssignedRole, SpanState, nearest_ancestor, nodes

_BOUNDARY = (Role.CLIENT, Role.SERVER)


def resolve_gateways(s: SpanState) -> None:
    """Replace a model call by the upstream calls that a gateway, another service, made for it.

    The gateway may retry, fall back to another model, or resolve an alias: its calls tell which
    models really answered. They become calls of the gateway's caller, in the caller's environment.
    """
    moved: dict[int, str | None] = {}
    for outer, attempts in _forwarded_calls(s):
        s.role[outer] = Role.STEP
        s.parent[attempts] = s.parent[outer]
        _take_outcome(s, outer, attempts)
        _keep_alias(s, s.name(outer), attempts.tolist())
        moved |= dict.fromkeys(attempts.tolist(), s.classification(outer).environment)
    _move(s, moved)


def _forwarded_calls(s: SpanState) -> Iterator[tuple[int, I64]]:
    """Yield model calls with the upstream calls for them, in order; inner calls first."""
    above = nearest_ancestor(s.parent, nodes(s) & ~np.isin(s.role, _BOUNDARY))
    inner, services = s.rows(Role.MODEL), s.services()
    inner = inner[(above[inner] >= 0) & (s.role[above[inner]] == Role.MODEL)]
    inner = inner[services[inner] != services[above[inner]]]
    order = np.lexsort((inner, s.start[inner], above[inner]))
    groups = np.split(inner[order], np.flatnonzero(np.diff(above[inner[order]])) + 1)
    for attempts in groups:
        if len(attempts):
            yield int(above[attempts[0]]), attempts


def _take_outcome(s: SpanState, outer: int, attempts: I64) -> None:
    """Give the last attempt the caller's failure, unless one failed, and its tokens."""
    last = int(attempts[-1])
    s.failed[last] |= s.failed[outer] and not s.failed[attempts].any()
    for tokens in s.tokens:
        tokens[last] = max(tokens[last], tokens[outer])


def _keep_alias(s: SpanState, asked: str | None, attempts: list[int]) -> None:
    """Keep the name that the caller asked for as a spelling, if no attempt has it."""
    if asked is None or any(_is_called(s, row, asked) for row in attempts):
        return
    first = attempts[0]
    rule = s.classification(first).rule
    s.assigned[first] = AssignedRole(s.name(first), rule, Proof.ATTRIBUTE, asked)


def _is_called(s: SpanState, row: int, name: str) -> bool:
    own = s.name(row)
    return own is not None and normalized(undated(own)) == normalized(undated(name))


def _move(s: SpanState, moved: Mapping[int, str | None]) -> None:
    """Change the environments of these spans."""
    known = s.classifications
    by_shape, shapes = list(known.by_shape), known.shape.copy()
    codes: dict[tuple[int, str | None], int] = {}
    for row, environment in moved.items():
        key = int(shapes[row]), environment
        if key not in codes:
            codes[key] = len(by_shape)
            by_shape.append(replace(by_shape[key[0]], environment=environment))
        shapes[row] = codes[key]
    s.classifications = Classifications(shapes, by_shape)
