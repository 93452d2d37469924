"""What discovery finds in some whole traces.

Calls by row, and the tables that their codes point into. Partials merge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agentguard.discovery.naming import Identity

I64 = NDArray[np.int64]
I32 = NDArray[np.int32]
U64 = NDArray[np.uint64]
Mask = NDArray[np.bool_]


class Proof(IntEnum):
    """What kind of evidence a claim rests on, strongest first."""

    ATTRIBUTE = 0
    """An attribute says it."""
    STRUCTURE = 1
    """Parent and child, or the span's own name, say it."""
    LINK = 2
    """A span link says it."""
    SIBLING = 3
    """Order in time under one parent says it."""
    TEXT = 4
    """Text inside content says it."""
    SERVICE_NAME = 5
    """Only the service's name says it."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """How a component was seen: all that rows of one kind have in common."""

    identity: Identity
    spelling: str
    service: str
    provider: str | None
    rule: str
    proof: Proof
    attributes: tuple[tuple[str, str], ...] = ()
    answered: str | None = None
    """The name under which a model's server answered."""


@dataclass(slots=True)
class Calls:
    """Rows of calls. A caller's row stands before its callees' rows within one trace."""

    trace: U64
    """(n, 2) words of the trace id"""
    span: U64
    """(n,) word of the span id"""
    sighting: I32
    """(n,) code of the callee's sighting"""
    source: I64
    """(n,) row of the caller's own invocation; -1: none seen"""
    type: NDArray[np.int8]
    """(n,) code of the DependencyType; -1: none (an entry, or only a sighting)"""
    via: I32
    """(n,) code of the text between the two; -1: none"""
    proof: NDArray[np.int8]
    """(n,) Proof of the dependency"""
    failed: Mask
    start: I64
    duration: I64
    """(n,) ns; -1: unknown"""
    asked: I64
    """(n,) start by the caller's clock"""
    answered: I64
    """(n,) end by the caller's clock"""
    halves: Mask
    """(n,) whether these two are those of a span of the caller's, apart from the callee's own"""
    input_tokens: I64
    output_tokens: I64
    cost: NDArray[np.float64]
    """(n,) US dollars; NaN: not given"""
    ran: Mask
    """(n,) whether this is an invocation; otherwise it only shows that the component exists"""
    entry: I32
    """(n,) code of the workflow that this row starts; -1: it starts none"""
    root: I32
    """(n,) code of the name of the run's root span, on rows that start a workflow; -1: unknown"""
    inside: I64
    """(n,) row whose span encloses this one although it is not its caller (a model's attempt inside
    another's call); -1: none
    """

    def __len__(self) -> int:
        return len(self.span)


@dataclass(frozen=True, slots=True)
class LinkEnd:
    """A span at one end of a link between traces: where it is, and the row that acts there."""

    trace: tuple[int, int]
    span: int
    row: int
    """At the linked span: the row of its holder. At the linking span: the row that it started."""
    via: str | None


@dataclass(frozen=True, slots=True)
class LinkStart:
    """A row that has no caller in its own trace but a link to a span of another."""

    row: int
    to_trace: tuple[int, int]
    to_span: int
    messaging: bool


