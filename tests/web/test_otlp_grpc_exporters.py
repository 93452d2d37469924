"""OTLP/gRPC with the official exporters, against a server in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx
import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.web.grpc_serving import free_port
from tests.web.process import Server, running

KEY = "k" * 32


@pytest.fixture
def port() -> int:
    return free_port()


@contextmanager
def receiving_at(directory: Path, port: int, **variables: str) -> Iterator[Server]:
    with running(directory, AGENTGUARD_OTLP_GRPC_PORT=str(port), **variables) as server:
        yield server


def spans(count: int) -> list[ReadableSpan]:
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_span_processor(SimpleSpanProcessor(kept))
    for n in range(count):
        provider.get_tracer("test").start_span(f"step {n}").end()
    return list(kept.get_finished_spans())


def metric(server: Server, name: str, **how) -> float:
    """Return the sum of a metric's samples."""
    text = httpx.get(f"{server.url}/metrics", timeout=30, **how).raise_for_status().text
    lines = [line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_the_official_exporters_are_served(tmp_path: Path, port: int, compression):
    how = {"endpoint": f"http://127.0.0.1:{port}", "compression": compression}
    headers = {"authorization": f"Bearer {KEY}"}
    with receiving_at(tmp_path, port, AGENTGUARD_API_KEY=KEY) as server:
        exporter = OTLPSpanExporter(headers=headers, **how)
        assert exporter.export(spans(5)) is SpanExportResult.SUCCESS
        exporter.shutdown()
        log_and_measure(headers, how)
        stranger = OTLPSpanExporter(**how)
        assert stranger.export(spans(1)) is SpanExportResult.FAILURE
        stranger.shutdown()

        assert metric(server, "agentguard_spans_received_total", headers=headers) == 5
        assert metric(server, "agentguard_otlp_records_discarded_total", headers=headers) == 2
        assert metric(server, "agentguard_acknowledgement_seconds_count", headers=headers) == 1
        assert metric(server, "agentguard_otlp_requests_rejected_total", headers=headers) == 1
        assert server.stop() == 0


def log_and_measure(headers: dict[str, str], how: dict) -> None:
    logs = LoggerProvider()
    logs.add_log_record_processor(
        SimpleLogRecordProcessor(OTLPLogExporter(headers=tuple(headers.items()), **how))
    )
    logs.get_logger("test").emit(LogRecord(body="hello"))
    logs.shutdown()
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(headers=tuple(headers.items()), **how), export_interval_millis=1e9
    )
    meters = MeterProvider(metric_readers=[reader])
    meters.get_meter("test").create_counter("orders").add(1)
    meters.shutdown()
