"""Health checks of the parts of a process, run concurrently with a timeout."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

import structlog

from agentguard.kernel.errors import UnavailableError
from agentguard.kernel.masking import masked

log = structlog.get_logger(__name__)

Ask: TypeAlias = Callable[[], Awaitable[str | None]]
"""Returns if the part works, with what the operator should know nevertheless, and raises otherwise:
StillStartingError if it only needs more time. May be cancelled.
"""


class StillStartingError(UnavailableError):
    """The part is still starting; this is not a failure."""

    code = "still-starting"


class TaskFailedError(UnavailableError):
    """The last run of a periodic task failed."""

    code = "task-failed"

    def __init__(self, kind: str) -> None:
        super().__init__(f"The last background run failed: {kind}.")
        self.kind = kind


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A check of one part that the process needs."""

    name: str
    ask: Ask
    advice: str
    """A sentence that tells the operator what to do if it fails."""


class Status(StrEnum):
    """State of a part; the worst comes first."""

    DOWN = "down"
    STARTING = "starting"
    UP = "up"


@dataclass(frozen=True, slots=True)
class Condition:
    """The result of a health check."""

    status: Status
    seconds: float
    """Duration of the check."""
    detail: str | None = None
    error: str | None = None
    """Kind of error and advice. The message is only logged, because it may name hosts and users."""


@dataclass(slots=True)
class Checkup:
    """Runs the health checks and caches their results briefly, so that probes are cheap."""

    parts: tuple[HealthCheck, ...]
    patience_seconds: float = 2.0
    fresh_seconds: float = 1.0
    clock: Callable[[], float] = time.monotonic
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _asked: dict[str, asyncio.Task[Condition]] = field(default_factory=dict)
    _known: dict[str, Condition] = field(default_factory=dict)
    _known_at: float = float("-inf")

    async def conditions(self) -> Mapping[str, Condition]:
        """Return the condition of each part.

        Takes at most `patience_seconds`; results are at most `fresh_seconds` old.
        """
        async with self._turn:
            if self.clock() - self._known_at >= self.fresh_seconds:
                self._known, self._known_at = await self._ask_all(), self.clock()
            return self._known

    async def _ask_all(self) -> dict[str, Condition]:
        for part in self.parts:
            running = self._asked.get(part.name)
            # A check that hangs and cannot be cancelled must not be started a second time.
            if running is None or running.done():
                self._asked[part.name] = asyncio.create_task(self._ask(part))
        if self._asked:
            await asyncio.wait(self._asked.values(), timeout=self.patience_seconds)
        return {part.name: self._condition(part) for part in self.parts}

    def _condition(self, part: HealthCheck) -> Condition:
        asked = self._asked[part.name]
        if asked.done() and not asked.cancelled():
            return asked.result()
        asked.cancel()
        return self._down(
            part,
            "TimeoutError",
            f"No response within {self.patience_seconds:g} s.",
            self.patience_seconds,
        )

    async def _ask(self, part: HealthCheck) -> Condition:
        began = self.clock()
        try:
            remark = await part.ask()
        except StillStartingError as error:
            return Condition(Status.STARTING, self.clock() - began, detail=str(error))
        # Outermost frame of a check: any exception is its result.
        except Exception as error:  # noqa: BLE001 - reported in the result and in the log
            kind = error.kind if isinstance(error, TaskFailedError) else type(error).__name__
            return self._down(part, kind, str(error), self.clock() - began)
        if self._was_down(part):
            log.info("part_up", part=part.name)
        return Condition(Status.UP, self.clock() - began, detail=remark)

    def _down(self, part: HealthCheck, kind: str, reason: str, seconds: float) -> Condition:
        if not self._was_down(part):
            log.warning("part_down", part=part.name, error=kind, reason=masked(reason))
        return Condition(
            Status.DOWN,
            seconds,
            detail=f"{kind}; see the log for details.",
            error=f"{kind}. {part.advice}",
        )

    def _was_down(self, part: HealthCheck) -> bool:
        return part.name in self._known and self._known[part.name].status is Status.DOWN


def health_document(conditions: Mapping[str, Condition]) -> dict[str, object]:
    """Return the document of all parts and of their worst status."""
    return {
        "status": worst(conditions).value,
        "parts": {
            name: {
                "status": condition.status.value,
                "detail": condition.detail,
                "latency_ms": round(condition.seconds * 1000, 3),
                "error": condition.error,
            }
            for name, condition in conditions.items()
        },
    }


def worst(conditions: Mapping[str, Condition]) -> Status:
    """Return the worst status of all parts; UP if there are none."""
    return min(
        (condition.status for condition in conditions.values()),
        key=list(Status).index,
        default=Status.UP,
    )
