"""Role pass for model gateways, which call models on behalf of their callers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from agentguard.discovery.classification import Classifications
from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import normalized, undated
from agentguard.discovery.partial import I64, Proof
from agentguard.discovery.span_state import (
    AssignedRole,
    SpanState,
    by_time,
    nearest_ancestor,
    nodes,
)

_BOUNDARY = (Role.CLIENT, Role.SERVER)
_OPERATIONS = ("gen_ai.operation.name", "openinference.span.kind", "llm.request.type")


def resolve_gateways(s: SpanState) -> None:
    """Replace a model call by the upstream calls that a gateway made for it.

    The gateway may retry, fall back to another model, or resolve an alias: its calls tell which
    models really answered. They become calls of the gateway's caller, in the caller's environment.
    What else the gateway calls, such as a guard model, stays its own.
    """
    moved: dict[int, str | None] = {}
    for outer, inner in _forwarded_calls(s):
        attempts, answer = _attempts(s, outer, inner)
        if not attempts:
            continue
        _attach(s, outer, attempts, answer)
        moved |= dict.fromkeys(attempts, s.classification(outer).environment)
    _move(s, moved)


def _forwarded_calls(s: SpanState) -> Iterator[tuple[int, list[int]]]:
    """Yield model calls with the calls behind them, in order of start; outer calls first."""
    groups: dict[int, list[int]] = {}
    above = nearest_ancestor(s.parent, nodes(s) & ~np.isin(s.role, _BOUNDARY))
    for row in by_time(s, _inner_calls(s, above)):
        groups.setdefault(int(above[row]), []).append(row)
    waiting = [outer for outer in groups if int(above[outer]) not in groups]
    while waiting:
        outer = waiting.pop()
        yield outer, groups[outer]
        waiting += [row for row in groups[outer] if row in groups]


def _inner_calls(s: SpanState, above: I64) -> I64:
    """Return the model calls behind another one.

    Those below it in another service, past the spans of the boundary only; in the same service,
    those with the same tokens under another name.
    """
    rows = s.rows(Role.MODEL)
    rows = rows[(above[rows] >= 0) & (s.role[above[rows]] == Role.MODEL)]
    services = s.services()
    kept = [
        services[row] != services[above[row]] or _is_renamed(s, row, int(above[row]))
        for row in rows.tolist()
    ]
    inner: I64 = rows[np.array(kept, np.bool_)]
    return inner


def _attempts(s: SpanState, outer: int, inner: list[int]) -> tuple[list[int], int | None]:
    """Return the upstream calls for the outer one, and the one that answered; None: unknown."""
    alike = [row for row in inner if _embeds(s, row) == _embeds(s, outer)]
    answered = [row for row in alike if not s.failed[row]]
    if not answered:
        return alike, alike[-1] if alike and s.failed[outer] else None
    answer = max(answered, key=lambda row: _agreement(s, outer, row))
    failed = [row for row in alike if s.failed[row] and s.start[row] <= s.start[answer]]
    return [*failed, answer], answer


def _agreement(s: SpanState, outer: int, row: int) -> tuple[bool, bool, int, int, int]:
    """Return how well a call agrees with the outer one: by name, by tokens; then larger, later."""
    names = (s.name(outer), s.classification(outer).response_model)
    named = any(name is not None and _is_called(s, row, name) for name in names)
    total = sum(int(tokens[row]) for tokens in s.tokens[:2])
    return named, _same_tokens(s, outer, row), total, int(s.start[row]), row


def _attach(s: SpanState, outer: int, attempts: list[int], answer: int | None) -> None:
    """Let the attempts stand for the outer call, which stays if no attempt has answered.

    One attempt stays below the outer span, which has its times by the caller's clock.
    """
    asked = _asked(s, outer)
    if asked is not None and not any(_is_called(s, row, asked) for row in attempts):
        _add_spelling(s, attempts[0], asked)
    s.parent[attempts] = outer if len(attempts) == 1 and answer is not None else s.parent[outer]
    s.forwarded.add(outer)
    if answer is None:
        return
    s.role[outer] = Role.STEP
    s.failed[answer] |= s.failed[outer]
    for tokens in s.tokens:
        tokens[answer] = max(tokens[answer], tokens[outer])


def _asked(s: SpanState, row: int) -> str | None:
    """Return the name that the first caller used."""
    known = s.assigned.get(row)
    return known.spelling if known and known.spelling else s.name(row)


def _add_spelling(s: SpanState, row: int, asked: str) -> None:
    known = s.assigned.get(row)
    name, rule = (known.name, known.rule) if known else (s.name(row), s.classification(row).rule)
    s.assigned[row] = AssignedRole(name, rule, Proof.ATTRIBUTE, asked)


def _embeds(s: SpanState, row: int) -> bool:
    """Return whether the call computes embeddings."""
    attributes = dict(s.classification(row).attributes)
    return any("embed" in attributes.get(key, "").lower() for key in _OPERATIONS)


def _is_renamed(s: SpanState, row: int, outer: int) -> bool:
    asked = s.name(outer)
    renamed = asked is not None and s.name(row) is not None and not _is_called(s, row, asked)
    return renamed and _same_tokens(s, outer, row)


def _same_tokens(s: SpanState, one: int, other: int) -> bool:
    return bool(s.tokens[0][one]) and all(tokens[one] == tokens[other] for tokens in s.tokens[:2])


def _is_called(s: SpanState, row: int, name: str) -> bool:
    own = s.name(row)
    return own is not None and normalized(undated(own)) == normalized(undated(name))


def _move(s: SpanState, moved: Mapping[int, str | None]) -> None:
    """Change the environments of these spans; their requests for tools are the caller's."""
    if not moved:
        return
    known = s.classifications
    by_shape, shapes = list(known.by_shape), known.shape.copy()
    codes: dict[tuple[int, str | None], int] = {}
    for row, environment in moved.items():
        key = int(shapes[row]), environment
        if key not in codes:
            codes[key] = len(by_shape)
            by_shape.append(replace(by_shape[key[0]], environment=environment, requested=()))
        shapes[row] = codes[key]
    s.classifications = Classifications(shapes, by_shape)
