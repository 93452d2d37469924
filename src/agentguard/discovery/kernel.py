"""Discovery's kernel: whole traces in, mergeable findings out.

Pure: no clock, no files, no randomness.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from agentguard.compute.arrays import factorize, hash_rows
from agentguard.discovery.classification import Reader, Reading
from agentguard.discovery.dialects.loading import Dialects, Role
from agentguard.discovery.entries import entries
from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.discovery.naming import Identity, clean, identity
from agentguard.discovery.ownership import Owners, owners
from agentguard.discovery.partial import I32, Calls, LinkEnd, LinkStart, Partial, Proof, Sighting
from agentguard.discovery.prescan import Prescan
from agentguard.discovery.role_passes import assign_roles
from agentguard.discovery.rows import COMPONENT, Rows, chosen_rows, nameless
from agentguard.discovery.span_state import SpanState
from agentguard.discovery.spantree import SpanTree, span_tree
from agentguard.ingest.sampling import SAMPLING_THRESHOLD, probability

I64 = NDArray[np.int64]
TYPES = tuple(DependencyType)
_TYPE_CODE = {kind: code for code, kind in enumerate(TYPES)}
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


def discover(spans: pa.Table, dialects: Dialects, reader: Reader, survey: Prescan) -> Partial:
    """Return what whole traces (SPAN_SCHEMA; duplicates and any order allowed) show.

    `survey`: of all spans, see discovery.survey.
    """
    tree = span_tree(spans)
    readings = reader.read(tree.spans)
    state = assign_roles(tree, readings, survey)
    return _Builder(state, owners(state), dialects, survey).partial()


class _Builder:
    """Turns a state scene into rows."""

    def __init__(self, s: SpanState, who: Owners, dialects: Dialects, survey: Prescan) -> None:
        self._s, self._who, self._dialects, self._survey = s, who, dialects, survey
        self._sightings: dict[Sighting, int] = {}
        self._workflows: dict[Identity, int] = {}
        self._roots: dict[str, int] = {}
        self._housekeeping: Counter[str] = Counter()

    def partial(self) -> Partial:
        s = self._s
        rows = chosen_rows(s, self._who)
        calls = self._calls(rows)
        labels = _labels(s.tree)
        ends, starts = self._links(rows)
        return Partial(
            calls,
            list(self._sightings),
            list(self._who.vias),
            list(self._workflows),
            list(self._roots),
            ends,
            starts,
            labels,
            unnamed_model_calls=int(nameless(s, self._who).sum()),
            housekeeping=self._housekeeping,
            **_coverage(s),
        )

    def _calls(self, rows: Rows) -> Calls:
        s, who = self._s, self._who
        spans, main = rows.spans, rows.main
        holder = np.concatenate(
            [rows.nobody, who.source[rows.primary], who.source[rows.mcp], rows.tellers, rows.nobody]
        )
        source = np.where(holder >= 0, rows.row_of[holder], -1)
        source[rows.told] = np.arange(len(rows.unseen))
        sighting = np.concatenate(
            [
                self._unseen_sightings(rows.unseen),
                self._primary_sightings(rows.primary),
                self._server_sightings(rows.mcp),
                self._told_sightings(),
                self._primary_sightings(rows.unseen),
            ]
        )
        via = np.full(len(spans), -1, np.int32)
        via[main] = who.via[rows.primary]
        proof = np.full(len(spans), Proof.STRUCTURE, np.int8)
        proof[main] = who.proof[rows.primary]
        proof[rows.told] = Proof.ATTRIBUTE
        models = s.role[spans] == Role.MODEL
        answers, seen = (
            models & rows.shown,
            (np.arange(len(spans)) >= len(rows.unseen)) & (rows.shown | ~models),
        )
        tokens = [np.where(answers, column[spans], 0) for column in s.tokens]
        entry, root = np.full((2, len(spans)), -1, np.int32)
        entry[main], root[main] = self._entered(rows.primary, source[main])
        at_caller = _at_caller(s, spans, holder)
        return Calls(
            trace=s.tree.trace[spans],
            span=s.tree.span[spans],
            sighting=sighting.astype(np.int32),
            source=source,
            type=np.where(source >= 0, self._row_types(rows), -1).astype(np.int8),
            via=via,
            proof=proof,
            failed=s.failed[spans] & seen,
            start=s.start[spans],
            duration=np.where(s.timed[spans] & seen, s.end[spans] - s.start[spans], -1),
            asked=s.start[at_caller],
            answered=s.end[at_caller],
            halves=(at_caller != spans) & s.timed[at_caller],
            input_tokens=tokens[0],
            output_tokens=tokens[1],
            cost=np.where(answers, rows.costs, np.nan),
            ran=rows.ran & (s.role[spans] != Role.SETUP),
            entry=entry,
            root=root,
            inside=self._inside(rows, len(spans)),
        )

    def _row_types(self, rows: Rows) -> I64:
        mcp = np.full(len(rows.mcp), _TYPE_CODE[DependencyType.CALLS_MCP])
        told = [
            _TYPE_CODE[DependencyType.HANDOFF if call.role is Role.AGENT else _USE[call.role]]
            for call in self._s.unseen
        ]
        return np.concatenate(
            [
                rows.nobody,
                self._types(rows.primary),
                mcp,
                np.array(told, np.int64),
                self._types(rows.unseen),
            ]
        )

    def _inside(self, rows: Rows, count: int) -> I64:
        inside = np.full(count, -1, np.int64)
        models = np.flatnonzero(self._s.role[rows.primary] == Role.MODEL)
        above = self._who.above[rows.primary[models]]
        enclosed = (above >= 0) & (self._s.role[above] == Role.MODEL)
        inside[models[enclosed]] = rows.row_of[above[enclosed]]
        return inside

    def _types(self, spans: I64) -> I64:
        table = np.full(max(Role) + 1, -1, np.int64)
        for role, use in _USE.items():
            table[role] = _TYPE_CODE[use]
        kinds = table[self._s.role[spans]]
        told = self._who.type[spans]
        return np.where(told >= 0, told, kinds)

    def _primary_sightings(self, spans: I64) -> I64:
        """Return each span's sighting code.

        Once for each shape, apart for spans that were given a role by their place.
        """
        s = self._s
        shapes, inverse = np.unique(
            s.readings.shape[spans] * 32 + s.role[spans], return_inverse=True
        )
        codes = np.array(
            [
                self._of_shape(s.readings.readings[code // 32], Role(code % 32))
                for code in shapes.tolist()
            ],
            np.int64,
        )
        each = codes[inverse] if len(codes) else np.zeros(0, np.int64)
        apart = {*s.given, *s.server, *s.nested}
        special = np.fromiter(apart, np.int64, len(apart))
        for position in np.flatnonzero(np.isin(spans, special)).tolist():
            each[position] = self._of_span(int(spans[position]))
        return each

    def _of_shape(self, reading: Reading, role: Role) -> int:
        proof = Proof.ATTRIBUTE if reading.explicit else Proof.STRUCTURE
        name = reading.name
        if role in (Role.SERVER, Role.CONSUMER):
            name, proof = clean(reading.service), Proof.ATTRIBUTE
        return self._sight(
            _identity(role, name, None, reading), reading, reading.rule or "crosses-services", proof
        )

    def _of_span(self, row: int) -> int:
        s = self._s
        reading, role = s.reading(row), Role(int(s.role[row]))
        given = s.given.get(row)
        who = _identity(
            role, s.name(row), clean(s.server.get(row)), reading, level=s.nested.get(row, 0)
        )
        if given is None:
            return self._sight(
                who, reading, reading.rule, Proof.ATTRIBUTE if reading.explicit else Proof.STRUCTURE
            )
        return self._sight(who, reading, given.rule, given.proof, spelling=given.name)

    def _server_sightings(self, spans: I64) -> I64:
        s = self._s
        codes = []
        for row in spans.tolist():
            reading = s.reading(row)
            who = identity(
                ComponentKind.MCP_SERVER,
                clean(s.server[row]) or "(unnamed)",
                environment=reading.environment,
            )
            codes.append(
                self._sight(who, reading, "mcp#server", Proof.STRUCTURE, spelling=who.name)
            )
        return np.array(codes, np.int64)

    def _unseen_sightings(self, spans: I64) -> I64:
        """A server's unseen caller is an external component, a consumer's the broker that it names."""
        s = self._s
        codes = []
        for row in spans.tolist():
            role = Role.PRODUCER if s.role[row] == Role.CONSUMER else Role.CLIENT
            reading = s.reading(row)
            codes.append(
                self._sight(
                    _identity(role, s.name(row), None, reading),
                    reading,
                    reading.rule,
                    Proof.ATTRIBUTE,
                )
            )
        return np.array(codes, np.int64)

    def _told_sightings(self) -> I64:
        s = self._s
        codes = []
        for call in s.unseen:
            reading = s.reading(call.row)
            who = _identity(call.role, call.name, None, reading)
            codes.append(self._sight(who, reading, call.rule, Proof.TEXT, spelling=call.name))
        return np.array(codes, np.int64)

    def _sight(
        self,
        who: Identity,
        reading: Reading,
        rule: str,
        proof: Proof,
        *,
        spelling: str | None = None,
    ) -> int:
        answered = reading.answered if who.kind is ComponentKind.MODEL else None
        sighting = Sighting(
            who,
            spelling or _spelling(who, reading),
            reading.service,
            reading.provider,
            rule,
            proof,
            reading.attributes,
            answered,
        )
        return self._sightings.setdefault(sighting, len(self._sightings))

    def _entered(self, spans: I64, source: I64) -> tuple[I32, I32]:
        """Return, by row, the codes of the workflow that it starts and of its root span's name."""
        found = entries(self._s, spans, source, self._dialects.housekeeping)
        self._workflows, self._housekeeping = found.workflows, found.housekeeping
        self._roots = found.root_names
        return found.codes, found.roots

    def _links(self, rows: Rows) -> tuple[list[LinkEnd], list[LinkStart]]:
        s = self._s
        ends = [self._link_end(rows, row) for row in _linked_to(s.tree, self._survey)]
        starts = [
            start for row in _linking(s.tree).tolist() for start in self._link_starts(rows, row)
        ]
        return [end for end in ends if end is not None], starts

    def _link_end(self, rows: Rows, row: int) -> LinkEnd | None:
        holder = row if self._who.holds[row] else int(self._who.holder[row])
        if holder < 0 or rows.row_of[holder] < 0:
            return None
        via = (
            f"queue:{self._s.name(row)}"
            if self._s.role[row] == Role.PRODUCER and self._s.name(row)
            else None
        )
        trace = self._s.tree.trace[row]
        return LinkEnd(
            (int(trace[0]), int(trace[1])),
            int(self._s.tree.span[row]),
            int(rows.row_of[holder]),
            via,
        )

    def _link_starts(self, rows: Rows, row: int) -> Iterable[LinkStart]:
        """A root that links elsewhere was started from there: so were the runs that it holds."""
        s = self._s
        target = s.tree.spans.column("links")[row].as_py()[0]
        words = np.frombuffer(target, "<u8")
        started = [
            row if s.parent[row] < 0 else int(s.parent[row]),
            *np.flatnonzero(self._who.pending == row).tolist(),
        ]
        if s.role[row] == Role.WORKFLOW and row in s.given:
            started = np.flatnonzero((self._who.source == row) & (s.role == Role.AGENT)).tolist()
        messaging = bool(s.role[row] == Role.CONSUMER)
        for span in (span for span in started if rows.row_of[span] >= 0):
            yield LinkStart(
                int(rows.row_of[span]), (int(words[0]), int(words[1])), int(words[2]), messaging
            )


