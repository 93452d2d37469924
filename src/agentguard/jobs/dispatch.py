"""The port of job delivery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agentguard.jobs.model import Job
from agentguard.kernel.errors import UnavailableError


class BrokerUnavailableError(UnavailableError):
    """The broker is unreachable."""

    code = "broker-unavailable"

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(
            f"The broker at {place} is unreachable ({reason}). Start it, or correct"
            " CELERY_BROKER_URL."
        )


class NoDeadLettersError(UnavailableError):
    """The configured job delivery keeps no dead letters."""

    code = "no-dead-letters"
    status = 501

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Dead letters require RabbitMQ; {reason}. List failed jobs with `agentguard jobs"
            " --state failed`."
        )


DELIVERY_LIMIT = "delivery_limit"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A delivery that failed permanently."""

    job_id: str
    task: str
    reason: str
    """The broker's reason: `rejected` after the job's last attempt, DELIVERY_LIMIT if no worker
    could start it.
    """
    died_at: int | None
    """ns."""


class JobDispatcher(Protocol):
    """Delivers jobs at least once; of several recipients, the one that claims a job runs it."""

    async def deliver(self, job: Job) -> None:
        """Hand the job over, to be run at `job.due_at` or later.

        The broker has accepted the job when this returns, but may lose it: repeat the delivery if
        the job is not claimed. Raises BrokerUnavailableError.
        """

    async def ping(self) -> None:
        """Ask the broker something; raise BrokerUnavailableError if it does not answer."""

    async def dead_letters(self) -> tuple[DeadLetter, ...]:
        """Return the dead letters, oldest first.

        Raise NoDeadLettersError or BrokerUnavailableError.
        """
