"""Detection of workflow entry points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.housekeeping import is_housekeeping
from agentguard.discovery.identification import service_of
from agentguard.discovery.kinds import ComponentKind
from agentguard.discovery.naming import Identity, clean, identity, own_name
from agentguard.discovery.partial import I64
from agentguard.discovery.polls import idle_polls
from agentguard.discovery.span_state import SpanState, nearest_ancestor, nodes
from agentguard.kernel.patterns import Pattern

_WORK = (Role.AGENT, Role.TOOL, Role.MODEL, Role.SERVER, Role.CONSUMER, Role.WORKFLOW)
_ENTRIES = (Role.AGENT, Role.WORKFLOW, Role.SERVER, Role.CONSUMER, Role.TOOL, Role.MCP_SERVER)


@dataclass(slots=True)
class Entries:
    """The workflows and the rows that start them."""

    codes: NDArray[np.int32]
    """(rows,) code of the workflow that the row starts; -1: none."""
    roots: NDArray[np.int32]
    """(rows,) code of the name of the run's root span; -1: unknown."""
    workflows: dict[Identity, int] = field(default_factory=dict)
    """Workflow → code."""
    root_names: dict[str, int] = field(default_factory=dict)
    """Root span's name → code."""
    housekeeping: Counter[str] = field(default_factory=Counter)
    """Excluded entry points (health checks, pollers) → number of runs."""


def entries(s: SpanState, spans: I64, source: I64, housekeeping: Iterable[Pattern]) -> Entries:
    """Find the rows that start a workflow run.

    These are the earliest root of each trace, else its earliest orphan, and nested workflows.
    `spans` (rows,) is the span of each row, `source` (rows,) the caller's row (-1: none).
    `housekeeping` matches names of health checks and pollers. An inserted server span of an
    orphaned call starts no run: that run started elsewhere.
    """
    unknown = np.full(len(spans), -1, np.int32)
    found = Entries(unknown, unknown.copy())
    starting = _entry_rows(s, spans, source)
    tops = spans[starting]
    shapes, example, inverse = np.unique(
        s.classifications.shape[tops] * 32 + s.role[tops], return_index=True, return_inverse=True
    )
    examples = list(enumerate(tops[example].tolist()))
    excluded = _excluded(s, examples, housekeeping)
    each = _codes_of_shapes(found, s, examples, excluded)
    found.codes[starting] = each[inverse] if len(shapes) else found.codes[starting]
    _set_assigned(found, s, starting, tops, housekeeping)
    if len(shapes):
        roots = _root_codes(found, s, tops[example])[inverse]
        found.roots[starting] = np.where(s.tree.orphan[tops], -1, roots)
    entered = np.bincount(inverse, minlength=len(shapes)).tolist()
    for position, name in excluded.items():
        found.housekeeping[name] += entered[position]
    return found


def _codes_of_shapes(
    found: Entries, s: SpanState, examples: Iterable[tuple[int, int]], excluded: Container[int]
) -> NDArray[np.int32]:
    """Return the code by shape, for spans whose role and name follow from it."""
    codes = [
        -1 if position in excluded else _code(found, s, row, s.classification(row).name)
        for position, row in examples
    ]
    return np.array(codes, np.int32)


def _set_assigned(
    found: Entries, s: SpanState, starting: I64, tops: I64, patterns: Iterable[Pattern]
) -> None:
    """Set the codes of spans whose role or name does not follow from their shape."""
    for position in np.flatnonzero(np.isin(tops, list(s.assigned))).tolist():
        row = int(tops[position])
        if _housekeeping(s, row, patterns) is None:
            found.codes[starting[position]] = _code(found, s, row, s.name(row))


def _excluded(
    s: SpanState, examples: Iterable[tuple[int, int]], patterns: Iterable[Pattern]
) -> dict[int, str]:
    """Return position → name of the examples that are health checks or pollers."""
    names = ((position, _housekeeping(s, row, patterns)) for position, row in examples)
    return {position: name for position, name in names if name is not None}


def _entry_rows(s: SpanState, spans: I64, source: I64) -> I64:
    tops = (s.parent[spans] < 0) | _starts_by_message(s)[spans]
    starts = (source < 0) & tops & np.isin(s.role[spans], _ENTRIES)
    rows = np.flatnonzero(starts & ~_starts_nothing(s, spans))
    nested = np.flatnonzero((source >= 0) & (s.role[spans] == Role.WORKFLOW))
    return np.concatenate([rows[_first_of_trace(s, spans[rows])], nested])


def _first_of_trace(s: SpanState, tops: I64) -> I64:
    """Return the positions of the first top of each trace; orphans come last."""
    trace = s.tree.trace[tops]
    order = np.lexsort((tops, s.start[tops], s.tree.orphan[tops], trace[:, 1], trace[:, 0]))
    first = np.ones(len(tops), np.bool_)
    first[1:] = (trace[order[1:]] != trace[order[:-1]]).any(axis=1)
    positions: I64 = order[first]
    return positions


def _starts_by_message(s: SpanState) -> NDArray[np.bool_]:
    """Return which agent runs are directly below the root consumer of a message."""
    above = nearest_ancestor(s.parent, nodes(s))
    roots = (s.role == Role.CONSUMER) & (s.parent < 0)
    started: NDArray[np.bool_] = (above >= 0) & roots[above] & (s.role == Role.AGENT)
    return started


def _starts_nothing(s: SpanState, spans: I64) -> NDArray[np.bool_]:
    """Return which spans stand for no run.

    Inserted server spans of an orphaned call or of a lone call of an SDK, and polls without a
    message.
    """
    inserted = spans >= len(s.tree.spans)
    top = nearest_ancestor(s.parent, s.parent < 0)
    busy = np.zeros(len(s.role), np.bool_)
    busy[top[(top >= 0) & np.isin(s.role, _WORK)]] = True
    return (inserted & (s.tree.orphan[spans] | ~busy[spans])) | np.isin(spans, idle_polls(s))


def _serves(s: SpanState, row: int) -> bool:
    serving = (Role.SERVER, Role.CONSUMER)
    return Role(int(s.role[row])) in serving or s.classification(row).role in serving


def _housekeeping(s: SpanState, row: int, patterns: Iterable[Pattern]) -> str | None:
    c = s.classification(row)
    return c.route if _serves(s, row) and is_housekeeping(c, patterns) else None


def _code(found: Entries, s: SpanState, row: int, component: str | None) -> int:
    classification = s.classification(row)
    serves = _serves(s, row)
    name = clean(classification.route) if serves else component
    shown = name or clean(classification.route) or "(unnamed)"
    own = serves or own_name(shown) is None
    workflow = identity(
        ComponentKind.WORKFLOW,
        shown,
        environment=classification.environment,
        service=service_of(classification) if own else None,
    )
    return found.workflows.setdefault(workflow, len(found.workflows))


def _root_codes(found: Entries, s: SpanState, rows: I64) -> NDArray[np.int32]:
    names = [clean(s.classification(row).route) for row in rows.tolist()]
    codes = found.root_names
    return np.array(
        [-1 if name is None else codes.setdefault(name, len(codes)) for name in names], np.int32
    )
