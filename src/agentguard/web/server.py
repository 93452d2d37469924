"""The HTTP server, from its socket to its shutdown."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager

import structlog
import uvicorn

from agentguard.bootstrap.opening import open_app
from agentguard.bootstrap.reports import reporting
from agentguard.bootstrap.startup_warnings import warn_of_unused_settings
from agentguard.kernel.errors import AgentGuardError
from agentguard.logs import configure_logs
from agentguard.settings import Settings
from agentguard.web.app import create_app
from agentguard.web.connections import connection_limits
from agentguard.web.exposure import refuse_exposure
from agentguard.web.grpc_server import receiving
from agentguard.web.http_server import BACKLOG, Server, options
from agentguard.web.set_up_link import tell_who_may_enter, url_of

log = structlog.get_logger(__name__)


class AddressError(AgentGuardError):
    """The server cannot listen at the address."""

    code = "cannot-listen"


class _Server(Server):
    """Stops on a signal without ending the process, so that the application can close."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


def serve(settings: Settings, tell: Callable[[list[str]], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then finish open requests and close.

    Raise AddressError if the port is in use, and ExposedError if other machines could reach the
    server and nothing authenticates them.

    `tell` is called once, with the URLs, when connections are accepted.
    """
    with reporting(settings) as report:
        configure_logs(debug=settings.debug, report=report)
        asyncio.run(_serve(settings, tell))


async def _serve(settings: Settings, tell: Callable[[list[str]], None] | None) -> None:
    async with AsyncExitStack() as stack:
        listening = [stack.enter_context(bind(settings.api_host, settings.api_port))]
        await refuse_exposure(settings, listening[0].getsockname()[0])
        app = await stack.enter_async_context(open_app(settings, serving=True))
        otlp = _bind_otlp(settings)
        if otlp is not None:
            listening.append(stack.enter_context(otlp))
        api = create_app(app)
        urls = _tell(listening)
        await tell_who_may_enter(app, urls[0])
        grpc_url = await stack.enter_async_context(receiving(api.state.agentguard, shared=False))
        if tell is not None:
            tell([*urls, grpc_url] if grpc_url else urls)
        config, streams = _config(settings, app_of=api), api.state.agentguard.streams
        server = _Server(config, connection_limits(settings), streams.end)
        await server.serve(sockets=listening)


def _config(settings: Settings, app_of: object) -> uvicorn.Config:
    return uvicorn.Config(
        app_of,  # type: ignore[arg-type]  # a FastAPI is an ASGI application
        lifespan="off",
        log_config=None,
        access_log=settings.debug,
        **options(settings),
    )


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises AddressError with the address if that fails.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return _listening(family, address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise AddressError(
                f"Port {port} on {host} is in use. Stop its process, or change API_PORT."
            ) from error
        reason = error.strerror or str(error)
        raise AddressError(
            f"Cannot listen on {host} port {port}: {reason}. Set API_HOST and API_PORT to an"
            " address of this machine."
        ) from error


def _listening(family: int, address: tuple[object, ...]) -> socket.socket:
    # asyncio sets TCP_NODELAY on connections only if their protocol is named
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def _bind_otlp(settings: Settings) -> socket.socket | None:
    """Return a socket at OTLP's standard port; None if the port is in use or disabled."""
    if settings.otlp_port in (0, settings.api_port):
        return None
    try:
        return bind("127.0.0.1", settings.otlp_port)
    except AddressError:
        detail = (
            "Only the API's port accepts spans. Stop the process that uses this port, or change"
            " AGENTGUARD_OTLP_PORT."
        )
        log.warning("otlp_port_taken", port=settings.otlp_port, detail=detail)
        return None


def _tell(listening: list[socket.socket]) -> list[str]:
    urls = []
    for each in listening:
        host, port = each.getsockname()[:2]
        urls.append(url_of(host, port))
        log.info("listening", url=urls[-1], pid=os.getpid())
    warn_of_unused_settings()
    return urls
