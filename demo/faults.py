"""Injected faults, decided by the seed and by what is asked.

Never by the clock, the order of arrival or a random generator.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

ALWAYS = 1_000_000


def chance(seed: int, *parts: object) -> float:
    """Return a number in [0, 1) that depends on the arguments alone."""
    text = "\x1f".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) / 2**64


def agent_point(agent: str) -> str:
    """Return the point at which an agent itself fails."""
    return f"agent:{agent}"


class Effect(StrEnum):
    """What a fault does to a call."""

    ERROR = "error"
    DELAY = "delay"
    WRONG = "wrong"
    """The call succeeds with a wrong result."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What a share of the tasks meets at one point."""

    point: str
    """A tool's name, "AgentName/model-name" for a model call, or `agent_point` of an agent."""
    share: float
    status: int = 503
    message: str = "temporarily unavailable"
    attempts: int = ALWAYS
    """How many attempts fail before one succeeds."""
    effect: Effect = Effect.ERROR
    seconds: float = 0.0
    """Length of a delay."""
    stream: str = ""
    """Faults of different streams strike independently of each other."""
    each_attempt: bool = False
    """The share is one of attempts, each decided anew, instead of one of tasks."""


@dataclass(slots=True)
class FaultPlan:
    """The faults of one process, and the attempts so far."""

    seed: int
    faults: Sequence[Fault]
    _seen: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def strike(self, point: str, task: str, detail: str = "") -> Fault | None:
        """Return the error that this attempt meets, if any.

        `detail` tells apart different calls at one point in one task.
        """
        for fault in self._at(point, Effect.ERROR):
            if fault.each_attempt:
                if self._meets(fault, task, detail, str(self._attempt(fault, task, detail))):
                    return fault
            elif self._meets(fault, task, detail):
                return fault if self._attempt(fault, task, detail) <= fault.attempts else None
        return None

    def delay(self, point: str, task: str, detail: str = "") -> float:
        """Return how many seconds longer this attempt takes."""
        slow = self._at(point, Effect.DELAY)
        return sum(fault.seconds for fault in slow if self._meets(fault, task, detail))

    def spoils(self, point: str, task: str, detail: str = "") -> bool:
        """Whether the result of this attempt is wrong."""
        return any(self._meets(fault, task, detail) for fault in self._at(point, Effect.WRONG))

    def _at(self, point: str, effect: Effect) -> Iterator[Fault]:
        return (fault for fault in self.faults if (fault.point, fault.effect) == (point, effect))

    def _meets(self, fault: Fault, *details: str) -> bool:
        stream = (fault.stream,) if fault.stream else ()
        return chance(self.seed, *stream, fault.point, *details) < fault.share

    def _attempt(self, fault: Fault, *key: str) -> int:
        key = (fault.stream, fault.point, *key)
        self._seen[key] += 1
        return self._seen[key]
