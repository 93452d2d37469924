"""OTLP/gRPC: what it shares with OTLP/HTTP, and what the protocol asks of it alone."""

from __future__ import annotations

import asyncio
import gzip
import os
import resource
import socket
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from structlog.testing import capture_logs

from agentguard.traces.errors import RpcCode
from agentguard.web.app import create_app
from agentguard.web.grpc_server import receiving
from tests.traces.spans import request
from tests.web.grpc_serving import LOGS, METRICS, TRACES, Answer, call, failed, serving_grpc
from tests.web.serving import opened, serving_of, until

pytestmark = pytest.mark.anyio

KEY = "k" * 32
OK, DENIED = grpc.StatusCode.OK, grpc.StatusCode.PERMISSION_DENIED
HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"
SPANS = request(range(1, 4)).SerializeToString()


async def test_spans_are_stored_before_they_are_acknowledged(tmp_path: Path):
    async with serving_grpc(tmp_path) as (app, address):
        assert await call(address, SPANS) == Answer(OK)
        assert serving_of(app).receiver.received == 3
        assert await call(address, SPANS, compression=grpc.Compression.Gzip) == Answer(OK)
        assert serving_of(app).receiver.received == 6


async def test_refused_spans_are_counted_in_the_answer(tmp_path: Path):
    spans = request(range(1, 4))
    spans.resource_spans[0].scope_spans[0].spans[0].span_id = b""
    async with serving_grpc(tmp_path) as (_, address):
        answer = await call(address, spans.SerializeToString())

    partial = ExportTraceServiceResponse.FromString(answer.message).partial_success
    assert (answer.code, partial.rejected_spans) == (OK, 1)
    assert "span id of 8 bytes" in partial.error_message


async def test_logs_and_metrics_are_counted_and_discarded(tmp_path: Path):
    logs, metrics = ExportLogsServiceRequest(), ExportMetricsServiceRequest()
    logs.resource_logs.add().scope_logs.add().log_records.add()
    for _ in range(2):
        metrics.resource_metrics.add().scope_metrics.add().metrics.add()
    async with serving_grpc(tmp_path) as (app, address):
        assert await call(address, logs.SerializeToString(), method=LOGS) == Answer(OK)
        assert await call(address, metrics.SerializeToString(), method=METRICS) == Answer(OK)
        damaged = [await call(address, b"damaged", method=method) for method in (LOGS, METRICS)]

        assert {answer.code for answer in damaged} == {grpc.StatusCode.INVALID_ARGUMENT}
        assert serving_of(app).receiver.received == 0


async def test_unknown_methods_are_unimplemented(tmp_path: Path):
    async with serving_grpc(tmp_path) as (_, address):
        answer = await call(address, b"", method="/opentelemetry.proto.Other/Export")

    assert answer.code is grpc.StatusCode.UNIMPLEMENTED


async def test_a_key_is_needed_where_one_is_set(tmp_path: Path):
    right, proxied = ("authorization", f"Bearer {KEY}"), ("x-forwarded-for", "203.0.113.7")
    wrong = ("authorization", "Bearer wrong"), ("authorization", f"Basic {KEY}")
    async with serving_grpc(tmp_path, api_key=KEY) as (_, address):
        for method in (TRACES, LOGS, METRICS):
            for metadata in ([], [wrong[0]], [wrong[1]], [right, right]):
                answer = await call(address, b"", method=method, metadata=metadata)
                assert answer.code is grpc.StatusCode.UNAUTHENTICATED
                assert KEY not in answer.text
                assert answer.retry_seconds is None
            for metadata in ([right], [right, proxied]):
                assert await call(address, b"", method=method, metadata=metadata) == Answer(OK)


async def test_the_loopback_rule_holds_without_a_key(tmp_path: Path):
    async with serving_grpc(tmp_path) as (app, address):
        for metadata in (
            ("x-forwarded-for", "203.0.113.7"),
            ("x-forwarded-for", "127.0.0.1, 203.0.113.7"),
            ("x-real-ip", "203.0.113.7"),
            ("forwarded", "for=203.0.113.7"),
            ("origin", "https://evil.example"),
            ("host", "evil.example"),
        ):
            assert (await call(address, SPANS, metadata=[metadata])).code is DENIED
        assert serving_of(app).receiver.received == 0


async def test_a_web_page_cannot_reach_the_port(tmp_path: Path):
    """Browsers speak HTTP/2 over TLS only, so what a page sends arrives as HTTP/1.1."""
    async with serving_grpc(tmp_path) as (app, address):
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"POST {TRACES} HTTP/1.1\r\nHost: evil.example\r\nContent-Type: application/grpc\r\n"
            f"Content-Length: {5 + len(SPANS)}\r\n\r\n".encode()
            + b"\0"
            + len(SPANS).to_bytes(4, "big")
            + SPANS
        )
        answer = await reader.read()  # to the end: the server closes
        writer.close()

        assert not answer.startswith(b"HTTP/1.1 2")
        assert serving_of(app).receiver.received == 0


async def test_a_message_of_exactly_the_limit_is_received_and_a_longer_one_is_not(tmp_path: Path):
    async with serving_grpc(tmp_path, max_grpc_message_bytes=len(SPANS)) as (app, address):
        assert (await call(address, SPANS)).code is OK
        answer = await call(address, SPANS + bytes(1))

        assert answer.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert answer.retry_seconds is None  # without RetryInfo: OTLP's exporters drop the request
        assert (await call(address, SPANS)).code is OK
        assert serving_of(app).receiver.load.requests == 0


