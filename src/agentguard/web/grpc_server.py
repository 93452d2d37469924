"""The gRPC server, from its port to its shutdown."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from agentguard.settings import Settings
from agentguard.web.auth import authenticator_of
from agentguard.web.connections import connection_limits
from agentguard.web.exposure import refuse_exposure
from agentguard.web.grpc_library import grpc
from agentguard.web.otlp_grpc import Exports
from agentguard.web.state import AppState

log = structlog.get_logger(__name__)

_MOST_CONNECTIONS = 256
"""Connections above this number are closed at once. Exporters use one each. Also at most half as
many as over HTTP, which may use half of the limit of open files.
"""
_MOST_STREAMS = 100
"""Requests in progress per connection; RFC 9113 §6.5.2 recommends no smaller number."""
_IDENTITY_AND_GZIP = 1 << grpc.Compression.NoCompression | 1 << grpc.Compression.Gzip
_MOST_METADATA_BYTES = 16 * 1024
_AGE_SECONDS = 600
"""So that connections are distributed anew over the processes that share a port."""
_PING_SECONDS, _PING_TIMEOUT_SECONDS = 60, 20
"""Finds clients that have disappeared in the middle of a request."""


@asynccontextmanager
async def receiving(state: AppState, *, shared: bool) -> AsyncIterator[str | None]:
    """Receive OTLP/gRPC; yield the URL, or None if the port is in use or disabled.

    On exit, wait for the requests in progress. With `shared`, processes that also set it receive at
    the same port. Raise ExposedError as for the API's address.
    """
    settings = state.app.settings
    if settings.otlp_grpc_port:
        await refuse_exposure(settings, settings.otlp_grpc_host)
    server = _bound(settings, shared=shared)
    if server is None:
        yield None
        return
    server.add_generic_rpc_handlers((Exports(state, authenticator_of(state.app)),))
    await server.start()
    try:
        url = f"grpc://{_address(settings)}"
        log.info("listening", url=url, pid=os.getpid())
        yield url
    finally:
        await server.stop(settings.shutdown_seconds)


def _bound(settings: Settings, *, shared: bool) -> grpc.aio.Server | None:
    """Return a server with its port; None, with a warning, if that is in use."""
    if not settings.otlp_grpc_port:
        return None
    server = grpc.aio.server(options=_options(settings, shared=shared))
    try:
        server.add_insecure_port(_address(settings))
    except RuntimeError:  # gRPC's only one, without the reason
        warn_of_taken_port(settings)
        return None
    return server


def warn_of_taken_port(settings: Settings) -> None:
    """Log that OTLP/gRPC is not received."""
    detail = (
        "OTLP/gRPC is not received. Stop the process that uses this port, or change"
        " AGENTGUARD_OTLP_GRPC_HOST and AGENTGUARD_OTLP_GRPC_PORT."
    )
    log.warning("otlp_grpc_port_taken", port=settings.otlp_grpc_port, detail=detail)


def _options(settings: Settings, *, shared: bool) -> list[tuple[str, int]]:
    limits, grace = connection_limits(settings), settings.acknowledge_seconds
    connections = min(_MOST_CONNECTIONS, max(limits.most // 2, 1))
    return [
        ("grpc.so_reuseport", int(shared)),
        ("grpc.max_receive_message_length", settings.max_grpc_message_bytes),
        # gRPC's own decompression is limited only afterwards, when all of the message is in memory.
        ("grpc.per_message_decompression", 0),
        ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_AND_GZIP),
        ("grpc.max_allowed_incoming_connections", connections),
        ("grpc.max_concurrent_streams", _MOST_STREAMS),
        ("grpc.max_metadata_size", _MOST_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", _MOST_METADATA_BYTES),
        ("grpc.server_handshake_timeout_ms", _milliseconds(limits.head_seconds)),
        ("grpc.max_connection_idle_ms", _milliseconds(limits.idle_seconds)),
        ("grpc.max_connection_age_ms", _milliseconds(_AGE_SECONDS)),
        ("grpc.max_connection_age_grace_ms", _milliseconds(2 * grace)),
        ("grpc.keepalive_time_ms", _milliseconds(_PING_SECONDS)),
        ("grpc.keepalive_timeout_ms", _milliseconds(_PING_TIMEOUT_SECONDS)),
    ]


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


def _address(settings: Settings) -> str:
    host = settings.otlp_grpc_host
    return f"{f'[{host}]' if ':' in host else host}:{settings.otlp_grpc_port}"
