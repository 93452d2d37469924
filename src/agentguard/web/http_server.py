"""Uvicorn as every server runs it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, ClassVar

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from agentguard.settings import Settings
from agentguard.web.connections import ConnectionLimits, ConnectionState, Phase
from agentguard.web.repetition import Repetition

_HTTP2_PREFACE = b"PRI * HTTP/2.0"
"""What a gRPC client sends first (RFC 9113 §3.4)."""
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n"
    b"content-length: 0\r\n\r\n"
)
_TICKS_PER_SECOND = 10
"""Of uvicorn's main loop."""
BACKLOG = 2048
"""Connections that the system completes before they are accepted."""
_ACCEPTED_AT_ONCE = 16
"""asyncio accepts so many before the first of them is counted, so they may exceed the limit."""


# uvicorn chooses its protocol when it is imported.
class HTTPProtocol(AutoHTTPProtocol):  # type: ignore[misc,valid-type]
    """Uvicorn's HTTP/1.1 protocol with limits (a Connection), which names gRPC clients in the log.

    gRPC clients speak HTTP/2 without negotiation. The preface looks like a request for `*`, which
    is answered with an error that does not help the client's user.
    """

    grpc_clients: ClassVar[Repetition] = Repetition("grpc_client_on_http_port")
    _received = False
    _served = False
    _since = 0.0
    """When the connection, its request or its wait for the next one began."""
    _body_bytes = 0
    _unfinished_since: float | None = None
    """When a head began that is not complete, or the rest of a body that nobody reads."""
    _write_paused_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._since = self._unfinished_since = self.loop.time()
        if not self.server_state.admit(self, self._since):
            transport.write(_REFUSAL)
            transport.close()

    def data_received(self, data: bytes) -> None:
        if not self._received and data.startswith(_HTTP2_PREFACE):
            self._name_grpc_client()
        self._received = True
        request = self.cycle
        super().data_received(data)
        if self.cycle is not request:
            self._begin(len(data))
        elif self.phase() is Phase.BODY:
            self._body_bytes += len(data)
        elif self._unfinished_since is None and self.phase() is not Phase.RESPONSE:
            self._unfinished_since = self.loop.time()

    def on_response_complete(self) -> None:
        self._served, self._since, self._unfinished_since = True, self.loop.time(), None
        request = self.cycle
        super().on_response_complete()
        if self.cycle is not request:  # the client did not wait for the response
            self._begin(0)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_paused_since = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._write_paused_since = None

    def phase(self) -> Phase:
        if self.cycle is None or self.cycle.response_complete:
            return Phase.NEXT_HEAD if self._served else Phase.FIRST_HEAD
        return Phase.BODY if self.cycle.more_body else Phase.RESPONSE

    def since(self) -> float:
        return self._since

    def rate(self) -> float:
        return self._body_bytes / float(max(self.loop.time() - self._since, 1.0))

    def is_overdue(self) -> bool:
        limits: ConnectionLimits = self.server_state.limits
        return self._exceeds(self._unfinished_since, limits.head_seconds) or self._exceeds(
            self._write_paused_since, limits.idle_seconds
        )

    def is_closing(self) -> bool:
        return bool(self.transport.is_closing())

    def abort(self) -> None:
        self.transport.abort()

    def _begin(self, size: int) -> None:
        self._since, self._unfinished_since, self._body_bytes = self.loop.time(), None, size

    def _exceeds(self, since: float | None, seconds: float) -> bool:
        return since is not None and self.loop.time() - since > seconds

    def _name_grpc_client(self) -> None:
        port = self.transport.get_extra_info("sockname")[1]
        detail = (
            f"A gRPC client connected to the HTTP port {port}. Send OTLP/gRPC to the port that"
            " AGENTGUARD_OTLP_GRPC_PORT sets (default: 4317), or use OTLP/HTTP here"
            " (OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, path /v1/traces)."
        )
        self.grpc_clients.log(port=port, detail=detail)


class Server(uvicorn.Server):
    """Uvicorn with limits for connections.

    It ends open streams before it shuts down instead of waiting for them.
    """

    def __init__(
        self, config: uvicorn.Config, limits: ConnectionLimits, end_streams: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self.server_state: ConnectionState = ConnectionState(limits)
        self._end_streams = end_streams
        self._accept_errors = Repetition("connection_not_accepted")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_exception_handler(self._on_loop_error)
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(BACKLOG)  # uvicorn's backlog is also what asyncio accepts at once

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_PER_SECOND == 0:
            self.server_state.close_overdue()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._end_streams()
        await super().shutdown(sockets)

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log what asyncio cannot raise; it fails to accept thousands of times a second."""
        if "accept" not in context["message"]:
            loop.default_exception_handler(context)
            return
        self._accept_errors.log(
            error=str(context.get("exception")),
            detail="Raise the limit of open files (ulimit -n) or lower AGENTGUARD_MAX_CONNECTIONS.",
        )


def options(settings: Settings) -> dict[str, Any]:
    """Return the options of uvicorn's Config that all servers share."""
    return {
        "http": HTTPProtocol,
        "ws": "none",
        "backlog": _ACCEPTED_AT_ONCE,
        "proxy_headers": False,  # X-Forwarded-For must not make a remote client look local
        "server_header": False,
        "timeout_keep_alive": settings.idle_seconds,
        "timeout_graceful_shutdown": settings.shutdown_seconds,
    }
