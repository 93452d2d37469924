"""OTLP protobuf in files, in every form that files have."""

from __future__ import annotations

import gzip
import io
import struct
from collections.abc import Iterator

import pytest
import zstandard
from google.protobuf import proto
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agentguard.ingest.formats import otlp_bodies
from agentguard.ingest.formats.otlp_bodies import Form, form_of, holds_spans
from agentguard.ingest.sources import read_upload
from tests.ingest import reading
from tests.ingest.reading import FORMATS, documents, reasons

BODIES = [
    (FORMATS / "otlp_bodies" / f"{name}.pb").read_bytes() for name in ("celery", "grpc", "haystack")
]
LINES = (FORMATS / "otlp_jaeger_pairs" / "multi.otlp.jsonl").read_bytes().splitlines()


def request(body: bytes) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(body)


def merged(found: list[bytes]) -> ExportTraceServiceRequest:
    return request(b"".join(found))


def framed(contents: list[bytes]) -> bytes:
    """As the Collector's file exporter writes what is not JSON lines."""
    return b"".join(struct.pack(">I", len(content)) + content for content in contents)


def delimited(contents: list[bytes]) -> bytes:
    out = io.BytesIO()
    for content in contents:
        proto.serialize_length_prefixed(request(content), out)
    return out.getvalue()


def chunked(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def test_a_raw_body_is_handed_on_as_it_is() -> None:
    for body in BODIES:
        assert reading.bodies(read_upload(body, None)) == [body]


def test_a_gzipped_recording_is_handed_on_decompressed() -> None:
    body = (FORMATS / "otlp_bodies" / "agno-gzipped.pb").read_bytes()

    assert reading.bodies(read_upload(body, "agno.pb")) == [gzip.decompress(body)]


def test_bodies_written_one_after_the_other_are_split_between_resources(monkeypatch) -> None:
    monkeypatch.setattr(otlp_bodies, "_SPLIT_BYTES", 10_000)
    stream = b"".join(BODIES) * 3
    found = list(otlp_bodies.bodies(chunked(stream, 7_000), Form.RAW))

    assert len(found) > 3
    assert b"".join(found) == stream
    assert merged(found) == request(stream)
    assert all(request(body).resource_spans for body in found)


@pytest.mark.parametrize("write", [framed, delimited])
def test_bodies_after_their_lengths_are_taken_apart(write) -> None:
    stream = write(BODIES)

    assert reading.bodies(read_upload(stream, "t.pb")) == BODIES
    assert [item.origin for item in read_upload(stream, "t.pb")] == [
        "t.pb, body 1",
        "t.pb, body 2",
        "t.pb, body 3",
    ]


def test_compressed_frames_are_read_as_protobuf_and_as_json() -> None:
    compress = zstandard.ZstdCompressor().compress

    assert reading.bodies(read_upload(framed([compress(body) for body in BODIES]), None)) == BODIES
    assert len(documents(read_upload(framed([compress(line) for line in LINES]), None))) == len(
        LINES
    )


@pytest.mark.parametrize("write", [framed, delimited])
def test_a_cut_stream_gives_its_whole_bodies_and_one_refusal(write) -> None:
    items = list(read_upload(write(BODIES)[:-10], "t.pb"))

    assert reading.bodies(items) == BODIES[:2]
    assert reasons(items) == ["truncated-body"]


def test_a_cut_in_the_compression_of_raw_bodies_costs_only_what_is_not_whole() -> None:
    packed = gzip.compress(b"".join(BODIES))
    items = list(read_upload(packed[:-200], "t.pb"))

    assert reasons(items) == ["truncated-gzip"]
    assert merged(reading.bodies(items)) == request(b"".join(BODIES[:2]))


@given(
    sizes=st.lists(st.integers(1, 5000), min_size=1, max_size=5),
    write=st.sampled_from([framed, delimited, b"".join]),
)
def test_where_chunks_end_changes_nothing(sizes, write) -> None:
    stream = write(BODIES)
    form = form_of(stream)
    assert form is not None

    for size in sizes:
        assert merged(list(otlp_bodies.bodies(chunked(stream, size), form))) == merged(BODIES)


@given(st.binary(max_size=300))
def test_any_request_is_recognised_from_its_own_bytes(name) -> None:
    message = request(BODIES[1])
    message.resource_spans[0].scope_spans[0].scope.name = name.hex()
    body = message.SerializeToString()

    assert form_of(body) is Form.RAW
    assert form_of(delimited([body])) is Form.DELIMITED
    assert form_of(framed([body])) is Form.FRAMED
    assert reading.bodies(read_upload(body, None)) == [body]


def test_a_frame_whose_length_looks_like_utf_16_is_read() -> None:
    body = request(BODIES[1])
    size = 0x007B_0000  # its first bytes are those of a "{" in UTF-16
    body.resource_spans[0].schema_url = "x" * (size - body.ByteSize() - 20)
    body.resource_spans[0].schema_url += "x" * (size - body.ByteSize())
    content = body.SerializeToString()

    assert framed([content]).startswith(b"\x00{")
    assert reading.bodies(read_upload(framed([content]), None)) == [content]


def test_json_is_never_taken_for_protobuf() -> None:
    for space in (b"", b"\n", b"\n\n  ", b"\r\n"):
        for line in LINES:
            assert documents(read_upload(space + line, None))
            assert documents(read_upload(space + line.replace(b"{", b"{\n", 1), None))


def test_logs_and_metrics_bodies_are_refused_and_span_bodies_pass() -> None:
    logs = ExportLogsServiceRequest()
    record = logs.resource_logs.add().scope_logs.add().log_records.add()
    record.time_unix_nano, record.severity_text, record.trace_id = 1, "INFO", bytes(range(16))
    late = ExportLogsServiceRequest()
    late.resource_logs.add().scope_logs.add().log_records.add(
        observed_time_unix_nano=5
    ).body.string_value = "x"
    metrics = ExportMetricsServiceRequest()
    metric = metrics.resource_metrics.add().scope_metrics.add().metrics.add()
    metric.name = "http.requests"
    metric.sum.data_points.add().as_int = 3

    for other in (logs, late, metrics):
        assert not holds_spans(other.SerializeToString())
        assert reasons(read_upload(other.SerializeToString(), "x.pb")) == ["not-traces"]
    assert all(holds_spans(body) for body in BODIES)
    assert holds_spans(b"\x0a\x00")  # a resource without anything in it
