"""Which broker, and what lies there under which name. Needs no foreign package."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from agentguard.kernel.masking import endpoint_of


def task_name(kind: str) -> str:
    """Return the name of the Celery task that runs jobs of this kind."""
    return f"agentguard.{kind}_task"


@dataclass(frozen=True, slots=True)
class Broker:
    """Where jobs are handed over."""

    url: str
    """With password."""
    queue: str
    results: str | None = None
    """Where Celery keeps results of its own, if anywhere."""
    delivery_limit: int = 20
    """Times that RabbitMQ brings one message again because the worker ended, or lost the
    connection, before it said what came of it.
    """

    @property
    def rabbitmq(self) -> bool:
        return urlsplit(self.url).scheme in ("amqp", "amqps")

    @property
    def dead_queue(self) -> str:
        return f"{self.queue}.dead"

    @property
    def place(self) -> str:
        """Where it is, for people; no password."""
        return endpoint_of(self.url)
