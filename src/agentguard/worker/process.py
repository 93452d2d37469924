"""The application inside a worker process."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack
from typing import TypeVar

import structlog

from agentguard.bootstrap.app import App
from agentguard.bootstrap.opening import open_app
from agentguard.bootstrap.reports import reporting
from agentguard.jobs.attempts import Outcome
from agentguard.logs import configure_logs
from agentguard.settings import Settings

log = structlog.get_logger(__name__)

T = TypeVar("T")

_GIVE_BACK_SECONDS = 10


class OpenedApp:
    """Attempts jobs in this process (implements Tries).

    It is created before the worker forks; each fork opens the application at its first job, on an
    event loop that keeps running between jobs.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stack = AsyncExitStack()
        self._app: App | None = None

    def run(self, job_id: str) -> Outcome:
        ended = threading.Event()
        trying = asyncio.run_coroutine_threadsafe(self._try(job_id, ended), self._running_loop())
        try:
            return trying.result()
        finally:  # a signal handler may raise SystemExit while waiting
            if trying.cancel():
                ended.wait(_GIVE_BACK_SECONDS)

    def close(self) -> None:
        if self._loop is None:
            return
        closing = asyncio.run_coroutine_threadsafe(self._stack.aclose(), self._loop)
        try:
            closing.result(self._settings.shutdown_seconds)
        except TimeoutError:
            log.warning("worker_not_closed_in_time")

    async def _try(self, job_id: str, ended: threading.Event) -> Outcome:
        try:
            if self._app is None:
                self._app = await self._opened()
            return await self._app.attempts.run(job_id)
        finally:
            ended.set()

    async def _opened(self) -> App:
        async with AsyncExitStack() as stack:
            report = stack.enter_context(reporting(self._settings))
            configure_logs(debug=self._settings.debug, report=report)
            app = await stack.enter_async_context(open_app(self._settings, worker=True))
            self._stack = stack.pop_all()
        return app

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(
                target=self._loop.run_forever, name="agentguard-jobs", daemon=True
            ).start()
        return self._loop
