"""The discovery kernel: complete traces in, mergeable partial results out; pure functions."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agentguard.discovery.classification import Classification, Classifier
from agentguard.discovery.coverage import coverage, id_labels
from agentguard.discovery.dialects.loading import Dialects, Role
from agentguard.discovery.entries import entries
from agentguard.discovery.facts import Facts
from agentguard.discovery.identification import (
    component_identity,
    proof_of,
    spelling_of,
)
from agentguard.discovery.kinds import TYPE_CODE, ComponentKind, DependencyType
from agentguard.discovery.links import span_links
from agentguard.discovery.messages import received_messages
from agentguard.discovery.naming import Identity, clean, identity
from agentguard.discovery.open_sides import find_sides
from agentguard.discovery.outcomes import infer_failed_runs
from agentguard.discovery.ownership import Owners, owners
from agentguard.discovery.partial import (
    I32,
    U64,
    Calls,
    Mask,
    Observation,
    Partial,
    Proof,
)
from agentguard.discovery.role_passes import assign_roles
from agentguard.discovery.rows import (
    Rows,
    model_calls_without_usage,
    select_rows,
    unnamed_model_calls,
)
from agentguard.discovery.span_state import SpanState
from agentguard.discovery.spantree import span_tree
from agentguard.discovery.stops import conversations_of_runs, stops_of_runs
from agentguard.ingest.attribute_selection import TOKENS

I64 = NDArray[np.int64]
_USE = {
    Role.AGENT: DependencyType.DELEGATES,
    Role.TOOL: DependencyType.USES_TOOL,
    Role.MODEL: DependencyType.CALLS_MODEL,
    Role.MCP_CLIENT: DependencyType.USES_TOOL,
    Role.MCP_SERVER: DependencyType.USES_TOOL,
    Role.DATASTORE: DependencyType.USES_DATASTORE,
    Role.CLIENT: DependencyType.HTTP,
    Role.SERVER: DependencyType.HTTP,
    Role.CONSUMER: DependencyType.MESSAGING,
    Role.PRODUCER: DependencyType.MESSAGING,
}


def discover(spans: pa.Table, dialects: Dialects, classifier: Classifier, facts: Facts) -> Partial:
    """Discover components, calls and workflows in complete traces.

    `spans` follow SPAN_SCHEMA in any order, duplicates allowed. `facts` cover all spans of the
    window, see discovery.prescan.
    """
    tree = span_tree(spans)
    classifications = classifier.classify(tree.spans)
    state = assign_roles(tree, classifications, facts, dialects)
    owned = owners(state)
    infer_failed_runs(state, owned)
    return PartialBuilder(state, owned, dialects, facts).partial()


class PartialBuilder:
    """Builds the partial result from spans with assigned roles."""

    def __init__(self, s: SpanState, owned: Owners, dialects: Dialects, facts: Facts) -> None:
        self._s, self._owners, self._dialects, self._facts = s, owned, dialects, facts
        self._observations: dict[Observation, int] = {}
        self._workflows: dict[Identity, int] = {}
        self._roots: dict[str, int] = {}
        self._housekeeping: Counter[str] = Counter()

    def partial(self) -> Partial:
        s = self._s
        rows = select_rows(s, self._owners)
        calls = self._calls(rows)
        labels = id_labels(s.tree)
        ends, starts = span_links(s, self._owners, rows, self._facts)
        found = find_sides(s, self._owners, rows, ends)
        return Partial(
            calls,
            list(self._observations),
            list(self._owners.vias),
            list(self._workflows),
            list(self._roots),
            ends,
            starts,
            list(found.sides),
            found.open,
            found.whole,
            labels,
            unnamed_model_calls=int(unnamed_model_calls(s, self._owners).sum()),
            model_calls_without_usage=int(model_calls_without_usage(s, self._owners).sum()),
            housekeeping=self._housekeeping,
            **coverage(s),
        )

    def _calls(self, rows: Rows) -> Calls:
        s, owned = self._s, self._owners
        spans, primary_rows = rows.spans, rows.primary_rows
        holder = self._callers(rows)
        source = np.where(holder >= 0, rows.row_of[holder], -1)
        source[rows.peer_calls] = np.arange(len(rows.peers))
        observation = self._row_observations(rows)
        types = self._row_types(rows)
        via = np.full(len(spans), -1, np.int32)
        via[primary_rows] = owned.via[rows.primary]
        models = s.role[spans] == Role.MODEL
        seen = (np.arange(len(spans)) >= len(rows.peers)) & (rows.recorded | ~models)
        entry, root = self._entered(rows, source)
        caller_side = _caller_side_spans(s, spans, holder)
        return Calls(
            trace=s.tree.trace[spans],
            span=s.tree.span[spans],
            observation=observation.astype(np.int32),
            source=source,
            type=np.where(source >= 0, types, -1).astype(np.int8),
            via=via,
            proof=self._proofs(rows),
            failed=s.failed[spans] & seen,
            start=s.start[spans],
            duration=np.where(s.timed[spans] & seen, s.end[spans] - s.start[spans], -1),
            client_start=s.start[caller_side],
            client_end=s.end[caller_side],
            has_client_span=(caller_side != spans) & s.timed[caller_side],
            **self._usage(rows, models),
            ran=rows.ran & (s.role[spans] != Role.SETUP),
            entry=entry,
            root=root,
            message=self._messages(spans, types),
            stop=self._stops(spans, entry),
            conversation=self._conversations(spans, entry),
            inside=self._inside(rows, len(spans)),
        )

    def _proofs(self, rows: Rows) -> NDArray[np.int8]:
        proof = np.full(len(rows.spans), Proof.STRUCTURE, np.int8)
        proof[rows.primary_rows] = self._owners.proof[rows.primary]
        proof[rows.peer_calls] = Proof.ATTRIBUTE
        inferred = [call.proof or Proof.STRUCTURE for call in self._s.inferred_calls]
        proof[rows.inferred_rows] = inferred
        return proof

    def _messages(self, spans: I64, types: I64) -> U64:
        messages = np.zeros(len(spans), np.uint64)
        received = np.flatnonzero(types == TYPE_CODE[DependencyType.MESSAGING])
        messages[received] = received_messages(self._s, spans[received])
        return messages

    def _stops(self, spans: I64, entry: I32) -> NDArray[np.int8]:
        stops = np.zeros(len(spans), np.int8)
        starts = np.flatnonzero(entry >= 0)
        stops[starts] = stops_of_runs(self._s, spans[starts])
        return stops

    def _conversations(self, spans: I64, entry: I32) -> U64:
        found = np.zeros(len(spans), np.uint64)
        starts = np.flatnonzero(entry >= 0)
        found[starts] = conversations_of_runs(self._s, spans[starts])
        return found

    def _row_observations(self, rows: Rows) -> I64:
        return np.concatenate(
            [
                self._peer_observations(rows.peers),
                self._primary_observations(rows.primary),
                self._server_observations(rows.mcp),
                self._inferred_observations(),
                self._primary_observations(rows.peers),
            ]
        )

    def _usage(self, rows: Rows, models: Mask) -> dict[str, Any]:
        """Return tokens and costs of model calls, and of agents without any."""
        s, spans = self._s, rows.spans
        used = rows.answered(models) | (rows.recorded & np.isin(spans, list(s.own_usage)))
        tokens = {
            name: np.where(used, column[spans], 0)
            for name, column in zip(TOKENS, s.tokens, strict=True)
        }
        return tokens | {"cost": np.where(used, rows.costs, np.nan)}

    def _callers(self, rows: Rows) -> I64:
        source = self._owners.source
        each = [source[rows.primary], source[rows.mcp], rows.inferred_callers]
        return np.concatenate([rows.no_callers, *each, rows.no_callers])

    def _row_types(self, rows: Rows) -> I64:
        mcp = np.full(len(rows.mcp), TYPE_CODE[DependencyType.CALLS_MCP])
        inferred = [
            TYPE_CODE[DependencyType.HANDOFF if call.role is Role.AGENT else _USE[call.role]]
            for call in self._s.inferred_calls
        ]
        return np.concatenate(
            [
                rows.no_callers,
                self._types(rows.primary),
                mcp,
                np.array(inferred, np.int64),
                self._types(rows.peers),
            ]
        )

    def _inside(self, rows: Rows, count: int) -> I64:
        inside = np.full(count, -1, np.int64)
        models = np.flatnonzero(self._s.role[rows.primary] == Role.MODEL)
        above = self._owners.above[rows.primary[models]]
        enclosed = (above >= 0) & (self._s.role[above] == Role.MODEL)
        inside[rows.primary_rows.start + models[enclosed]] = rows.row_of[above[enclosed]]
        return inside

    def _types(self, spans: I64) -> I64:
        table = np.full(max(Role) + 1, -1, np.int64)
        for role, use in _USE.items():
            table[role] = TYPE_CODE[use]
        kinds = table[self._s.role[spans]]
        by_path = self._owners.type[spans]
        return np.where(by_path >= 0, by_path, kinds)

    def _primary_observations(self, spans: I64) -> I64:
        """Return the observation code of each span.

        Computed once per shape, and individually for spans with an assigned role or name.
        """
        s = self._s
        shapes, inverse = np.unique(
            s.classifications.shape[spans] * 32 + s.role[spans], return_inverse=True
        )
        codes = np.array(
            [
                self._of_shape(s.classifications.by_shape[code // 32], Role(code % 32))
                for code in shapes.tolist()
            ],
            np.int64,
        )
        each = codes[inverse] if len(codes) else np.zeros(0, np.int64)
        special_spans = {*s.assigned, *s.server, *s.nested}
        special = np.fromiter(special_spans, np.int64, len(special_spans))
        for position in np.flatnonzero(np.isin(spans, special)).tolist():
            each[position] = self._of_span(int(spans[position]))
        return each

    def _of_shape(self, classification: Classification, role: Role) -> int:
        proof = proof_of(classification)
        name = classification.name
        if role in (Role.SERVER, Role.CONSUMER):
            name, proof = clean(classification.service), Proof.ATTRIBUTE
        return self._observe(
            component_identity(role, name, None, classification),
            classification,
            classification.rule or "crosses-services",
            proof,
        )

    def _of_span(self, row: int) -> int:
        s = self._s
        classification, role = s.classification(row), Role(int(s.role[row]))
        assigned = s.assigned.get(row)
        component = component_identity(
            role, s.name(row), clean(s.server.get(row)), classification, level=s.nested.get(row, 0)
        )
        if assigned is None:
            return self._observe(
                component,
                classification,
                classification.rule,
                proof_of(classification),
            )
        return self._observe(
            component,
            classification,
            assigned.rule,
            assigned.proof,
            spelling=assigned.spelling or assigned.name,
        )

    def _server_observations(self, spans: I64) -> I64:
        s = self._s
        codes = []
        for row in spans.tolist():
            classification = s.classification(row)
            component = identity(
                ComponentKind.MCP_SERVER,
                clean(s.server[row]) or "(unnamed)",
                environment=classification.environment,
            )
            codes.append(
                self._observe(
                    component,
                    classification,
                    "mcp#server",
                    Proof.STRUCTURE,
                    spelling=component.name,
                )
            )
        return np.array(codes, np.int64)

    def _peer_observations(self, spans: I64) -> I64:
        """Return observations of peers without spans: callers of servers, brokers of consumers."""
        s = self._s
        codes = []
        for row in spans.tolist():
            role = Role.PRODUCER if s.role[row] == Role.CONSUMER else Role.CLIENT
            classification = s.classification(row)
            codes.append(
                self._observe(
                    component_identity(role, s.name(row), None, classification),
                    classification,
                    classification.rule,
                    Proof.ATTRIBUTE,
                )
            )
        return np.array(codes, np.int64)

    def _inferred_observations(self) -> I64:
        s = self._s
        codes = []
        for call in s.inferred_calls:
            classification = s.classification(call.row)
            component = component_identity(call.role, call.name, None, classification)
            codes.append(
                self._observe(component, classification, call.rule, Proof.TEXT, spelling=call.name)
            )
        return np.array(codes, np.int64)

    def _observe(
        self,
        component: Identity,
        classification: Classification,
        rule: str,
        proof: Proof,
        *,
        spelling: str | None = None,
    ) -> int:
        response_model = (
            classification.response_model if component.kind is ComponentKind.MODEL else None
        )
        observation = Observation(
            component,
            spelling or spelling_of(component, classification),
            classification.service,
            classification.provider,
            rule,
            proof,
            classification.attributes,
            response_model,
        )
        return self._observations.setdefault(observation, len(self._observations))

    def _entered(self, rows: Rows, source: I64) -> tuple[I32, I32]:
        """Return, by row, the codes of the workflow that it starts and of its root span's name."""
        main = rows.primary_rows
        found = entries(self._s, rows.primary, source[main], self._dialects.housekeeping)
        self._workflows, self._housekeeping = found.workflows, found.housekeeping
        self._housekeeping += self._start_up_calls()
        self._roots = found.root_names
        entry, root = np.full((2, len(source)), -1, np.int32)
        entry[main], root[main] = found.codes, found.roots
        return entry, root

    def _start_up_calls(self) -> Counter[str]:
        calls = (self._s.classification(row).route for row in self._s.start_up.tolist())
        return Counter(calls)


def _caller_side_spans(s: SpanState, spans: I64, callers: I64) -> I64:
    """Return, for each call, the topmost span of the call in the caller's service.

    It has start and end by the caller's clock.
    """
    services = s.services()
    at = spans.copy()
    theirs = np.where(callers >= 0, services[callers], -1)
    while True:
        away = (theirs >= 0) & (services[at] != theirs) & (s.parent[at] >= 0)
        if not away.any():
            break
        at = np.where(away, s.parent[at], at)
    return np.where((theirs >= 0) & (services[at] == theirs) & (at != callers), at, spans)
