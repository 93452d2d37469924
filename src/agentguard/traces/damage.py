"""Damaged and foreign files among the stored spans."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from agentguard.kernel.errors import AgentGuardError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DamagedFile:
    """A damaged or foreign file in the data directory."""

    file: str
    """Where it was found, relative to the data directory."""
    reason: str
    """What is wrong with it."""
    records_lost: int | None
    """Deliveries or spans in it that cannot be read, at least; None where that is unknown."""
    bytes: int
    found_at: int
    """ns."""
    quarantined_as: str | None = None
    """Its name in `quarantine/`; None while it is where it was."""

    def __str__(self) -> str:
        lost = (
            "an unknown number of records lost"
            if self.records_lost is None
            else f"{self.records_lost:,} record{'' if self.records_lost == 1 else 's'} lost"
        )
        return f"{self.file}: {self.reason}, {lost}"


class DamagedSpansError(AgentGuardError):
    """A file of spans is damaged or foreign."""

    code = "damaged-spans"

    def __init__(self, found: DamagedFile) -> None:
        super().__init__(f"{found}. Run `agentguard traces fsck --repair`.")
        self.found = found

    def __reduce__(self) -> tuple[type[DamagedSpansError], tuple[DamagedFile]]:
        """Let a pool process raise it: pickle would pass the message."""
        return type(self), (self.found,)


class QuarantiningStore(Protocol):
    """A store that can do without a file."""

    async def set_aside(self, found: DamagedFile) -> None:
        """Keep the file where no window reads it; harmless if it is gone. Raises OSError."""


async def without_damaged(spans: QuarantiningStore, work: Callable[[], Awaitable[T]]) -> T:
    """Run `work`, which reads windows, and again without each file that proves damaged."""
    while True:
        try:
            return await work()
        except DamagedSpansError as error:
            await spans.set_aside(error.found)
