"""Uvicorn as every server runs it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import structlog
import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from agentguard.settings import Settings

log = structlog.get_logger(__name__)

_HTTP2_PREFACE = b"PRI * HTTP/2.0"
"""What a gRPC client sends first (RFC 9113 §3.4)."""
_NOTICE_SECONDS = 60.0


@dataclass(slots=True)
class GRPCNotice:
    """Logs connections of gRPC clients, at most once a minute."""

    clock: Callable[[], float] = time.monotonic
    _logged_at: float = float("-inf")

    def log(self, port: int) -> None:
        now = self.clock()
        if now - self._logged_at < _NOTICE_SECONDS:
            return
        self._logged_at = now
        detail = (
            f"A gRPC client connected to the HTTP port {port}. Send OTLP/gRPC to the port that"
            " AGENTGUARD_OTLP_GRPC_PORT sets (default: 4317), or use OTLP/HTTP here"
            " (OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, path /v1/traces)."
        )
        log.warning("grpc_client_on_http_port", port=port, detail=detail)


# uvicorn chooses its protocol when it is imported.
class HTTPProtocol(AutoHTTPProtocol):  # type: ignore[misc,valid-type]
    """Uvicorn's HTTP/1.1 protocol, which names gRPC clients in the log.

    They speak HTTP/2 without negotiation. The preface looks like a request for `*`, which is
    answered with an error that does not help the client's user.
    """

    notice: ClassVar[GRPCNotice] = GRPCNotice()
    _received = False

    def data_received(self, data: bytes) -> None:
        if not self._received and data.startswith(_HTTP2_PREFACE):
            self.notice.log(self.transport.get_extra_info("sockname")[1])
        self._received = True
        super().data_received(data)


class Server(uvicorn.Server):
    """Uvicorn, which ends open streams before it shuts down instead of waiting for them."""

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._end_streams()
        await super().shutdown(sockets)


def options(settings: Settings) -> dict[str, Any]:
    """Return the options of uvicorn's Config that all servers share."""
    return {
        "http": HTTPProtocol,
        "proxy_headers": False,  # X-Forwarded-For must not make a remote client look local
        "server_header": False,
        "timeout_graceful_shutdown": settings.shutdown_seconds,
    }
