"""OTLP/gRPC for tests: the server in this process, and calls that return what a client sees."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from agentguard.bootstrap.app import App
from agentguard.web.app import create_app
from agentguard.web.grpc_server import receiving
from scripts.services.process import free_port
from tests.web.serving import opened

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
LOGS = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
METRICS = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"


@dataclass(frozen=True)
class Answer:
    """What a call returned: its status, and its message or the details of its failure."""

    code: grpc.StatusCode
    message: bytes = b""
    text: str = ""
    status: Status | None = None

    @property
    def retry_seconds(self) -> int | None:
        """The delay of RetryInfo; None: the failure is permanent."""
        for detail in self.status.details if self.status else ():
            info = RetryInfo()
            if detail.Unpack(info):
                return int(info.retry_delay.seconds)
        return None


@asynccontextmanager
async def serving_grpc(directory: Path, **settings: Any) -> AsyncIterator[tuple[App, str]]:
    """Yield the application and the address at which it receives OTLP/gRPC."""
    port = free_port()
    async with (
        opened(directory, otlp_grpc_port=port, **settings) as app,
        receiving(create_app(app).state.agentguard, shared=False) as url,
    ):
        assert url == f"grpc://127.0.0.1:{port}"
        yield app, f"127.0.0.1:{port}"


async def call(
    address: str,
    message: bytes,
    *,
    method: str = TRACES,
    compression: grpc.Compression = grpc.Compression.NoCompression,
    metadata: Sequence[tuple[str, str]] = (),
) -> Answer:
    async with grpc.aio.insecure_channel(
        address, options=[("grpc.max_send_message_length", -1)]
    ) as channel:
        export: Any = channel.unary_unary(method)
        try:
            received = await export(message, timeout=60, compression=compression, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            return failed(error)
    return Answer(grpc.StatusCode.OK, received)


def failed(error: grpc.RpcError) -> Answer:
    metadata: Any = error.trailing_metadata()
    found = [value for key, value in metadata or () if key == "grpc-status-details-bin"]
    status = Status.FromString(found[0]) if found else None
    return Answer(error.code(), text=error.details() or "", status=status)