def _at_caller(s: SpanState, spans: I64, callers: I64) -> I64:
    """Return, for each call, the span that shows it by its caller's clock.

    The uppermost of the call in the caller's service.
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


def _identity(
    role: Role, name: str | None, server: str | None, reading: Reading, *, level: int = 0
) -> Identity:
    """Return whom a role and a name mean.

    Without a name, what is known of the place tells unidentified ones apart.

    `level`: how many unnamed agents enclose this one.
    """
    if name:
        return identity(COMPONENT[role], name, environment=reading.environment, server=server)
    place = (
        f"{reading.service} {clean(reading.span_name) or ''}".strip()
        if role is not Role.MODEL
        else ""
    )
    place += f" (level {level + 1})" if level else ""
    return identity(
        COMPONENT[role],
        place or "(unnamed)",
        environment=reading.environment,
        server=server,
        identified=False,
    )


def _spelling(who: Identity, reading: Reading) -> str:
    if (
        who.kind in (ComponentKind.AGENT, ComponentKind.TOOL, ComponentKind.MODEL)
        and reading.spelling
        and who.identified
    ):
        return reading.spelling
    return who.name


def _linked_to(tree: SpanTree, survey: Prescan) -> list[int]:
    if not len(survey.link_targets):
        return []
    return np.flatnonzero(np.isin(tree.span[: len(tree.spans)], survey.link_targets)).tolist()


def _linking(tree: SpanTree) -> I64:
    links = tree.spans.column("links")
    has = pc.fill_null(pc.greater(pc.list_value_length(links), 0), fill_value=False).to_numpy(
        zero_copy_only=False
    )
    return np.flatnonzero(has & (tree.parent < 0) & ~tree.orphan[: len(tree.spans)])


def _labels(tree: SpanTree) -> dict[bytes, str]:
    """Return the ids that are not hex, as written."""
    labels: dict[bytes, str] = {}
    for key, width in (("trace_label", 16), ("span_label", 24)):
        column = tree.spans.column(key)
        if column.null_count == len(column):
            continue
        traces, spans = (
            tree.spans.column("trace_id").to_pylist(),
            tree.spans.column("span_id").to_pylist(),
        )
        for trace, span, label in zip(traces, spans, column.to_pylist(), strict=True):
            if label is not None:
                labels[trace if width == 16 else trace + span] = label
    return labels


def _sampling(reading: Reading) -> Iterable[str]:
    """Say how this span was sampled, in the words of its source."""
    for key, value in reading.attributes:
        if key == SAMPLING_THRESHOLD:
            yield f"tracestate ot=th:{value} (keeps {probability(value):.4g} of all traces)"
        elif key == "sampling.priority":
            yield f"sampling.priority={value}"


def _coverage(s: SpanState) -> dict[str, Any]:
    shapes = s.readings.shape[: len(s.tree.spans)]
    counts = np.bincount(shapes, minlength=len(s.readings.readings)).tolist()
    unresolved = np.bincount(
        s.readings.shape[s.unresolved], minlength=len(s.readings.readings)
    ).tolist()
    attributed: Counter[str] = Counter()
    unattributed: Counter[str] = Counter()
    sampling: Counter[str] = Counter()
    for reading, count, lost in zip(s.readings.readings, counts, unresolved, strict=True):
        unattributed[reading.scope or "(no scope)"] += count if reading.role is Role.NONE else lost
        attributed[reading.dialect] += 0 if reading.role is Role.NONE else count - lost
        sampling.update(dict.fromkeys(_sampling(reading), count))
    known = s.start[s.start > 0]
    return {
        "spans": len(shapes),
        "traces": len(factorize(hash_rows(s.tree.trace[:, 0], s.tree.trace[:, 1]))[1]),
        "duplicates": s.tree.duplicates,
        "orphans": int(s.tree.orphan[: len(shapes)].sum()),
        "unresolved_peers": len(s.unresolved),
        "attributed": +attributed,
        "unattributed": +unattributed,
        "sampling": +sampling,
        "first_seen": int(known.min(initial=2**63 - 1)) if len(known) else 0,
        "last_seen": int(s.end.max(initial=0)),
        "parent_cycles": [
            (s.tree.trace[row].astype("<u8").tobytes(), s.tree.span[row].astype("<u8").tobytes())
            for row in s.tree.parent_cycles
        ],
    }
