"""Partial discovery results of complete traces, and their merge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from agentguard.compute.arrays import factorize
from agentguard.discovery.call_sides import OpenSides, Side, WholeHop, no_open_sides
from agentguard.discovery.naming import Identity

I64 = NDArray[np.int64]
I32 = NDArray[np.int32]
U64 = NDArray[np.uint64]
Mask = NDArray[np.bool_]
T = TypeVar("T")
Link = TypeVar("Link", "LinkEnd", "LinkStart")


class Proof(IntEnum):
    """Kind of evidence for a claim, strongest first."""

    ATTRIBUTE = 0
    """Stated by an attribute."""
    STRUCTURE = 1
    """Derived from parent and child, or from the span's name."""
    LINK = 2
    """Derived from a span link."""
    SIBLING = 3
    """Derived from the order in time under one parent."""
    MATCH = 4
    """Inferred from separate traces whose ids, times and peer agree."""
    TEXT = 5
    """Extracted from text content."""
    SHAPE = 6
    """Derived from the form of attributes without a known convention."""
    SERVICE_NAME = 7
    """Derived from the service's name only."""
    ORDER = 8
    """Derived from two runs of one workflow that follow each other."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A component's identity with the rule and proof of its occurrence, shared by many rows."""

    identity: Identity
    spelling: str
    service: str
    provider: str | None
    rule: str
    proof: Proof
    attributes: tuple[tuple[str, str], ...] = ()
    response_model: str | None = None
    """The model name in the response."""


@dataclass(slots=True)
class Calls:
    """Rows of calls; within a trace, a caller's row precedes its callees' rows."""

    trace: U64
    """(n, 2) words of the trace id."""
    span: U64
    """(n,) word of the span id."""
    observation: I32
    """(n,) code of the callee's observation."""
    source: I64
    """(n,) row of the caller's own invocation; -1: none."""
    type: NDArray[np.int8]
    """(n,) code of the DependencyType; -1: none (an entry, or only an observation)."""
    via: I32
    """(n,) code of the text between caller and callee; -1: none."""
    proof: NDArray[np.int8]
    """(n,) Proof of the dependency."""
    failed: Mask
    start: I64
    duration: I64
    """(n,) ns; -1: unknown."""
    client_start: I64
    """(n,) start by the caller's clock, ns."""
    client_end: I64
    """(n,) end by the caller's clock, ns."""
    has_client_span: Mask
    """(n,) whether these times come from a client span, separate from the callee's own span."""
    input_tokens: I64
    output_tokens: I64
    cached_input_tokens: I64
    cost: NDArray[np.float64]
    """(n,) US dollars; NaN: unknown."""
    ran: Mask
    """(n,) whether this is an invocation; otherwise it only proves that the component exists."""
    entry: I32
    """(n,) code of the workflow that this row starts; -1: none."""
    root: I32
    """(n,) code of the name of the run's root span, on rows that start a workflow; -1: unknown."""
    message: U64
    """(n,) digest of the message that this row received, see discovery.messages; 0: unknown."""
    stop: NDArray[np.int8]
    """(n,) how the run was stopped, as Stop, on rows that start a workflow; 0: it was not."""
    conversation: U64
    """(n,) digest of the run's conversation, on rows that start a workflow; 0: unknown."""
    inside: I64
    """(n,) row whose span encloses this one without being its caller, for example a model attempt
    inside another model call; -1: none.
    """

    def __len__(self) -> int:
        return len(self.span)


@dataclass(frozen=True, slots=True)
class LinkEnd:
    """The linked end of a span link between traces."""

    trace: tuple[int, int]
    span: int
    row: int
    """The row of the linked span's holder."""
    via: str | None


@dataclass(frozen=True, slots=True)
class LinkStart:
    """A row without a caller in its own trace, but with a link to a span in another one."""

    row: int
    to_trace: tuple[int, int]
    to_span: int
    messaging: bool
    inferred: bool = False
    """Whether no span link leads there, but ids, times and queue agree."""


