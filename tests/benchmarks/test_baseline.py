"""The plain baseline of `make bench` finds the same graph as the product, so that the two times may be compared."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agentguard.discovery.dialects.loading import Dialects, load_dialects
from agentguard.graph.scanning import scan
from agentguard.ingest.pieces import DocumentPiece, ProtobufPiece, Refusal
from agentguard.ingest.sources import read_paths
from benchmarks.baseline.graph import graph_of
from benchmarks.facts import of_document, of_network
from benchmarks.generate import Order, bodies

RECORDINGS = sorted(path for path in (Path(__file__).parents[1] / "data" / "traces").glob("*") if path.is_dir())
IDS = ("traceId", "spanId", "parentSpanId")


@pytest.fixture(scope="module")
def dialects() -> Dialects:
    return load_dialects()


def recorded(folder: Path) -> Iterator[bytes]:
    """A recording's requests as protobuf, whatever they were written as."""
    for piece in read_paths([folder]):
        assert not isinstance(piece, Refusal), piece
        yield piece.body if isinstance(piece, ProtobufPiece) else protobuf_of(piece)


def protobuf_of(piece: DocumentPiece) -> bytes:
    return ParseDict(_base64_ids(piece.document), ExportTraceServiceRequest(), ignore_unknown_fields=True).SerializeToString()


def _base64_ids(value: Any) -> Any:
    """Ids in hex, as OTLP/JSON has them, in the base64 that protobuf's own JSON wants."""
    if isinstance(value, dict):
        return {k: base64.b64encode(bytes.fromhex(v)).decode() if k in IDS else _base64_ids(v) for k, v in value.items()}
    return [_base64_ids(item) for item in value] if isinstance(value, list) else value


def both(requests: Sequence[bytes], dialects: Dialects) -> tuple[dict[str, Any], dict[str, Any]]:
    found = scan((ProtobufPiece(f"request {n}", body) for n, body in enumerate(requests)), dialects)
    return of_document(asdict(found.graph)), of_network(graph_of(requests, dialects))


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.name)
def test_same_graph_on_every_recording(recording: Path, dialects: Dialects) -> None:
    product, plain = both(list(recorded(recording)), dialects)

    assert product["dependencies"]
    assert product == plain


@pytest.mark.parametrize("scattered", [False, True])
def test_same_graph_on_generated_spans(scattered: bool, dialects: Dialects) -> None:
    product, plain = both(list(bodies(Order(5_000, 7, scattered))), dialects)

    assert product["dependencies"]
    assert product == plain


def test_all_recordings_are_there() -> None:
    assert len(RECORDINGS) >= 14
