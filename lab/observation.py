"""Runs a system as real processes, and keeps what it sent and how its requests ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.counting import Counts
from demo.receiver import receiving
from demo.recording import packed
from demo.runner import Order, perform
from demo.system import Request, System

_PATIENCE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Observation:
    """One window of a system's work."""

    outcomes: Mapping[tuple[str, str], bool]
    """(workflow, request) → whether it succeeded."""
    counts: Counts


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
    outcomes: dict[tuple[str, str], bool] = {}

    def answered(request: Request, succeeded: bool) -> None:
        outcomes[f"POST {request.path}", str(request.task["id"])] = succeeded

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
        traces.write_bytes(packed(received.requests))
    return Observation(outcomes, counted[system.name])
