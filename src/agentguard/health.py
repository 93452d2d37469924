"""How the parts are.

Each is asked for real, side by side with the others, and not for longer than a moment.
"""

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

Ask: TypeAlias = Callable[[], Awaitable[None]]
"""Returns if the part works. Raises what stands in the way, StillStartingError where it only takes
time. May be cancelled.
"""


class StillStartingError(UnavailableError):
    """The part does not work yet, and nothing is wrong with that."""

    code = "still-starting"


class RoundFailedError(UnavailableError):
    """What the part does again and again failed the last time."""

    code = "round-failed"

    def __init__(self, kind: str) -> None:
        super().__init__(f"The last round failed with {kind}.")
        self.kind = kind


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """Something that must work for the whole to work."""

    name: str
    ask: Ask
    advice: str
    """What to do where it does not work: a sentence for who keeps it running."""


class Status(StrEnum):
    """Whether a part works; the worst comes first."""

    DOWN = "down"
    STARTING = "starting"
    UP = "up"


@dataclass(frozen=True, slots=True)
class Condition:
    """What came of asking a part."""

    status: Status
    seconds: float
    """Until it answered, or until nobody waited any longer."""
    detail: str | None = None
    error: str | None = None
    """The kind of error, then what to do. Not its message, which may name hosts and users: that is
    in the log.
    """


@dataclass(slots=True)
class Checkup:
    """Asks parts, whoever wants to know.

    Those who come at one moment share the answer, so that probes weigh nothing.
    """

    parts: tuple[HealthCheck, ...]
    patience_seconds: float = 2.0
    fresh_seconds: float = 1.0
    clock: Callable[[], float] = time.monotonic
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _asked: dict[str, asyncio.Task[Condition]] = field(default_factory=dict)
    _known: dict[str, Condition] = field(default_factory=dict)
    _known_at: float = float("-inf")

    async def conditions(self) -> Mapping[str, Condition]:
        """Return how each part is, within `patience_seconds`, and not older than `fresh_seconds`."""
        async with self._turn:
            if self.clock() - self._known_at >= self.fresh_seconds:
                self._known, self._known_at = await self._ask_all(), self.clock()
            return self._known

    async def _ask_all(self) -> dict[str, Condition]:
        for part in self.parts:
            running = self._asked.get(part.name)
            if (
                running is None or running.done()
            ):  # one that neither answers nor can be cancelled is not asked twice at a time
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
            f"No answer within {self.patience_seconds:g} seconds.",
            self.patience_seconds,
        )

    async def _ask(self, part: HealthCheck) -> Condition:
        began = self.clock()
        try:
            await part.ask()
        except StillStartingError as error:
            return Condition(Status.STARTING, self.clock() - began, detail=str(error))
        # The outermost frame of asking: whatever is raised is the answer.
        except Exception as error:  # noqa: BLE001 - told in the answer and in the log
            kind = error.kind if isinstance(error, RoundFailedError) else type(error).__name__
            return self._down(part, kind, str(error), self.clock() - began)
        if self._was_down(part):
            log.info("part_up", part=part.name)
        return Condition(Status.UP, self.clock() - began)

    def _down(self, part: HealthCheck, kind: str, reason: str, seconds: float) -> Condition:
        if not self._was_down(part):
            log.warning("part_down", part=part.name, error=kind, reason=masked(reason))
        return Condition(
            Status.DOWN,
            seconds,
            detail=f"{kind}; the log says more.",
            error=f"{kind}. {part.advice}",
        )

    def _was_down(self, part: HealthCheck) -> bool:
        return part.name in self._known and self._known[part.name].status is Status.DOWN


def worst(conditions: Mapping[str, Condition]) -> Status:
    """Return how all parts together are."""
    return min(
        (condition.status for condition in conditions.values()),
        key=list(Status).index,
        default=Status.UP,
    )
