"""How gunicorn serves AgentGuard: several uvicorn workers on the address that the settings name.

Gunicorn reads this module as its configuration: `gunicorn -c python:agentguard.web.gunicorn
agentguard.web.asgi:app`; its own options (`--workers 4`) take precedence.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import Any, ClassVar

from gunicorn.arbiter import Arbiter
from uvicorn_worker import UvicornWorker

from agentguard.kernel.errors import AgentGuardError
from agentguard.settings import Settings, SettingsError, load_settings
from agentguard.web.connections import connection_limits
from agentguard.web.exposure import refuse_exposure
from agentguard.web.grpc_server import warn_of_taken_port
from agentguard.web.http_server import Server, options
from agentguard.web.shared_port import reserved


def _settings() -> Settings:
    try:
        return load_settings()
    except SettingsError as error:
        sys.exit(str(error))


_chosen = _settings()
_host = f"[{_chosen.api_host}]" if ":" in _chosen.api_host else _chosen.api_host


class Worker(UvicornWorker):  # type: ignore[misc]  # it ships no types
    """Uvicorn with the options of `agentguard serve`."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "loop": "auto",
        "lifespan": "on",
        **options(_chosen),
    }

    async def _serve(self) -> None:
        """Serve with our server, as the class above does with uvicorn's."""
        self.config.app = self.wsgi
        server = Server(self.config, connection_limits(_chosen), self.wsgi.end_streams)
        self._install_sigquit_handler()
        await server.serve(sockets=self.sockets)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)


_reserved: list[socket.socket] = []
"""Open as long as this process, which starts the workers that share the port of OTLP/gRPC."""


def on_starting(server: Arbiter) -> None:
    """Refuse addresses without authentication, before gunicorn listens on them.

    Reserve the port of OTLP/gRPC, or log that it is in use; the workers then do without.
    """
    _refuse_exposure(server)
    replaces_another = "GUNICORN_PID" in os.environ  # whose workers still use the port
    if _chosen.otlp_grpc_port and not replaces_another:
        found = reserved(_chosen.otlp_grpc_host, _chosen.otlp_grpc_port)
        if found is None:
            warn_of_taken_port(_chosen)
            os.environ["AGENTGUARD_OTLP_GRPC_PORT"] = "0"
        else:
            _reserved.append(found)


def _refuse_exposure(server: Arbiter) -> None:
    for address in server.address:
        if isinstance(address, tuple):  # a Unix socket is a path
            try:
                asyncio.run(refuse_exposure(_chosen, address[0]))
            except AgentGuardError as error:
                sys.exit(str(error))


bind = f"{_host}:{_chosen.api_port}"
worker_class = "agentguard.web.gunicorn.Worker"
graceful_timeout = 2 * _chosen.shutdown_seconds + 10
"""Seconds that a worker has to finish open HTTP requests, then open gRPC requests, and exit."""
timeout = 120
"""Seconds without a heartbeat after which gunicorn restarts a worker; no task blocks the event loop
for that long.
"""
control_socket_disable = True
"""Nothing is written outside the data directory."""
