"""The port to who brings jobs to those that run them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agentguard.jobs.model import Job
from agentguard.kernel.errors import UnavailableError


class BrokerUnavailableError(UnavailableError):
    """The broker does not answer."""

    code = "broker-unavailable"

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(
            f"The broker at {place} does not answer ({reason}). Start it, or correct"
            " CELERY_BROKER_URL."
        )


class NoDeadLettersError(UnavailableError):
    """What delivers jobs here keeps no dead letters."""

    code = "no-dead-letters"
    status = 501

    def __init__(self, who: str) -> None:
        super().__init__(
            f"There are no dead letters with {who}, only with RabbitMQ. `agentguard jobs --state"
            " failed` lists what failed."
        )


DELIVERY_LIMIT = "delivery_limit"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A delivery that came to nothing for good."""

    job_id: str
    task: str
    reason: str
    """The broker's word: `rejected` after the job's last attempt, DELIVERY_LIMIT where no worker
    could even begin with it.
    """
    died_at: int | None
    """ns."""


class JobDispatcher(Protocol):
    """Brings jobs to somebody who will run them, at least once; the job store decides who does."""

    async def deliver(self, job: Job) -> None:
        """Hand the job over to be tried at `job.due_at` or later.

        Raises BrokerUnavailableError where that cannot be done now.

        Once this returns the broker has it for good, but a broker may lose what it has: who must be
        sure delivers again.
        """

    async def ping(self) -> None:
        """Ask the broker something; raise BrokerUnavailableError if it does not answer."""

    async def dead_letters(self) -> tuple[DeadLetter, ...]:
        """Return what will not be delivered any more, oldest first.

        Raise NoDeadLettersError or BrokerUnavailableError.
        """