async def test_a_message_may_not_exceed_the_limit_after_decompression(tmp_path: Path):
    async with serving_grpc(tmp_path, max_body_bytes=1024) as (app, address):
        answer = await call(address, bytes(1025), compression=grpc.Compression.Gzip)

        assert answer.code is grpc.StatusCode.INVALID_ARGUMENT
        assert "larger than 1,024 bytes" in answer.text
        assert serving_of(app).receiver.load.bytes == 0


async def test_damaged_messages_are_permanent_failures(tmp_path: Path):
    async with serving_grpc(tmp_path) as (_, address):
        for message in (gzip.compress(os.urandom(900))[:500], b"\x1f\x8b", b"\xff"):
            answer = await call(address, message)

            assert answer.code is grpc.StatusCode.INVALID_ARGUMENT
            assert answer.status is not None
            assert answer.status.code == RpcCode.INVALID_ARGUMENT
            assert answer.status.message == answer.text
            assert answer.retry_seconds is None


async def test_a_message_that_does_not_arrive_gives_its_place_back(tmp_path: Path):
    async with (
        serving_grpc(tmp_path, acknowledge_seconds=3, ingest_max_requests=1) as (app, address),
        grpc.aio.insecure_channel(address) as channel,
    ):
        endless, full = await until(partial(holding_the_place, channel, address))
        with pytest.raises(grpc.aio.AioRpcError) as late:
            await endless

        assert full.retry_seconds == 1
        assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert failed(late.value).retry_seconds == 1
        assert (await call(address, SPANS)).code is OK
        assert serving_of(app).receiver.load.requests == 0


async def test_a_cancelled_call_gives_its_place_back(tmp_path: Path):
    async with (
        serving_grpc(tmp_path, ingest_max_requests=1) as (_, address),
        grpc.aio.insecure_channel(address) as channel,
    ):
        begun, _ = await until(partial(holding_the_place, channel, address))
        begun.cancel()

        await until(partial(is_accepted, address))


async def holding_the_place(channel: grpc.aio.Channel, address: str) -> Any:
    """Begin a call that sends no message; return it and the refusal of another if it came first."""
    begun = channel.stream_unary(TRACES)()
    await asyncio.sleep(0.1)
    answer = await call(address, SPANS)
    if answer.code is grpc.StatusCode.RESOURCE_EXHAUSTED and not begun.done():
        return begun, answer
    begun.cancel()
    return None


async def is_accepted(address: str) -> bool:
    return (await call(address, SPANS)).code is OK


async def test_a_call_without_a_message_is_a_permanent_failure(tmp_path: Path):
    async with (
        serving_grpc(tmp_path) as (_, address),
        grpc.aio.insecure_channel(address) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await channel.stream_unary(TRACES)(iter(()))

    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_more_requests_than_fit_into_memory_wait_for_each_other(tmp_path: Path):
    """One is received at a time here: gRPC holds whole messages."""
    async with serving_grpc(tmp_path, ingest_max_bytes=1, max_grpc_message_bytes=1 << 20) as (
        app,
        address,
    ):
        answers = await asyncio.gather(*(call(address, SPANS) for _ in range(8)))

        assert all(answer.code in (OK, grpc.StatusCode.RESOURCE_EXHAUSTED) for answer in answers)
        assert OK in {answer.code for answer in answers}
        assert serving_of(app).receiver.load.bytes == 0


async def test_a_port_in_use_is_logged_and_the_server_goes_on(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        async with opened(tmp_path, otlp_grpc_port=taken.getsockname()[1]) as app:
            with capture_logs() as logs:
                async with receiving(create_app(app).state.agentguard, shared=False) as url:
                    assert url is None

    assert [entry["event"] for entry in logs] == ["otlp_grpc_port_taken"]


async def test_memory_does_not_grow_with_a_bomb(tmp_path: Path):
    """Eight at once, each of 512 MiB when unpacked; the limit is 8 MiB."""
    bomb = gzip.compress(bytes(512 << 20), compresslevel=9)
    async with serving_grpc(tmp_path, max_body_bytes=8 << 20) as (_, address):
        await call(address, gzip.compress(SPANS))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answers = await asyncio.gather(*(call(address, bomb) for _ in range(8)))
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    assert {answer.code for answer in answers} == {grpc.StatusCode.INVALID_ARGUMENT}
    assert grown < 256 << 10  # KiB: half of one bomb


async def test_connections_are_limited_and_those_without_requests_are_closed(tmp_path: Path):
    """Half of them never say that they speak HTTP/2."""
    async with serving_grpc(tmp_path, max_connections=40, head_seconds=6, idle_seconds=6) as (
        app,
        address,
    ):
        host, _, port = address.rpartition(":")
        clients = [await asyncio.open_connection(host, int(port)) for _ in range(60)]
        for _, writer in clients[::2]:
            writer.write(HTTP2_PREFACE)
        refused = await asyncio.gather(*(_is_closed(reader, 3) for reader, _ in clients))
        assert sum(refused) >= 40  # 20 may stay

        closed = await asyncio.gather(*(_is_closed(reader, 60) for reader, _ in clients))
        assert all(closed)
        assert (await call(address, SPANS)).code is OK
        assert serving_of(app).receiver.received == 3
        for _, writer in clients:
            writer.close()


async def _is_closed(reader: asyncio.StreamReader, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            while await reader.read(1024):
                pass
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
    return True
