"""OTLP/gRPC with the official exporters, against a server in a process of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx
import pyarrow.parquet as pq
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

from agentguard.traces.errors import StoreUnavailableError
from agentguard.traces.store import SpanBatch, SpanStore
from scripts.services.process import free_port
from tests.web.grpc_serving import serving_grpc
from tests.web.process import Server, running
from tests.web.serving import serving_of

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


class Unavailable:
    """A store that is unavailable for the first appends."""

    def __init__(self, store: SpanStore, times: int) -> None:
        self.store, self.left = store, times

    async def append(self, batch: SpanBatch) -> None:
        self.left -= 1
        if self.left >= 0:
            raise StoreUnavailableError("The disk is full.")
        await self.store.append(batch)


@pytest.mark.anyio
async def test_the_exporter_sends_again_what_was_refused_for_now(tmp_path: Path, monkeypatch):
    async with serving_grpc(tmp_path) as (app, address):
        receiver = serving_of(app).receiver
        store = Unavailable(receiver.store, times=2)
        monkeypatch.setattr(receiver, "store", store)
        exporter = OTLPSpanExporter(endpoint=address, insecure=True, timeout=60)
        result = await asyncio.to_thread(exporter.export, spans(5))
        await asyncio.to_thread(exporter.shutdown)

        assert result is SpanExportResult.SUCCESS
        assert store.left == -1
        assert receiver.received == 5


def test_nothing_is_lost_when_the_server_is_killed_and_started_again(tmp_path: Path, port: int):
    """The exporter sends again what a killed server did not acknowledge."""
    acknowledged: list[str] = []
    stop = threading.Event()
    with ThreadPoolExecutor() as pool:
        with receiving_at(tmp_path, port) as server:
            sending = [pool.submit(send_until, stop, port, acknowledged) for _ in range(2)]
            wait_for(lambda: len(acknowledged) > 20)
            server.kill()
        before = len(acknowledged)
        with receiving_at(tmp_path, port) as server:
            wait_for(lambda: len(acknowledged) > before + 20)
            stop.set()
            lost = sum(each.result() for each in sending)
            assert server.stop() == 0

    assert lost == 0
    stored = {
        row["span_id"].hex()
        for path in (tmp_path / "data").rglob("*.parquet")
        if "span_id" in pq.read_schema(path).names
        for row in pq.read_table(path, columns=["span_id"]).to_pylist()
    }
    assert set(acknowledged) <= stored


def send_until(stop: threading.Event, port: int, acknowledged: list[str]) -> int:
    """Export one span after the other; return how many the exporter gave up."""
    exporter, lost = OTLPSpanExporter(endpoint=f"127.0.0.1:{port}", insecure=True, timeout=120), 0
    while not stop.is_set():
        (span,) = spans(1)
        if exporter.export([span]) is SpanExportResult.SUCCESS:
            acknowledged.append(f"{span.context.span_id:016x}")
        else:
            lost += 1
    exporter.shutdown()
    return lost


def wait_for(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)
