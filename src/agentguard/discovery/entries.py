"""Where runs of workflows start."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.kinds import ComponentKind
from agentguard.discovery.naming import Identity, clean, identity
from agentguard.discovery.partial import I64
from agentguard.discovery.span_state import SpanState

_ENTRIES = (Role.AGENT, Role.WORKFLOW, Role.SERVER, Role.CONSUMER, Role.TOOL, Role.MCP_SERVER)


@dataclass(slots=True)
class Entries:
    """The workflows that rows start."""

    codes: NDArray[np.int32]
    """(rows,) code of the workflow that the row starts; -1: it starts none"""
    roots: NDArray[np.int32]
    """(rows,) code of the name of the root span of that run; -1: unknown"""
    workflows: dict[Identity, int] = field(default_factory=dict)
    """Workflow → code"""
    root_names: dict[str, int] = field(default_factory=dict)
    """Root span's name → code"""
    housekeeping: Counter[str] = field(default_factory=Counter)
    """Entry points that are no workflows → how often they were entered"""


def entries(
    s: SpanState, spans: I64, source: I64, housekeeping: Iterable[re.Pattern[str]]
) -> Entries:
    """Find the rows that start a workflow's run.

    Of each trace the earliest root, else the earliest orphan; and those nested.

    `spans` (rows,): the span of each row; `source` (rows,): its caller's row, -1: none.
    `housekeeping`: names of entry points that are health checks and pollers. What only stands for
    the service of an orphaned call starts nothing: its run had begun elsewhere.
    """
    nothing = np.full(len(spans), -1, np.int32)
    found = Entries(nothing, nothing.copy())
    starting = _starting(s, spans, source)
    tops = spans[starting]
    shapes, example, inverse = np.unique(
        s.readings.shape[tops] * 32 + s.role[tops], return_index=True, return_inverse=True
    )
    idle = {
        position: name
        for position, row in enumerate(tops[example].tolist())
        if (name := _housekeeping(s, row, housekeeping)) is not None
    }
    each = np.array(
        [-1 if p in idle else _code(found, s, row) for p, row in enumerate(tops[example].tolist())],
        np.int32,
    )
    found.codes[starting] = each[inverse] if len(shapes) else found.codes[starting]
    for position in np.flatnonzero(np.isin(tops, list(s.given))).tolist():
        row = int(tops[position])
        if _housekeeping(s, row, housekeeping) is None:
            found.codes[starting[position]] = _code(found, s, row)
    roots = np.array([_root(found, s, row) for row in tops[example].tolist()], np.int32)
    found.roots[starting] = np.where(s.tree.orphan[tops], -1, roots[inverse]) if len(roots) else -1
    entered = np.bincount(inverse, minlength=len(shapes)).tolist()
    for position, name in idle.items():
        found.housekeeping[name] += entered[position]
    return found


def _starting(s: SpanState, spans: I64, source: I64) -> I64:
    lost = (spans >= len(s.tree.spans)) & s.tree.orphan[spans]
    free = np.flatnonzero(
        (source < 0) & (s.parent[spans] < 0) & np.isin(s.role[spans], _ENTRIES) & ~lost
    )
    tops = spans[free]
    order = np.lexsort(
        (tops, s.start[tops], s.tree.orphan[tops], s.tree.trace[tops, 1], s.tree.trace[tops, 0])
    )
    tops, free = tops[order], free[order]
    first = np.ones(len(tops), np.bool_)
    first[1:] = (s.tree.trace[tops[1:]] != s.tree.trace[tops[:-1]]).any(axis=1)
    nested = np.flatnonzero((source >= 0) & (s.role[spans] == Role.WORKFLOW))
    return np.concatenate([free[first], nested])


def _serves(s: SpanState, row: int) -> bool:
    return Role(int(s.role[row])) in (Role.SERVER, Role.CONSUMER)


def _housekeeping(s: SpanState, row: int, patterns: Iterable[re.Pattern[str]]) -> str | None:
    name = s.reading(row).span_name
    return name if _serves(s, row) and any(pattern.search(name) for pattern in patterns) else None


def _code(found: Entries, s: SpanState, row: int) -> int:
    reading = s.reading(row)
    name = clean(reading.span_name) if _serves(s, row) else s.name(row)
    who = identity(
        ComponentKind.WORKFLOW,
        name or clean(reading.span_name) or "(unnamed)",
        environment=reading.environment,
    )
    return found.workflows.setdefault(who, len(found.workflows))


def _root(found: Entries, s: SpanState, row: int) -> int:
    name = clean(s.reading(row).span_name)
    return -1 if name is None else found.root_names.setdefault(name, len(found.root_names))