@dataclass(slots=True)
class Partial:
    """The result for one partition."""

    calls: Calls
    observations: list[Observation] = field(default_factory=list)
    vias: list[str] = field(default_factory=list)
    workflows: list[Identity] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)
    """Names of root spans."""
    link_ends: list[LinkEnd] = field(default_factory=list)
    link_starts: list[LinkStart] = field(default_factory=list)
    sides: list[Side] = field(default_factory=list)
    open_sides: OpenSides = field(default_factory=no_open_sides)
    whole_hops: dict[tuple[Side, Side], WholeHop] = field(default_factory=dict)
    """(Caller's side, callee's side) → the calls whose sides share a trace."""
    labels: dict[bytes, str] = field(default_factory=dict)
    """Id bytes (16: trace, 24: trace and span) → the id as written, if it is not hex."""
    spans: int = 0
    traces: int = 0
    duplicates: int = 0
    orphans: int = 0
    unresolved_peers: int = 0
    unnamed_model_calls: int = 0
    """Model calls with neither a model name nor a known caller."""
    model_calls_without_usage: int = 0
    """Model calls that succeeded, but give no number of tokens."""
    attributed: Counter[str] = field(default_factory=Counter)
    unattributed: Counter[str] = field(default_factory=Counter)
    sampling: Counter[str] = field(default_factory=Counter)
    """Statement about sampling → number of spans."""
    housekeeping: Counter[str] = field(default_factory=Counter)
    """Excluded entry points (health checks, pollers) → number of runs."""
    first_seen: int = 0
    last_seen: int = 0
    parent_cycles: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Trace and span id at which each parent cycle was cut."""

    def via_code(self, text: str) -> int:
        """Return the code of a text between caller and callee, adding it if it is new."""
        if text not in self.vias:
            self.vias.append(text)
        return self.vias.index(text)


def merged(partials: Sequence[Partial]) -> Partial:
    """Merge the results of any partition of complete traces, in any order, into one result.

    Rows are in the order of their traces, and codes in the order of the rows.
    """
    result = Partial(_no_calls())
    tables = _Tables()
    parts, offset = list[Calls](), 0
    open_sides, spans = list[OpenSides](), 0
    for partial in partials:
        parts.append(tables.recode(partial, offset))
        open_sides.append(tables.recode_sides(partial, offset, spans))
        spans += len(partial.open_sides)
        _add_links(result, partial, offset)
        _add_hops(result, partial)
        _add_counts(result, partial)
        offset += len(partial.calls)
    if parts:
        result.calls = _concatenated(Calls, parts)
        result.open_sides = _concatenated(OpenSides, open_sides)
    tables.give(result)
    result.open_sides = result.open_sides.moved(_sort_by_trace(result)).in_order()
    _renumber(result)
    return result


def _sort_by_trace(result: Partial) -> I64:
    """Sort rows and links by the lower half of the trace id; within a trace, keep their order.

    Returns where each row is then, and -1 for row -1.
    """
    lower = result.calls.trace[:, 1]
    order = np.argsort(lower, kind="stable")
    place = np.full(len(order) + 1, -1, np.int64)
    place[order] = np.arange(len(order))
    calls = Calls(**{f.name: getattr(result.calls, f.name)[order] for f in fields(Calls)})
    calls.source, calls.inside = place[calls.source], place[calls.inside]
    result.calls = calls
    result.link_ends.sort(key=lambda end: end.trace[1])
    result.link_starts.sort(key=lambda start: int(lower[start.row]))
    result.link_ends = _moved(result.link_ends, place)
    result.link_starts = _moved(result.link_starts, place)
    return place


def _moved(links: Sequence[Link], place: I64) -> list[Link]:
    return [replace(link, row=int(place[link.row])) for link in links]


def _renumber(result: Partial) -> None:
    """Number each table's values in the order in which the rows use them; drop the others."""
    calls = result.calls
    calls.observation, result.observations = _used(calls.observation, result.observations)
    calls.via, result.vias = _used(calls.via, result.vias)
    calls.entry, result.workflows = _used(calls.entry, result.workflows)
    calls.root, result.roots = _used(calls.root, result.roots)
    sides, result.sides = _used(result.open_sides.side.astype(np.int32), result.sides)
    result.open_sides = replace(result.open_sides, side=sides.astype(np.int64))


