"""Runs a system as real processes, and keeps what it sent and how its requests ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import httpx

from demo.counting import Counts
from demo.processes import DemoError
from demo.receiver import receiving
from demo.recording import packed
from demo.runner import Order, perform
from demo.scripts import is_wrong
from demo.system import Request, System

_PATIENCE_SECONDS = 120.0


Asked = tuple[str, str]
"""A request: its workflow, and the id of its task."""


class Ending(StrEnum):
    """How a request ended for the user who sent it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    WRONG = "wrong"
    """It succeeded, with an answer made from a wrong result."""


def asked(request: Request) -> Asked:
    return f"POST {request.path}", str(request.task["id"])


@dataclass(frozen=True, slots=True)
class Observation:
    """One window of a system's work, as its own processes counted it."""

    endings: Mapping[Asked, Ending]
    failures: Mapping[str, int]
    """Reference of an agent or a service → runs, or requests to it, that failed or ended wrong."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What is done to the processes of a system, besides the faults inside them."""

    down: frozenset[str] = frozenset()
    """Services and databases that are not there."""
    killed: str | None = None
    """Service that is killed while it works."""
    killed_after: int = 0
    """Requests sent before that."""


def observe(
    system: System,
    seed: int,
    *,
    disturbance: Disturbance = Disturbance(),
    traces: Path | None = None,
) -> Observation:
    """Run the system on its requests; write its spans to `traces`, gzipped OTLP JSON lines.

    One seed gives the same requests and the same faults of its own. Without `traces`, the system
    sends no telemetry: what is returned is what its processes counted and answered.
    """
    if traces is None:
        return _observed(system, seed, None, disturbance)
    with receiving() as received:
        observation = _observed(system, seed, received.url, disturbance)
    traces.parent.mkdir(parents=True, exist_ok=True)
    traces.write_bytes(packed(received.requests))
    return observation


def _observed(system: System, seed: int, otlp: str | None, disturbance: Disturbance) -> Observation:
    endings: dict[Asked, Ending] = {}

    def answered(request: Request, answer: httpx.Response) -> None:
        endings[asked(request)] = _ending(answer)

    order = Order(
        (system,),
        otlp,
        seed,
        None,
        patience_seconds=_PATIENCE_SECONDS,
        down=disturbance.down,
        killed=disturbance.killed,
        killed_after=disturbance.killed_after,
        answered=answered,
    )
    counted = perform(order, lambda _message: None)[system.name]
    if counted.spans_refused:
        raise DemoError(f"{counted.spans_refused} spans were not received: the window has gaps.")
    return Observation(endings, dict(_counts(counted)))


def _ending(answer: httpx.Response) -> Ending:
    if not answer.is_success:
        return Ending.FAILED
    return Ending.WRONG if is_wrong(str(answer.json()["answer"])) else Ending.SUCCEEDED


def _counts(counts: Counts) -> Iterator[tuple[str, int]]:
    """Yield how many runs of each agent, and requests to each service, failed or ended wrong."""
    agents = counts.failed_invocations + counts.wrong_invocations
    services = counts.failed_served + counts.wrong_served
    yield from ((f"agent:{name}", count) for name, count in sorted(agents.items()))
    yield from ((f"service:{name}", count) for name, count in sorted(services.items()))
