"""Real scan jobs: some whose upload is there, some whose upload comes when a test lets it."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from agentguard.bootstrap.app import App
from agentguard.jobs.model import Job
from agentguard.scan.jobs import KIND
from tests.acting import TESTER

AGENT = "PricingAgent"


def spans(traces: int = 1) -> bytes:
    """Return so many traces of one agent with a few tools."""
    return orjson.dumps([_trace(n) for n in range(traces)])


def _trace(number: int) -> dict[str, Any]:
    agent = {"spanId": "s0", "serviceName": AGENT, "attributes": {"type": "llm"}}
    tools = [
        {"spanId": f"s{n}", "parentSpanId": "s0", "serviceName": f"tool-{n}", "attributes": {}}
        for n in range(1, 5)
    ]
    return {"traceId": f"trace{number}", "spans": [agent, *tools]}


async def submit_scan(app: App, dataset: str) -> Job:
    """Make a scan job of an upload."""
    upload = _new(app)
    upload.write_bytes(spans())
    return await app.jobs.submit(
        TESTER, KIND, app.uploaded.request(upload, "upload", dataset, None), total=len(spans())
    )


class HeldScan:
    """A scan job whose upload is a pipe.

    An attempt reads it until a test lets it come to its end.
    """

    def __init__(self, job: Job, upload: Path) -> None:
        self.job, self._upload = job, upload
        self._pipe: int | None = None

    async def is_read(self) -> None:
        """Return once an attempt has got as far as reading its upload."""
        await asyncio.to_thread(self._attach)

    async def feed(self) -> None:
        """Let the attempt that reads now, or will within a while, come to its end."""
        await asyncio.to_thread(self._feed)

    def _attach(self) -> int:
        if self._pipe is None:
            self._pipe = _patiently(lambda: os.open(self._upload, os.O_WRONLY | os.O_NONBLOCK))
        return self._pipe

    def _feed(self) -> None:
        pipe = self._attach()
        _patiently(lambda: os.write(pipe, spans()))
        os.close(pipe)
        self._pipe = None


def _patiently(act: Callable[[], int]) -> int:
    """Do this as soon as somebody reads the pipe."""
    until = time.monotonic() + 60
    while True:
        try:
            return act()
        except OSError as error:
            if error.errno not in (errno.ENXIO, errno.EPIPE) or time.monotonic() > until:
                raise
        time.sleep(0.02)


async def submit_held_scan(app: App, dataset: str) -> HeldScan:
    upload = _new(app)
    os.mkfifo(upload)
    job = await app.jobs.submit(
        TESTER, KIND, app.uploaded.request(upload, "upload", dataset, None), total=len(spans())
    )
    return HeldScan(job, upload)


async def submit_troubled_scan(app: App) -> Job:
    """Make a scan job in which every attempt meets trouble of the kind that may pass.

    Its upload is a folder.
    """
    upload = _new(app)
    upload.mkdir()
    return await app.jobs.submit(
        TESTER, KIND, app.uploaded.request(upload, "upload", "troubled", None), total=1
    )


def _new(app: App) -> Path:
    app.uploaded.folder.mkdir(parents=True, exist_ok=True)
    return app.uploaded.folder / secrets.token_hex(8)
