"""Services that are only ever entered while a tool or agent of another service runs.

The caller records no client span, so no peer, operation or id can agree: only the times of all
entries together tell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from agentguard.discovery.kinds import ComponentKind
from agentguard.discovery.partial import I64, Mask, Partial
from agentguard.graph.assembly.evidence import ids_of
from agentguard.graph.model import Evidence, EvidenceReason

K = TypeVar("K", bound=Hashable)

_LEAST = 3
"""Fewer entries can lie within another run by chance."""
_SHARE = 0.9
_CALLERS = (ComponentKind.TOOL, ComponentKind.AGENT)
_ENTERED = (ComponentKind.AGENT, ComponentKind.SERVICE)


@dataclass(frozen=True, slots=True)
class UnrecordedCalls:
    """The entries of a service, each within one run of a component of another service."""

    service: str
    """The caller's."""
    component: str
    """The caller's name."""
    callers: tuple[Evidence, ...]
    """The runs."""
    callees: tuple[int, ...]
    """Positions in the open sides, one for each run."""


def unrecorded_calls(partial: Partial, known: Collection[int]) -> Iterator[UnrecordedCalls]:
    """Yield the services whose entries pair off with the runs of one component elsewhere.

    At least nine of ten entries and runs must lie in one of the other. `known`: entries whose
    caller is known. A run that calls anything but models made another call.
    """
    entries = _entries(partial, known)
    runs = _runs(partial) if entries else {}
    for service, entered in sorted(entries.items()):
        pairs = [
            _pairs(partial, rows, entered)
            for (place, _), rows in sorted(runs.items())
            if place != service
        ]
        fitting = [each for each in pairs if each is not None]
        if len(fitting) == 1:
            yield fitting[0]


def _entries(partial: Partial, known: Collection[int]) -> dict[str, I64]:
    """Return the roots of each service that start agents, if the callers of all are unknown."""
    sides = partial.open_sides
    at, rows = sides.started.T
    explained = np.isin(at, list(known)) | (sides.parent[at] != 0)
    kinds = np.array([each.identity.kind in _ENTERED for each in partial.observations], np.bool_)
    services = [each.service for each in partial.sides]
    incomplete = {services[code] for code in np.unique(sides.side[at[explained]]).tolist()}
    at = np.unique(at[kinds[partial.calls.observation[rows]]]) if len(rows) else at
    by_service = _grouped(at, sides.side[at], services)
    return {s: found for s, found in by_service.items() if s not in incomplete}


def _runs(partial: Partial) -> dict[tuple[str, str], I64]:
    """Return the rows of runs without calls but of models, by service and component."""
    rows = np.flatnonzero(_leaves(partial))
    names = [(each.service, each.identity.id) for each in partial.observations]
    return _grouped(rows, partial.calls.observation[rows].astype(np.int64), names)


def _grouped(values: I64, codes: I64, names: Sequence[K]) -> dict[K, I64]:
    """Return the values by the names of their codes, each at least _LEAST."""
    order = np.argsort(codes, kind="stable")
    kinds, first = np.unique(codes[order], return_index=True)
    parts = defaultdict[K, list[I64]](list)
    for code, part in zip(kinds.tolist(), np.split(values[order], first[1:]), strict=False):
        parts[names[code]].append(part)
    joined = {name: np.sort(np.concatenate(every)) for name, every in parts.items()}
    return {name: every for name, every in joined.items() if len(every) >= _LEAST}


def _leaves(partial: Partial) -> Mask:
    calls = partial.calls
    kinds = [each.identity.kind for each in partial.observations]
    may_call = np.array([kind in _CALLERS for kind in kinds], np.bool_)
    is_model = np.array([kind is ComponentKind.MODEL for kind in kinds], np.bool_)
    if not kinds:
        return np.zeros(0, np.bool_)
    calling = calls.source[(calls.source >= 0) & ~is_model[calls.observation]]
    leaves = calls.ran & may_call[calls.observation] & (calls.duration > 0)
    leaves[calling] = False
    return leaves


def _pairs(partial: Partial, rows: I64, entered: I64) -> UnrecordedCalls | None:
    """Return the runs with the entries in them, if nearly all pair off."""
    calls = partial.calls
    rows = rows[np.argsort(calls.start[rows], kind="stable")]
    at = _enclosing(partial, rows, entered)
    counts = np.bincount(at[at >= 0], minlength=len(rows))
    alone = (at >= 0) & (counts[np.maximum(at, 0)] == 1)
    if alone.sum() < max(_LEAST, _SHARE * max(len(rows), len(entered))):
        return None
    caller = partial.observations[int(calls.observation[rows[0]])]
    return UnrecordedCalls(
        caller.service,
        caller.identity.name,
        tuple(_run(partial, row) for row in rows[at[alone]].tolist()),
        tuple(entered[alone].tolist()),
    )


def _enclosing(partial: Partial, rows: I64, entered: I64) -> I64:
    """Return, for each entry, which of the runs in order of start it lies in; -1: in none."""
    calls, sides = partial.calls, partial.open_sides
    starts, ends = calls.start[rows], calls.start[rows] + calls.duration[rows]
    at = np.searchsorted(starts, sides.start[entered], side="right") - 1
    inside = (at >= 0) & (sides.end[entered] <= ends[np.maximum(at, 0)])
    return np.where(inside, at, -1)


def _run(partial: Partial, row: int) -> Evidence:
    ids = ids_of(partial.calls, partial.labels, row)
    return Evidence(*ids, int(partial.calls.start[row]), EvidenceReason.SAMPLE)
