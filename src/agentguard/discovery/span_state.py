"""Spans with their roles settled.

Halves paired, agents without spans of their own given one, doubles told apart.

A *node* is a span with a role of its own; all others are transparent. Every function here works on
arrays over spans.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agentguard.compute.arrays import factorize, hash_rows, words
from agentguard.discovery.classification import Reading, Readings
from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.partial import I64, Mask, Proof
from agentguard.discovery.spantree import SpanTree

PLAIN = (Role.NONE, Role.STEP, Role.SETUP)


@dataclass(frozen=True, slots=True)
class Given:
    """A role that a span has by its place among others, not by what it says itself."""

    name: str | None
    rule: str
    proof: Proof


@dataclass(frozen=True, slots=True)
class Unseen:
    """A call whose callee has no span.

    A handoff whose receiver never ran, a tool that only a model's answer names.
    """

    row: int
    """The span that tells of it."""
    caller: int
    name: str | None
    role: Role
    rule: str


@dataclass(slots=True)
class SpanState:
    """n spans, being settled.

    After those of the tree may come some that stand for services, see discovery.origins.
    """

    tree: SpanTree
    readings: Readings
    role: NDArray[np.int8]
    parent: I64
    start: I64
    end: I64
    failed: Mask
    timed: Mask
    """Whether the end is known; where it is not, it stands as the start."""
    tokens: tuple[I64, I64]
    given: dict[int, Given] = field(default_factory=dict)
    server: dict[int, str] = field(default_factory=dict)
    """MCP call → the server's name."""
    delegated: dict[int, str] = field(default_factory=dict)
    """Agent run → the tool that it was delegated through"""
    nested: dict[int, int] = field(default_factory=dict)
    """Agent run without a name → how many such runs enclose it"""
    handoffs: dict[int, tuple[int, str | None, Proof]] = field(default_factory=dict)
    """Agent run → (the giver's run, via, proof)."""
    unseen: list[Unseen] = field(default_factory=list)
    unresolved: I64 = field(default_factory=lambda: np.zeros(0, np.int64))
    """Calls of which nobody tells where they went"""

    def reading(self, row: int) -> Reading:
        """What this span says of itself."""
        return self.readings.readings[int(self.readings.shape[row])]

    def name(self, row: int) -> str | None:
        """The name of the component that this span stands for."""
        return self.given[row].name if row in self.given else self.reading(row).name

    def services(self) -> I64:
        """A code for each span's service."""
        codes: dict[str, int] = {}
        return np.array(
            [codes.setdefault(r.service, len(codes)) for r in self.readings.readings], np.int64
        )[self.readings.shape]

    def families(self) -> I64:
        """A code for each span's parent.

        Its row, or less than -1 where several spans name one parent that never came; -1: a root.
        """
        wanted = words(self.tree.spans.column("parent_id"), 8)[:, 0]
        lost, _ = factorize(hash_rows(self.tree.trace[:, 0], self.tree.trace[:, 1], wanted))
        return np.where((self.parent < 0) & (wanted != 0), -2 - lost, self.parent)

    def rows(self, *roles: Role) -> I64:
        """The spans that have one of the roles."""
        return np.flatnonzero(np.isin(self.role, roles))


def initial_state(tree: SpanTree, readings: Readings) -> SpanState:
    """Return the spans with the roles that they have by themselves."""
    fails = np.array([-1 if r.fails is None else int(r.fails) for r in readings.readings], np.int8)[
        readings.shape
    ]
    failed = tree.spans.column("failed").to_numpy(zero_copy_only=False)
    start, end, into, out = (
        _numbers(tree.spans, key) for key in ("start", "end", "input_tokens", "output_tokens")
    )
    failing = np.where(fails < 0, failed, fails > 0)
    return SpanState(
        tree,
        readings,
        readings.roles(),
        tree.parent.copy(),
        start,
        np.maximum(start, end),
        failing,
        end > 0,
        (into, out),
    )


def _numbers(spans: pa.Table, key: str) -> I64:
    numbers: I64 = spans.column(key).to_numpy().copy()
    return numbers


def nearest(parent: I64, mask: Mask) -> I64:
    """Return, for each span, the nearest span above it (not itself) where the mask holds.

    -1 where there is none.
    """
    rows = np.arange(len(parent))
    jump = np.where(mask | (parent < 0), rows, parent)
    while True:
        further = jump[jump]
        if (further == jump).all():
            break
        jump = further
    above = np.where(parent >= 0, jump[parent], -1)
    return np.where((above >= 0) & mask[above], above, -1)


def is_below(parent: I64, row: int, other: int) -> bool:
    """Say whether a span hangs below the other, or is it."""
    while row >= 0 and row != other:
        row = int(parent[row])
    return row == other


def nodes(s: SpanState) -> Mask:
    """Whether a span stands for something of its own."""
    return ~np.isin(s.role, PLAIN)


def by_time(s: SpanState, rows: I64) -> list[int]:
    """Return the rows in the order in which their spans started."""
    return [int(row) for row in rows[np.lexsort((rows, s.start[rows]))]]
