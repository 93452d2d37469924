"""One service of a demo system: a FastAPI app around its agents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI, HTTPException
from openai import AsyncOpenAI

from demo.counting import Counts
from demo.faults import FaultPlan
from demo.processes import Post
from demo.scripts import is_wrong
from demo.system import System
from demo.telemetry import start_telemetry, stop_telemetry, trace_requests
from demo.tool_server import PATH, tool_handler
from demo.toolbox import Toolbox
from demo.worker import AgentFailedError, Worker

MODEL_SERVER = "model-server"
"""The model server's key in the addresses."""
Handler = Callable[[dict[str, Any]], Awaitable[dict[str, str]]]


def serve(
    system: System, name: str, seed: int, otlp: str | None, database: Path, post: Post
) -> None:
    """Run the service `name` of the system until the runner sends stop, then flush its spans."""
    counts = Counts()
    provider = start_telemetry(name, system, otlp, counts) if otlp else None
    model = AsyncOpenAI(
        base_url=f"{post.addresses[MODEL_SERVER]}/v1",
        api_key="scripted",
        max_retries=0,
        timeout=system.model_timeout_seconds,
    )
    http = httpx.AsyncClient(timeout=system.timeout_seconds, trust_env=False)
    faults = FaultPlan(seed, system.faults)
    toolbox = Toolbox(faults, database, system.database, counts)
    traced = provider is not None
    worker = Worker(system, name, post.addresses, model, http, faults, toolbox, counts, traced)
    app = create_app(worker)
    if provider is not None:
        trace_requests(app)
    post.serve(app)
    if provider is not None:
        stop_telemetry(provider)
    post.hand_in(counts)


def create_app(worker: Worker) -> FastAPI:
    """Return the app.

    Each agent of the service and each entry of the system that the service offers.
    """
    app = FastAPI(title=worker.service, lifespan=_closing(worker))
    service = next(service for service in worker.system.services if service.name == worker.service)
    app.add_api_route("/health", _healthy)
    for agent in service.agents:
        app.add_api_route(
            f"/agents/{agent.name}", _agent_handler(worker, agent.name), methods=["POST"]
        )
    for path, agent_name in service.entries.items():
        app.add_api_route(path, _entry_handler(worker, path, agent_name), methods=["POST"])
    if service.tools:
        app.add_api_route(PATH, tool_handler(service.tools, worker.toolbox), methods=["POST"])
    return app


def _closing(worker: Worker) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await worker.http.aclose()
        await worker.model.close()

    return lifespan


async def _healthy() -> dict[str, str]:
    return {"status": "ok"}


def _agent_handler(worker: Worker, agent: str) -> Handler:
    async def invoke(task: dict[str, Any]) -> dict[str, str]:
        try:
            answer = await worker.run(agent, task)
        except AgentFailedError as error:
            worker.counts.answered(worker.service, failed=True)
            raise HTTPException(503, str(error)) from error
        worker.counts.answered(worker.service, failed=False, wrong=is_wrong(answer))
        return {"answer": answer}

    return invoke


def _entry_handler(worker: Worker, path: str, agent: str) -> Handler:
    async def enter(task: dict[str, Any]) -> dict[str, str]:
        try:
            answer = await worker.ask_service(worker.system.homes[agent], f"/agents/{agent}", task)
        except AgentFailedError as error:
            worker.counts.ran(f"POST {path}", failed=True)
            worker.counts.answered(worker.service, failed=True)
            raise HTTPException(502, str(error)) from error
        worker.counts.ran(f"POST {path}", failed=False)
        worker.counts.answered(worker.service, failed=False, wrong=is_wrong(answer))
        return {"answer": answer}

    return enter
