"""Mutable state of the role passes: spans with roles, parents, times and failures.

A *node* is a span with a role of its own; all others are transparent. Functions work on arrays over
spans.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agentguard.compute.arrays import factorize, hash_rows, words
from agentguard.discovery.classification import Classification, Classifications
from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.partial import I64, U64, Mask, Proof
from agentguard.discovery.spantree import SpanTree
from agentguard.ingest.attribute_selection import TOKENS

TRANSPARENT = (Role.NONE, Role.STEP, Role.SETUP)


@dataclass(frozen=True, slots=True)
class AssignedRole:
    """A role that follows from the span's position, not from its own attributes."""

    name: str | None
    rule: str
    proof: Proof
    spelling: str | None = None
    """Another name of the component; None: its name as written."""


@dataclass(frozen=True, slots=True)
class InferredCall:
    """A call without a span of the callee, such as a handoff whose target never ran."""

    row: int
    """The span that is the evidence."""
    caller: int
    name: str | None
    role: Role
    rule: str
    proof: Proof | None = None
    """The evidence for the caller, where that is not the recorded parents."""


@dataclass(slots=True)
class SpanState:
    """n spans during role assignment.

    The spans of the tree, followed by inserted server spans, see discovery.missing_server_spans.
    """

    tree: SpanTree
    classifications: Classifications
    role: NDArray[np.int8]
    parent: I64
    start: I64
    end: I64
    failed: Mask
    timed: Mask
    """Whether the end is known; otherwise it equals the start."""
    tokens: tuple[I64, I64, I64]
    """Input, output and cached input tokens."""
    assigned: dict[int, AssignedRole] = field(default_factory=dict)
    server: dict[int, str] = field(default_factory=dict)
    """MCP call → the server's name."""
    merged_servers: set[int] = field(default_factory=set)
    """MCP server spans that are one call with their client span; what is below is their work."""
    delegated: dict[int, str] = field(default_factory=dict)
    """Agent run → the tool through which it was delegated."""
    nested: dict[int, int] = field(default_factory=dict)
    """Unnamed agent run → number of unnamed runs that enclose it."""
    handoffs: dict[int, tuple[int, str | None, Proof]] = field(default_factory=dict)
    """Receiving agent run → (the sender's run, via, proof)."""
    ownership: dict[int, Proof] = field(default_factory=dict)
    """Call → the evidence for its caller, where that is not the recorded parents."""
    inferred_calls: list[InferredCall] = field(default_factory=list)
    forwarded: set[int] = field(default_factory=set)
    """Model calls through gateways whose upstream calls are known."""
    own_usage: set[int] = field(default_factory=set)
    """Agent runs whose tokens no model call can be given."""
    unresolved: I64 = field(default_factory=lambda: np.zeros(0, np.int64))
    """Calls with an unknown destination."""
    start_up: I64 = field(default_factory=lambda: np.zeros(0, np.int64))
    """Database calls that prepared a service."""

    def classification(self, row: int) -> Classification:
        """Return this span's own classification."""
        return self.classifications.by_shape[int(self.classifications.shape[row])]

    def name(self, row: int) -> str | None:
        """Return the name of the component that this span represents."""
        return self.assigned[row].name if row in self.assigned else self.classification(row).name

    def merged(self) -> Mask:
        """Return which spans are in `merged_servers`."""
        merged = np.zeros(len(self.role), np.bool_)
        merged[list(self.merged_servers)] = True
        return merged

    def stops(self) -> NDArray[np.int8]:
        """Return the Stop of each span."""
        stops = np.array([r.stop for r in self.classifications.by_shape], np.int8)
        return stops[self.classifications.shape]

    def services(self) -> I64:
        """Return a code for the service of each span."""
        codes: dict[str, int] = {}
        return np.array(
            [codes.setdefault(r.service, len(codes)) for r in self.classifications.by_shape],
            np.int64,
        )[self.classifications.shape]

    def ids(self, column: str) -> U64:
        """Return, for each span, the digest of its request or conversation; 0 if it has none."""
        digests = np.zeros(len(self.role), np.uint64)
        digests[: len(self.tree.spans)] = self.tree.spans.column(column).to_numpy().view(np.uint64)
        return digests

    def parent_codes(self) -> I64:
        """Return a code for the parent of each span.

        The parent's row, less than -1 for a shared missing parent, or -1 for a root.
        """
        parent_id = words(self.tree.spans.column("parent_id"), 8)[:, 0]
        missing, _ = factorize(hash_rows(self.tree.trace[:, 0], self.tree.trace[:, 1], parent_id))
        return np.where((self.parent < 0) & (parent_id != 0), -2 - missing, self.parent)

    def rows(self, *roles: Role) -> I64:
        """Return the spans with one of the roles."""
        return np.flatnonzero(np.isin(self.role, roles))


def initial_state(tree: SpanTree, classifications: Classifications) -> SpanState:
    """Return the spans with the roles of their own classification."""
    fails = np.array(
        [-1 if r.fails is None else int(r.fails) for r in classifications.by_shape], np.int8
    )[classifications.shape]
    failed = tree.spans.column("failed").to_numpy(zero_copy_only=False)
    start, end = _numbers(tree.spans, "start"), _numbers(tree.spans, "end")
    into, out, cached = (_numbers(tree.spans, name) for name in TOKENS)
    failing = np.where(fails < 0, failed, fails > 0)
    return SpanState(
        tree,
        classifications,
        classifications.roles(),
        tree.parent.copy(),
        start,
        np.maximum(start, end),
        failing,
        end > 0,
        (into, out, cached),
    )


def _numbers(spans: pa.Table, key: str) -> I64:
    numbers: I64 = spans.column(key).to_numpy().copy()
    return numbers


def nearest_ancestor(parent: I64, mask: Mask) -> I64:
    """Return, for each span, the nearest proper ancestor in the mask; -1: none."""
    rows = np.arange(len(parent))
    jump = np.where(mask | (parent < 0), rows, parent)
    while True:
        further = jump[jump]
        if (further == jump).all():
            break
        jump = further
    above = np.where(parent >= 0, jump[parent], -1)
    return np.where((above >= 0) & mask[above], above, -1)


def is_descendant(parent: I64, row: int, other: int) -> bool:
    """Return whether the span `row` is `other` or one of its descendants."""
    while row >= 0 and row != other:
        row = int(parent[row])
    return row == other


def encloses(s: SpanState, outer: int, inner: int) -> bool:
    """Return whether a span encloses another one in time."""
    within = s.start[outer] <= s.start[inner] and s.end[inner] <= s.end[outer]
    return bool(s.timed[outer] and within)


def nodes(s: SpanState) -> Mask:
    """Return which spans are nodes."""
    return ~np.isin(s.role, TRANSPARENT)


def by_time(s: SpanState, rows: I64) -> list[int]:
    """Return the rows in order of start."""
    return [int(row) for row in rows[np.lexsort((rows, s.start[rows]))]]