def _used(codes: I32, values: Sequence[T]) -> tuple[I32, list[T]]:
    numbers, first = factorize(codes[codes >= 0].astype(np.uint64))
    renumbered = np.full(len(codes), -1, np.int32)
    renumbered[codes >= 0] = numbers
    return renumbered, [values[code] for code in codes[codes >= 0][first].tolist()]


def _concatenated(kind: type[T], parts: Sequence[T]) -> T:
    """Return the arrays of all parts, one after another."""
    names = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})


@dataclass(slots=True)
class _Tables:
    """Code tables shared by the merged partials."""

    observations: dict[Observation, int] = field(default_factory=dict)
    vias: dict[str, int] = field(default_factory=dict)
    workflows: dict[Identity, int] = field(default_factory=dict)
    roots: dict[str, int] = field(default_factory=dict)
    sides: dict[Side, int] = field(default_factory=dict)

    def give(self, result: Partial) -> None:
        """Set the values of these tables in the result."""
        result.sides = list(self.sides)
        result.observations, result.vias = list(self.observations), list(self.vias)
        result.workflows, result.roots = list(self.workflows), list(self.roots)

    def recode_sides(self, partial: Partial, rows: int, spans: int) -> OpenSides:
        """Return the open sides with codes of these tables, after so many rows and sides."""
        found = partial.open_sides.moved(np.append(np.arange(len(partial.calls)) + rows, -1))
        return replace(
            found,
            side=_recoded(found.side, partial.sides, self.sides).astype(np.int64),
            started=found.started + np.array([spans, 0]),
        )

    def recode(self, partial: Partial, offset: int) -> Calls:
        """Return the partial's calls with codes of these tables and rows moved by `offset`."""
        calls = partial.calls
        return replace(
            calls,
            observation=_recoded(calls.observation, partial.observations, self.observations),
            via=_recoded(calls.via, partial.vias, self.vias),
            entry=_recoded(calls.entry, partial.workflows, self.workflows),
            root=_recoded(calls.root, partial.roots, self.roots),
            source=np.where(calls.source >= 0, calls.source + offset, -1),
            inside=np.where(calls.inside >= 0, calls.inside + offset, -1),
        )


def _recoded(codes: I32 | I64, values: Sequence[T], table: dict[T, int]) -> I32:
    new = [table.setdefault(value, len(table)) for value in values]
    return np.array([*new, -1], np.int32)[codes]


def _add_links(result: Partial, partial: Partial, offset: int) -> None:
    result.link_ends += [replace(end, row=end.row + offset) for end in partial.link_ends]
    result.link_starts += [replace(start, row=start.row + offset) for start in partial.link_starts]


def _add_hops(result: Partial, partial: Partial) -> None:
    for hop, calls in partial.whole_hops.items():
        known = result.whole_hops.get(hop)
        result.whole_hops[hop] = calls if known is None else known + calls


def _add_counts(result: Partial, partial: Partial) -> None:
    result.labels |= partial.labels
    result.parent_cycles += partial.parent_cycles
    result.spans += partial.spans
    result.traces += partial.traces
    result.duplicates += partial.duplicates
    result.orphans += partial.orphans
    result.unresolved_peers += partial.unresolved_peers
    result.unnamed_model_calls += partial.unnamed_model_calls
    result.model_calls_without_usage += partial.model_calls_without_usage
    result.attributed += partial.attributed
    result.unattributed += partial.unattributed
    result.sampling += partial.sampling
    result.housekeeping += partial.housekeeping
    seen = [time for time in (result.first_seen, partial.first_seen) if time]
    result.first_seen = min(seen, default=0)
    result.last_seen = max(result.last_seen, partial.last_seen)


def _no_calls() -> Calls:
    kinds = {
        "observation": np.int32,
        "type": np.int8,
        "via": np.int32,
        "proof": np.int8,
        "stop": np.int8,
        "failed": np.bool_,
        "has_client_span": np.bool_,
        "cost": np.float64,
    }
    kinds |= {
        "ran": np.bool_,
        "entry": np.int32,
        "root": np.int32,
        "span": np.uint64,
        "message": np.uint64,
    }
    columns: dict[str, Any] = {
        f.name: np.zeros(0, kinds.get(f.name, np.int64)) for f in fields(Calls) if f.name != "trace"
    }
    return Calls(trace=np.zeros((0, 2), np.uint64), **columns)
