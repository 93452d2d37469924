"""The ASGI application for servers with several processes, each of which opens its own.

gunicorn -c python:agentguard.web.gunicorn agentguard.web.asgi:app
"""

from __future__ import annotations

import os

import structlog
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from agentguard.bootstrap.opening import open_app
from agentguard.bootstrap.reports import reporting
from agentguard.bootstrap.startup_warnings import warn_of_unused_settings
from agentguard.kernel.errors import AgentGuardError
from agentguard.logs import configure_logs
from agentguard.settings import Settings, load_settings
from agentguard.web.app import create_app
from agentguard.web.grpc_server import receiving
from agentguard.web.set_up_link import tell_who_may_enter, url_of

log = structlog.get_logger(__name__)


class Application:
    """Opens the application at startup, and closes it after the last response at shutdown."""

    def __init__(self) -> None:
        self._api: FastAPI | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._api is None:
            raise RuntimeError(
                "This application needs a server that supports the ASGI lifespan protocol."
            )
        else:
            await self._api(scope, receive, send)

    def end_streams(self) -> None:
        """End open streams, which would delay the shutdown, and refuse new ones."""
        if self._api is not None:
            self._api.state.agentguard.streams.end()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            settings = load_settings()
            with reporting(settings) as report:
                configure_logs(debug=settings.debug, report=report)
                await self._live_with(settings, receive, send)
        except AgentGuardError as error:
            during = "startup" if self._api is None else "shutdown"
            # the message is enough
            log.error("lifespan_failed", during=during, detail=str(error))  # noqa: TRY400
            await send({"type": f"lifespan.{during}.failed", "message": str(error)})
        else:
            await send({"type": "lifespan.shutdown.complete"})

    async def _live_with(self, settings: Settings, receive: Receive, send: Send) -> None:
        async with open_app(settings, serving=True) as app:
            warn_of_unused_settings()
            await tell_who_may_enter(app, url_of(settings.api_host, settings.api_port))
            self._api = create_app(app, process=str(os.getpid()))
            async with receiving(self._api.state.agentguard, shared=True):
                await send({"type": "lifespan.startup.complete"})
                await receive()


app = Application()
