"""Explains one trace: the rule, the later changes and the caller of each span."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

import numpy as np
import pyarrow as pa

from agentguard.discovery.classification import Classifier
from agentguard.discovery.dialects.loading import Dialects, Role
from agentguard.discovery.kernel import PartialBuilder
from agentguard.discovery.kinds import TYPES
from agentguard.discovery.naming import Identity
from agentguard.discovery.outcomes import infer_failed_runs
from agentguard.discovery.ownership import Owners, owners
from agentguard.discovery.partial import I64, Mask, Partial, Proof
from agentguard.discovery.prescan import Prescan
from agentguard.discovery.role_passes import Pass, assign_roles
from agentguard.discovery.rows import select_rows
from agentguard.discovery.span_state import SpanState
from agentguard.discovery.spantree import SpanTree, outline, span_tree

_EVIDENCE = {
    Proof.ATTRIBUTE: "an attribute of the call names the caller",
    Proof.STRUCTURE: "recorded parents",
    Proof.LINK: "a span link",
    Proof.SIBLING: "time: the run that encloses the call, or the only agent beside it",
    Proof.MATCH: "ids, times and peer of separate traces",
    Proof.TEXT: "names in the content of spans",
    Proof.SHAPE: "recorded parents; caller or callee is known by its form only",
    Proof.SERVICE_NAME: "the service's name",
}


@dataclass(frozen=True, slots=True)
class Change:
    """A role that a pass over the whole trace changed."""

    role: Role
    by: str
    """The pass."""
    why: str


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a span's component, and the evidence for it."""

    span_id: str
    component: Identity
    type: str
    via: str | None
    proof: Proof
    why: str


@dataclass(slots=True)
class ExplainedSpan:
    """A span with everything that decided what it is."""

    row: int
    """Its row in the span tree."""
    depth: int
    role: Role
    rule: str
    """The dialect rule that claimed it; empty: none."""
    basis: str = ""
    """The rule that its component rests on."""
    component: Identity | None = None
    caller: Caller | None = None
    changes: list[Change] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Explanation:
    """The spans of one trace as a tree; parents come before their children."""

    spans: pa.Table
    """SPAN_SCHEMA, without duplicates."""
    explained: tuple[ExplainedSpan, ...]


def explain(
    spans: pa.Table, dialects: Dialects, classifier: Classifier, seen: Prescan
) -> Explanation:
    """Explain the spans (SPAN_SCHEMA) of one trace; `seen` covers the whole window."""
    found = discovered(spans, dialects, classifier, seen)
    parent, order = outline(found.tree)
    return Explanation(
        found.tree.spans, tuple(found.span(row, depth) for row, depth in _walk(parent, order))
    )


def discovered(
    spans: pa.Table, dialects: Dialects, classifier: Classifier, seen: Prescan
) -> DiscoveredTrace:
    """Return what discovery takes the spans (SPAN_SCHEMA) of one trace for."""
    tree = span_tree(spans)
    classifications = classifier.classify(tree.spans)
    changes = _Changes(classifications.roles())
    state = assign_roles(tree, classifications, seen, dialects, watch=changes.after)
    owned = owners(state)
    infer_failed_runs(state, owned)
    partial_result = PartialBuilder(state, owned, dialects, seen).partial()
    return DiscoveredTrace(state, owned, partial_result, changes)


class _Changes:
    """The changes of roles, pass by pass."""

    def __init__(self, roles: np.ndarray[tuple[int], np.dtype[np.int8]]) -> None:
        self._last = roles.copy()
        self.by_row: dict[int, list[Change]] = {}

    def after(self, role_pass: Pass, s: SpanState) -> None:
        """Note what this pass changed."""
        recorded = s.role[: len(self._last)]
        for row in np.flatnonzero(recorded != self._last).tolist():
            function = role_pass.func if isinstance(role_pass, partial) else role_pass
            why = (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")
            change = Change(Role(int(recorded[row])), function.__name__.strip("_"), why)
            self.by_row.setdefault(row, []).append(change)
        self._last = recorded.copy()


class DiscoveredTrace:
    """A trace with what discovery took its spans for; each is described when it is asked for."""

    def __init__(self, state: SpanState, owned: Owners, found: Partial, changes: _Changes) -> None:
        self._s, self._found, self._changes = state, found, changes
        self._row_of = select_rows(state, owned).row_of

    @property
    def tree(self) -> SpanTree:
        return self._s.tree

    @property
    def roles(self) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
        """Return the role of each span of the tree."""
        return self._s.role[: len(self._s.tree.spans)]

    @property
    def failed(self) -> Mask:
        """Return which spans of the tree failed, by their status or by what discovery inferred."""
        return self._s.failed[: len(self._s.tree.spans)]

    def span(self, row: int, depth: int) -> ExplainedSpan:
        """Return what is known of this span of the tree."""
        s = self._s
        explained = ExplainedSpan(
            row,
            depth,
            Role(int(s.role[row])),
            s.classification(row).rule,
            changes=self._changes.by_row.get(row, []),
        )
        at = int(self._row_of[row])
        if at >= 0:
            observation = self._found.observations[int(self._found.calls.observation[at])]
            explained.basis, explained.component = observation.rule, observation.identity
            explained.caller = self._caller(row, at)
        return explained

    def _caller(self, row: int, at: int) -> Caller | None:
        calls = self._found.calls
        source = int(calls.source[at])
        if source < 0:
            return None
        proof, via = Proof(int(calls.proof[at])), int(calls.via[at])
        return Caller(
            int(calls.span[source]).to_bytes(8, "little").hex(),
            self._found.observations[int(calls.observation[source])].identity,
            TYPES[int(calls.type[at])].value,
            self._found.vias[via] if via >= 0 else None,
            proof,
            self._why(row, proof),
        )

    def _why(self, row: int, proof: Proof) -> str:
        if row in self._s.handoffs:
            return f"a handoff: {_EVIDENCE[proof]}"
        return _EVIDENCE[proof]


def _walk(parent: I64, order: I64) -> Iterator[tuple[int, int]]:
    """Yield each row with its depth, parents first, siblings by time."""
    children: dict[int, list[int]] = {}
    for above, rows in groupby(
        sorted(order.tolist(), key=lambda row: int(parent[row])), key=lambda row: int(parent[row])
    ):
        children[above] = list(rows)
    waiting = [(row, 0) for row in reversed(children.get(-1, []))]
    while waiting:
        row, depth = waiting.pop()
        yield row, depth
        waiting += [(child, depth + 1) for child in reversed(children.get(row, []))]
