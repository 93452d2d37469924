"""A graph of exactly what is read: pieces decoded chunk by chunk, traces gathered, discovered, built."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from agentguard.discovery.dialects.loading import Dialects
from agentguard.discovery.kernel import discover
from agentguard.discovery.reading import Reader
from agentguard.discovery.survey import Survey, survey
from agentguard.graph.build import build
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.ingest.decoding import Decoder
from agentguard.ingest.pieces import Piece, ProtobufPiece, Refusal
from agentguard.traces.spool import Spool

_CHUNK_BYTES = 8_000_000
"""Protobuf decoded together."""
_CHUNK_SPANS = 8_000
"""Spans of parsed documents, about ten kilobytes each, decoded together."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What was read, and what could not be used."""

    graph: Graph
    runs: Runs
    refusals: tuple[Refusal, ...]


def scan(pieces: Iterable[Piece | Refusal], dialects: Dialects, *, progress: Callable[[int], None] | None = None) -> Scan:
    """Read every piece and return its graph. Memory does not grow with the input beyond the graph's runs: traces are spooled to disk.

    `progress` is called with the number of spans of each chunk.
    """
    decoder = Decoder(dialects.wanted)
    refusals: list[Refusal] = []

    def tables() -> Iterator[tuple[pa.Table, int]]:
        for chunk in _chunks(pieces, refusals):
            decoded = decoder.decode(chunk)
            refusals.extend(decoded.refusals)
            if progress:
                progress(decoded.spans_read)
            yield decoded.spans, decoded.spans_read

    with _no_cycle_collection():
        graph, runs = _graph(tables(), dialects, refusals)
    return Scan(graph, runs, tuple(refusals))


def graph_of(tables: Iterable[pa.Table], dialects: Dialects) -> Scan:
    """Return the graph of span tables (SPAN_SCHEMA); duplicates and any order are allowed."""
    graph, runs = _graph(((table, len(table)) for table in tables), dialects, [])
    return Scan(graph, runs, ())


def _graph(tables: Iterable[tuple[pa.Table, int]], dialects: Dialects, refusals: list[Refusal]) -> tuple[Graph, Runs]:
    reader = Reader(dialects)
    seen, read = Survey(), 0
    with Spool() as spool:
        for table, count in tables:
            seen |= survey(table, reader)
            spool.add(table)
            read += count
        partials = [discover(part, dialects, reader, seen) for part in spool.partitions()]
    refused = Counter({refusal.reason: 0 for refusal in refusals})
    for refusal in refusals:
        refused[refusal.reason] += refusal.spans
    return build(partials, dialects.sources, spans_read=read, refused=refused)


def _chunks(pieces: Iterable[Piece | Refusal], refusals: list[Refusal]) -> Iterator[list[Piece]]:
    """Yield pieces in chunks worth decoding together, setting refusals aside."""
    chunk: list[Piece] = []
    size = 0.0
    for piece in pieces:
        if isinstance(piece, Refusal):
            refusals.append(piece)
            continue
        chunk.append(piece)
        size += len(piece.body) / _CHUNK_BYTES if isinstance(piece, ProtobufPiece) else _span_count(piece.document) / _CHUNK_SPANS
        if size >= 1:
            yield chunk
            chunk, size = [], 0.0
    if chunk:
        yield chunk


def _span_count(document: Mapping[str, Any]) -> int:
    """Return about how many spans a document holds, at least 1; its form is not checked yet."""
    groups = document.get("resourceSpans")
    scoped = [s for group in groups if isinstance(group, dict) for s in _list(group.get("scopeSpans"))] if isinstance(groups, list) else []
    return max(1, sum(len(_list(s.get("spans"))) for s in scoped if isinstance(s, dict)))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


@contextmanager
def _no_cycle_collection() -> Iterator[None]:
    """Parsed documents are many small objects without cycles: looking for cycles among them takes longer than parsing them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
