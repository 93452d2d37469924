"""The application for servers that start several processes of it; each opens it for itself.

gunicorn -c python:agentguard.web.gunicorn agentguard.web.asgi:app
"""

from __future__ import annotations

import os

import structlog
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from agentguard.bootstrap.opening import open_app
from agentguard.bootstrap.reports import reporting
from agentguard.bootstrap.startup_warnings import note_closed_door, note_settings
from agentguard.kernel.errors import AgentGuardError
from agentguard.logs import configure_logs
from agentguard.settings import Settings, load_settings
from agentguard.web.app import create_app

log = structlog.get_logger(__name__)


class Application:
    """Opens everything when its server starts it, and closes it in good order when the server has
    answered what was in work.
    """

    def __init__(self) -> None:
        self._api: FastAPI | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._api is None:
            raise RuntimeError("This application needs a server that runs ASGI's lifespan.")
        else:
            await self._api(scope, receive, send)

    def end_streams(self) -> None:
        """End open streams, which would otherwise hold up a shutdown; no new ones begin."""
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
            # the sentence says all
            log.error("lifespan_failed", during=during, detail=str(error))  # noqa: TRY400
            await send({"type": f"lifespan.{during}.failed", "message": str(error)})
        else:
            await send({"type": "lifespan.shutdown.complete"})

    async def _live_with(self, settings: Settings, receive: Receive, send: Send) -> None:
        async with open_app(settings, serving=True) as app:
            note_settings()
            note_closed_door(settings, settings.api_host)
            self._api = create_app(app, process=str(os.getpid()))
            await send({"type": "lifespan.startup.complete"})
            await receive()


app = Application()
