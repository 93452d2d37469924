"""Injected errors, decided by the seed and by what is asked.

Never by the clock, the order of arrival or a random generator.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

ALWAYS = 1_000_000


def chance(seed: int, *parts: object) -> float:
    """Return a number in [0, 1) that depends on the arguments alone."""
    text = "\x1f".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) / 2**64


def agent_point(agent: str) -> str:
    """Return the point at which an agent itself fails."""
    return f"agent:{agent}"


@dataclass(frozen=True, slots=True)
class Fault:
    """An error that a share of the tasks meets on its first attempts."""

    point: str
    """A tool's name, "AgentName/model-name" for a model call, or `agent_point` of an agent."""
    share: float
    status: int = 503
    message: str = "temporarily unavailable"
    attempts: int = ALWAYS
    """How many attempts fail before one succeeds."""


@dataclass(slots=True)
class FaultPlan:
    """The faults of one process, and the attempts so far."""

    seed: int
    faults: Sequence[Fault]
    _seen: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def strike(self, point: str, task: str, detail: str = "") -> Fault | None:
        """Return the fault that this attempt meets, if any.

        `detail` tells apart different calls at one point in one task.
        """
        for fault in self.faults:
            if fault.point == point and chance(self.seed, point, task, detail) < fault.share:
                return fault if self._attempt(point, task, detail) <= fault.attempts else None
        return None

    def _attempt(self, *key: str) -> int:
        self._seen[key] += 1
        return self._seen[key]
