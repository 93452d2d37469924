"""Runs a system as real processes, and keeps what it sent and how its requests ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from demo.counting import Counts
from demo.receiver import receiving
from demo.recording import packed
from demo.runner import Order, perform
from demo.system import Request, System

_PATIENCE_SECONDS = 120


class Ending(StrEnum):
    """How a request ended for the user who sent it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Observation:
    """One window of a system's work, as its own processes counted it."""

    endings: Mapping[tuple[str, str], Ending]
    """(workflow, request) → how it ended."""
    failures: Mapping[str, int]
    """Reference of an agent or a service → runs, or requests to it, that failed."""


def observe(
    system: System,
    seed: int,
    *,
    down: frozenset[str] = frozenset(),
    traces: Path | None = None,
) -> Observation:
    """Run the system on its requests; write its spans to `traces`, gzipped OTLP JSON lines.

    One seed gives the same requests and the same faults of its own.
    """
    endings: dict[tuple[str, str], Ending] = {}

    def answered(request: Request, succeeded: bool) -> None:
        ending = Ending.SUCCEEDED if succeeded else Ending.FAILED
        endings[f"POST {request.path}", str(request.task["id"])] = ending

    with receiving() as received:
        order = Order(
            (system,),
            received.url,
            seed,
            None,
            patience_seconds=_PATIENCE_SECONDS,
            down=down,
            answered=answered,
        )
        counted = perform(order, lambda _message: None)
    if traces is not None:
        traces.parent.mkdir(parents=True, exist_ok=True)
        traces.write_bytes(packed(received.requests))
    return Observation(endings, dict(_failures(counted[system.name])))


def _failures(counts: Counts) -> Iterator[tuple[str, int]]:
    for agent, failed in sorted(counts.failed_invocations.items()):
        yield f"agent:{agent}", failed
    for service, failed in sorted(counts.failed_served.items()):
        yield f"service:{service}", failed