@dataclass(slots=True)
class Partial:
    """One partition's findings."""

    calls: Calls
    sightings: list[Sighting] = field(default_factory=list)
    vias: list[str] = field(default_factory=list)
    workflows: list[Identity] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)
    """Names of root spans."""
    link_ends: list[LinkEnd] = field(default_factory=list)
    link_starts: list[LinkStart] = field(default_factory=list)
    labels: dict[bytes, str] = field(default_factory=dict)
    """Id bytes (16: trace, 24: trace and span) → the id as written, where it is not hex."""
    spans: int = 0
    traces: int = 0
    duplicates: int = 0
    orphans: int = 0
    unresolved_peers: int = 0
    unnamed_model_calls: int = 0
    """Calls of a model that nothing names, made by nobody known."""
    attributed: Counter[str] = field(default_factory=Counter)
    unattributed: Counter[str] = field(default_factory=Counter)
    sampling: Counter[str] = field(default_factory=Counter)
    """What spans say of how they were sampled → spans."""
    housekeeping: Counter[str] = field(default_factory=Counter)
    """Entry points that are health checks and pollers, not workflows → how often they were entered.
    """
    first_seen: int = 0
    last_seen: int = 0
    parent_cycles: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Trace and span id at which parents that led round in a circle were cut"""


def merged(partials: Sequence[Partial]) -> Partial:
    """Return all findings as one. Up to the order of rows, associative and commutative."""
    result = Partial(_no_calls())
    sightings: dict[Sighting, int] = {}
    vias: dict[str, int] = {}
    workflows: dict[Identity, int] = {}
    roots: dict[str, int] = {}
    parts, offset = [], 0
    for partial in partials:
        parts.append(_recoded(partial, offset, sightings, vias, workflows, roots))
        result.link_ends += [
            LinkEnd(e.trace, e.span, e.row + offset, e.via) for e in partial.link_ends
        ]
        result.link_starts += [
            LinkStart(s.row + offset, s.to_trace, s.to_span, s.messaging)
            for s in partial.link_starts
        ]
        _add_counts(result, partial)
        offset += len(partial.calls)
    if parts:
        result.calls = Calls(
            **{
                f.name: np.concatenate([getattr(part, f.name) for part in parts])
                for f in fields(Calls)
            }
        )
    result.sightings, result.vias = list(sightings), list(vias)
    result.workflows, result.roots = list(workflows), list(roots)
    return result


def _recoded(
    partial: Partial,
    offset: int,
    sightings: dict[Sighting, int],
    vias: dict[str, int],
    workflows: dict[Identity, int],
    roots: dict[str, int],
) -> Calls:
    calls = partial.calls
    changed = {f.name: getattr(calls, f.name) for f in fields(Calls)}
    changed["sighting"] = _codes(
        calls.sighting, [sightings.setdefault(s, len(sightings)) for s in partial.sightings]
    )
    changed["via"] = _codes(calls.via, [vias.setdefault(v, len(vias)) for v in partial.vias])
    changed["entry"] = _codes(
        calls.entry, [workflows.setdefault(w, len(workflows)) for w in partial.workflows]
    )
    changed["root"] = _codes(calls.root, [roots.setdefault(r, len(roots)) for r in partial.roots])
    changed["source"] = np.where(calls.source >= 0, calls.source + offset, -1)
    changed["inside"] = np.where(calls.inside >= 0, calls.inside + offset, -1)
    return Calls(**changed)


def _codes(codes: I32, table: list[int]) -> I32:
    return np.array([*table, -1], np.int32)[codes]


def _add_counts(result: Partial, partial: Partial) -> None:
    result.labels |= partial.labels
    result.parent_cycles += partial.parent_cycles
    result.spans += partial.spans
    result.traces += partial.traces
    result.duplicates += partial.duplicates
    result.orphans += partial.orphans
    result.unresolved_peers += partial.unresolved_peers
    result.unnamed_model_calls += partial.unnamed_model_calls
    result.attributed += partial.attributed
    result.unattributed += partial.unattributed
    result.sampling += partial.sampling
    result.housekeeping += partial.housekeeping
    seen = [time for time in (result.first_seen, partial.first_seen) if time]
    result.first_seen = min(seen, default=0)
    result.last_seen = max(result.last_seen, partial.last_seen)


def _no_calls() -> Calls:
    kinds = {
        "sighting": np.int32,
        "type": np.int8,
        "via": np.int32,
        "proof": np.int8,
        "failed": np.bool_,
        "halves": np.bool_,
        "cost": np.float64,
    }
    kinds |= {"ran": np.bool_, "entry": np.int32, "root": np.int32, "span": np.uint64}
    columns: dict[str, Any] = {
        f.name: np.zeros(0, kinds.get(f.name, np.int64)) for f in fields(Calls) if f.name != "trace"
    }
    return Calls(trace=np.zeros((0, 2), np.uint64), **columns)
