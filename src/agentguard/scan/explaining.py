"""`dialects explain`: what decided the roles and callers of one trace, as a document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from agentguard.compute.arrays import words
from agentguard.compute.pools import Pool
from agentguard.discovery.classification import Classifier
from agentguard.discovery.dialects.conditions import KIND_NAMES
from agentguard.discovery.dialects.loading import Dialects, Role
from agentguard.discovery.explanation import Caller, Change, ExplainedSpan, Explanation, explain
from agentguard.discovery.naming import Identity
from agentguard.discovery.prescan import Prescan, prescan
from agentguard.graph.documents import Document
from agentguard.ingest.decoding import Decoder
from agentguard.ingest.payloads import Payload, Refusal
from agentguard.ingest.spans import SPAN_SCHEMA, id_bytes
from agentguard.kernel.clock import milliseconds, timestamp
from agentguard.kernel.errors import NotFoundError
from agentguard.scan.pipeline import chunks_of
from agentguard.traces.damage import without_damaged
from agentguard.traces.store import SpanReader, SpanSource

NO_SCOPE = "(no scope)"


class TraceNotFoundError(NotFoundError):
    """There is no span of this trace."""

    code = "trace-not-found"

    def __init__(self, trace_id: str, where: str) -> None:
        super().__init__(
            f"No span of the trace {trace_id!r} is in {where}. Check the id; name the files that"
            " hold the trace with --path."
        )


@dataclass(frozen=True, slots=True)
class StoredTraces:
    """Explains traces among the stored live spans."""

    spans: SpanReader
    workers: Pool[Dialects]
    window: int
    """Length (ns) of the live window, whose agents and services an explanation knows."""

    async def explain(self, trace_id: str, now: int) -> Document:
        """Return the explanation of a stored trace; raise TraceNotFoundError."""

        async def explained() -> Document:
            async with (
                self.spans.window(0) as stored,
                self.spans.window(max(now - self.window, 0)) as live,
            ):
                return await self.workers.run(
                    explain_stored, stored.sources, live.sources, trace_id
                )

        return await without_damaged(self.spans, explained)


def explain_stored(
    dialects: Dialects,
    stored: Sequence[SpanSource],
    live: Sequence[SpanSource],
    trace_id: str,
) -> Document:
    """Explain a trace in these sources. CPU-bound; raises TraceNotFoundError."""
    wanted = WantedTrace(trace_id)
    found = [table for source in stored for table in source.tables(wanted.lower_half)]
    tables = (table for source in live for table in source.tables())
    return wanted.document(found, tables, dialects, "the stored spans")


def explain_payloads(
    dialects: Dialects, payloads: Iterable[Payload | Refusal], trace_id: str, where: str
) -> Document:
    """Explain a trace in these payloads. CPU-bound; raises TraceNotFoundError."""
    wanted, decoder = WantedTrace(trace_id), Decoder(dialects.wanted)
    found: list[pa.Table] = []

    def tables() -> Iterator[pa.Table]:
        for chunk in chunks_of(payloads):
            table = decoder.decode(chunk).spans
            found.append(wanted.of(table))
            yield table

    return wanted.document(found, tables(), dialects, where)


class WantedTrace:
    """The trace that is asked for, by its id as written."""

    def __init__(self, trace_id: str) -> None:
        self._written = trace_id.strip()
        self._id = id_bytes(self._written, 16)[0]
        self.lower_half = np.frombuffer(self._id, "<u8")[1:].astype(np.uint64)

    def of(self, table: pa.Table) -> pa.Table:
        """Return the spans of the trace, also those whose ids were cut to 64 bits."""
        lower = words(table.column("trace_id"), 16)[:, 1]
        return table.filter(pa.array(lower == self.lower_half[0]))

    def document(
        self,
        found: list[pa.Table],
        window: Iterable[pa.Table],
        dialects: Dialects,
        where: str,
    ) -> Document:
        """Return the explanation of the trace; `found` may be filled while `window` is read."""
        classifier, seen = Classifier(dialects), Prescan()
        for table in window:
            seen |= prescan(table, classifier)
        spans = pa.concat_tables([SPAN_SCHEMA.empty_table(), *map(self.of, found)])
        if not len(spans):
            raise TraceNotFoundError(self._written, where)
        seen |= prescan(spans, classifier)
        return _document(explain(spans, dialects, classifier, seen), dialects, where)


def _document(found: Explanation, dialects: Dialects, where: str) -> Document:
    columns = found.spans.to_pydict()
    spans = [_span(each, columns, dialects) for each in found.explained]
    left = Counter(span["scope"] or NO_SCOPE for span in spans if span["role"] is None)
    return {
        "trace_id": columns["trace_label"][0] or columns["trace_id"][0].hex(),
        "source": where,
        "spans": spans,
        "without_role": dict(left.most_common()),
    }


def _span(each: ExplainedSpan, columns: Mapping[str, list[Any]], dialects: Dialects) -> Document:
    def column(key: str) -> Any:
        return columns[key][each.row]

    start, end = column("start"), column("end")
    dialect = each.rule.partition("#")[0]
    return {
        "span_id": column("span_label") or column("span_id").hex(),
        "parent_id": column("parent_id").hex() if any(column("parent_id")) else None,
        "depth": each.depth,
        "name": column("name"),
        "kind": KIND_NAMES[column("kind")],
        "scope": column("scope"),
        "service": orjson.loads(column("resource")).get("service.name"),
        "start": timestamp(start),
        "duration_ms": milliseconds(end - start) if end else None,
        "failed": column("failed"),
        "role": _role(each.role),
        "rule": each.rule or None,
        "file": dialects.files.get(dialect),
        "source": dialects.sources.get(dialect),
        "changes": [_change(change) for change in each.changes],
        "basis": each.basis or None,
        "attributes": orjson.loads(column("attributes")),
        **_place(each),
    }


def _place(each: ExplainedSpan) -> Document:
    return {
        "component": each.component and identity_document(each.component),
        "owner": each.caller and _owner(each.caller),
    }


def _change(change: Change) -> Document:
    return {"role": _role(change.role), "by": change.by, "why": change.why}


def _role(role: Role) -> str | None:
    return None if role is Role.NONE else role.name.lower()


def identity_document(component: Identity) -> Document:
    """Return what names a component."""
    return {
        "id": component.id,
        "kind": component.kind.value,
        "name": component.name,
        "identified": component.identified,
    }


def _owner(caller: Caller) -> Document:
    return {
        "span_id": caller.span_id,
        "component": identity_document(caller.component),
        "type": caller.type,
        "via": caller.via,
        "proof": caller.proof.name.lower(),
        "why": caller.why,
    }
