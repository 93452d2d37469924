"""One run of the demo: start the systems, send them requests, stop them, sum their counts."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from demo.content import system as content
from demo.counting import Counts, total
from demo.database import create_database
from demo.ecommerce import system as ecommerce
from demo.faults import Fault, FaultPlan
from demo.model_server import ModelServer
from demo.processes import DemoError, EndedEarlyError, Fleet, Post
from demo.scripts import Step
from demo.service import MODEL_SERVER, serve
from demo.system import Request, System
from demo.telemetry import takes_spans

SYSTEMS = {system.name: system for system in (ecommerce.SYSTEM, content.SYSTEM)}
_PRELOAD = (
    "demo.service",
    "demo.model_server",
    "anyio._backends._asyncio",
    "charset_normalizer",
    "httpcore",
    "httpcore2",
    "openai.lib._parsing",
    "openai.lib.streaming.chat",
    "openai.types.chat",
    "openai.resources.chat.completions",
    "openai.resources.embeddings",
    "pydantic.v1",
    "requests",
    "uvicorn.protocols.http.h11_impl",
)

Progress = Callable[[str], None]


class NotReceivedError(DemoError):
    """The receiver does not accept the demo's spans."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to run."""

    systems: tuple[System, ...]
    otlp: str | None
    """Base URL of the OTLP/HTTP receiver; None: without telemetry, only the systems' own counts."""
    seed: int
    runs: int | None
    """Main runs of each system; None: the system's default."""
    patience_seconds: float
    """How long the processes may take to start, and to stop."""
    users: int = 8
    """Concurrent requests: more finish sooner, but each takes longer."""
    down: frozenset[str] = frozenset()
    """Services, model server included, and databases that are out: connections are refused, tables
    are missing.
    """
    killed: str | None = None
    """Service whose process is killed while it works."""
    killed_after: int = 0
    """Requests sent before that."""
    answered: Callable[[Request, httpx.Response], None] | None = None
    """Is told the answer to each request."""


def perform(order: Order, progress: Progress) -> dict[str, Counts]:
    """Run the systems and return their counts, after all spans are sent and all processes ended.

    Raises DemoError if a process does not start or ends early, or the receiver rejects spans.
    """
    if order.otlp is not None and not takes_spans(order.otlp):
        raise NotReceivedError(
            f"No OTLP receiver accepted an empty request at {order.otlp}/v1/traces. Check that it"
            " is running and whether it requires a key."
        )
    with (
        tempfile.TemporaryDirectory(prefix="agentguard-demo-") as folder,
        _fleet(order) as fleet,
    ):
        progress(
            "Starting the scripted model server and the services: " + ", ".join(fleet.names[1:])
        )
        _start(fleet, order, Path(folder))
        fleet.wait_until_ready(order.patience_seconds)
        for system in order.systems:
            asyncio.run(_drive(fleet, system, order, progress))
        progress("Stopping the services, which flush their spans.")
        fleet.stop()
        return {system.name: _counted(fleet, system, order) for system in order.systems}


@contextmanager
def _fleet(order: Order) -> Iterator[Fleet]:
    services = [service.name for system in order.systems for service in system.services]
    with Fleet((MODEL_SERVER, *services), _PRELOAD, order.patience_seconds) as fleet:
        yield fleet


def _start(fleet: Fleet, order: Order, folder: Path) -> None:
    scripts = {
        agent.name: agent.script for system in order.systems for agent in system.agents.values()
    }
    faults = tuple(fault for system in order.systems for fault in system.faults)
    if MODEL_SERVER in order.down:
        fleet.refuse(MODEL_SERVER)
    else:
        fleet.start(MODEL_SERVER, serve_model, scripts, order.seed, faults)
    for system in order.systems:
        database = folder / f"{system.database}.db"
        create_database(database, "" if system.database in order.down else system.schema)
        for service in system.services:
            if service.name in order.down:
                fleet.refuse(service.name)
                continue
            fleet.start(service.name, serve, system, service.name, order.seed, order.otlp, database)


def serve_model(
    scripts: dict[str, tuple[Step, ...]], seed: int, faults: tuple[Fault, ...], post: Post
) -> None:
    """Run the model server until the runner sends stop."""
    server = ModelServer(scripts, FaultPlan(seed, faults))
    post.serve(server.app())
    post.hand_in(server.counts)


async def _drive(fleet: Fleet, system: System, order: Order, progress: Progress) -> None:
    entry = fleet.addresses[system.services[0].name]
    requests = system.requests(order.seed, order.runs or system.default_runs)
    waiting = iter(enumerate(requests, 1))

    async def user() -> None:
        for number, request in waiting:
            if order.killed is not None and number == order.killed_after + 1:
                fleet.kill(order.killed)
            answer = await client.post(request.path, json=dict(request.task))
            if order.answered is not None:
                order.answered(request, answer)
            if number % 10 == 0 or number == len(requests):
                progress(f"{system.name}: {number} of {len(requests)} requests sent")

    try:
        async with (
            httpx.AsyncClient(
                base_url=entry, timeout=2 * system.timeout_seconds, trust_env=False
            ) as client,
            asyncio.TaskGroup() as users,
        ):
            for _ in range(order.users):
                users.create_task(user())
    except* httpx.HTTPError as errors:
        raise EndedEarlyError(
            f"The entry service of {system.name} does not respond: {errors.exceptions[0]!r}"
        ) from errors


def _counted(fleet: Fleet, system: System, order: Order) -> Counts:
    gone = {*order.down, order.killed}
    running = [service.name for service in system.services if service.name not in gone]
    own = total(fleet.counted_by(name) for name in running)
    met = Counts() if MODEL_SERVER in gone else fleet.counted_by(MODEL_SERVER)
    agents = {f"agent:{name}" for name in system.agents}
    own.retries.update({edge: count for edge, count in met.retries.items() if edge[0] in agents})
    own.fallbacks.update(
        {triple: count for triple, count in met.fallbacks.items() if triple[0] in agents}
    )
    return own
