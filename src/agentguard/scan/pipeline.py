"""A graph of exactly what is read.

Payloads decoded chunk by chunk, traces gathered, discovered, built.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from agentguard.compute.garbage import no_cycle_collection
from agentguard.discovery.classification import Classifier
from agentguard.discovery.dialects.loading import Dialects
from agentguard.discovery.kernel import discover
from agentguard.discovery.partial import Partial
from agentguard.discovery.prescan import Prescan, prescan
from agentguard.graph.assembly.build import build
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.ingest.decoding import Decoder
from agentguard.ingest.formats.otlp_documents import objects, sequence
from agentguard.ingest.payloads import Payload, ProtobufPayload, Refusal
from agentguard.scan.lateness import Watermark
from agentguard.traces.spool import Spool
from agentguard.traces.window import TimeWindow

_CHUNK_BYTES = 8_000_000
"""Protobuf decoded together."""
_SHOWN = 100
"""Refusals of one reason that are kept in full."""
_CHUNK_SPANS = 8_000
"""Spans of parsed documents, about ten kilobytes each, decoded together."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What was read, and what could not be used."""

    graph: Graph
    runs: Runs
    refusals: tuple[Refusal, ...]
    """Of each reason the first few in full, those that lost spans first."""
    refusals_total: int


def scan(
    payloads: Iterable[Payload | Refusal], dialects: Dialects, *, window: TimeWindow | None = None
) -> Scan:
    """Read every payload and return its graph, with a window that of the traces which belong to it.

    Memory does not grow with the input beyond the graph's runs: traces are spooled to disk.
    """
    decoder = Decoder(dialects.wanted)
    refused, watermark = _Refused(), Watermark()

    def tables() -> Iterator[tuple[pa.Table, int]]:
        for chunk in _chunks(payloads, refused):
            decoded = decoder.decode(chunk)
            refused.add(decoded.refusals)
            watermark.add(decoded.spans)
            yield decoded.spans, decoded.spans_read

    with no_cycle_collection():
        found = _graph(tables(), dialects, refused, window)
    coverage = replace(found.graph.coverage, late=watermark.late)
    return replace(found, graph=replace(found.graph, coverage=coverage))


def graph_of(
    tables: Iterable[pa.Table],
    dialects: Dialects,
    *,
    window: TimeWindow | None = None,
    settling: int = 0,
) -> Scan:
    """Return the graph of span tables (SPAN_SCHEMA).

    Duplicates and any order are allowed, so which came late is not known. Spans of the last
    `settling` ns may still get parents.
    """
    counted = ((table, len(table)) for table in tables)
    return _graph(counted, dialects, _Refused(), window, settling)


def graph_of_partials(
    partials: Sequence[Partial], dialects: Dialects, spans_read: int, *, settling: int = 0
) -> Scan:
    """Return the graph of discovered traces, the same as graph_of of their spans."""
    return _built(partials, dialects, _Refused(), spans_read, settling)


class _Refused:
    """Refusals, of each reason the first few in full and the rest as a sum."""

    def __init__(self) -> None:
        self._shown: list[Refusal] = []
        self._seen: Counter[str] = Counter()
        self._more: Counter[str] = Counter()
        self.spans: Counter[str] = Counter()

    def add(self, refusals: Iterable[Refusal]) -> None:
        for refusal in refusals:
            self._seen[refusal.reason] += 1
            self.spans[refusal.reason] += refusal.spans
            if self._seen[refusal.reason] <= _SHOWN:
                self._shown.append(refusal)
            else:
                self._more[refusal.reason] += refusal.spans

    def scan(self, graph: Graph, runs: Runs) -> Scan:
        """Return the scan with what is shown, then one refusal for all others of each reason.

        Refusals that lost no span follow those that did.
        """
        rest = (
            Refusal("further on", r, f"{self._seen[r] - _SHOWN:,} more like those above.", spans)
            for r, spans in self._more.items()
        )
        found = sorted((*self._shown, *rest), key=lambda refusal: not refusal.spans)
        return Scan(graph, runs, tuple(found), self._seen.total())


def _graph(
    tables: Iterable[tuple[pa.Table, int]],
    dialects: Dialects,
    refused: _Refused,
    window: TimeWindow | None,
    settling: int = 0,
) -> Scan:
    classifier = Classifier(dialects)
    seen, read = Prescan(), 0
    with Spool() as spool, Spool() as inside:
        for table, count in tables:
            seen |= prescan(table, classifier) if window is None else Prescan()
            spool.add(table)
            read += count
        if window is not None:
            for part in map(window.select, spool.partitions()):
                seen |= prescan(part, classifier)
                inside.add(part)
        partials = [
            discover(part, dialects, classifier, seen)
            for part in (spool if window is None else inside).partitions()
        ]
    found = _built(partials, dialects, refused, read, settling)
    coverage = found.graph.coverage
    if window is not None:
        coverage = replace(coverage, outside_window=_outside(partials, read))
    return replace(found, graph=replace(found.graph, asked=window, coverage=coverage))


def _outside(partials: Iterable[Partial], read: int) -> int:
    return max(read - sum(partial.spans + partial.duplicates for partial in partials), 0)


def _built(
    partials: Sequence[Partial], dialects: Dialects, refused: _Refused, read: int, settling: int
) -> Scan:
    refused.add(
        _parent_cycle(partial, *place) for partial in partials for place in partial.parent_cycles
    )
    graph, runs = build(
        partials,
        dialects.sources,
        spans_read=read,
        refused=refused.spans,
        join=dialects.join_traces,
        settling=settling,
    )
    return refused.scan(graph, runs)


def _parent_cycle(partial: Partial, trace: bytes, span: bytes) -> Refusal:
    """Return the notice of a cycle of parents that was broken at this span; no span is lost."""
    at = (
        f"trace {partial.labels.get(trace, trace.hex())}, span"
        f" {partial.labels.get(trace + span, span.hex())}"
    )
    message = (
        "The span's ancestors form a cycle. The cycle was broken at this span, which is treated as"
        " one with a missing parent."
    )
    return Refusal(at, "cyclic-parents", message, 0)


def chunks_of(payloads: Iterable[Payload | Refusal]) -> Iterator[list[Payload]]:
    """Yield the payloads in batches for the decoder; refusals are left out."""
    return _chunks(payloads, _Refused())


def _chunks(payloads: Iterable[Payload | Refusal], refused: _Refused) -> Iterator[list[Payload]]:
    """Yield payloads in chunks worth decoding together, setting refusals aside."""
    chunk: list[Payload] = []
    size = 0.0
    for payload in payloads:
        if isinstance(payload, Refusal):
            refused.add([payload])
            continue
        chunk.append(payload)
        size += (
            len(payload.body) / _CHUNK_BYTES
            if isinstance(payload, ProtobufPayload)
            else _span_count(payload.document) / _CHUNK_SPANS
        )
        if size >= 1:
            yield chunk
            chunk, size = [], 0.0
    if chunk:
        yield chunk


def _span_count(document: Mapping[str, Any]) -> int:
    """Return about how many spans a document holds, at least 1; its form is not checked yet."""
    scoped = (
        scope
        for _, group in objects(document.get("resourceSpans"))
        for _, scope in objects(group.get("scopeSpans"))
    )
    return max(1, sum(len(sequence(scope.get("spans"))) for scope in scoped))
