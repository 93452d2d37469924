"""Addresses and names on the broker. Needs no third-party package."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from agentguard.kernel.masking import endpoint_of


def task_name(kind: str) -> str:
    """Return the name of the Celery task that runs jobs of this kind."""
    return f"agentguard.{kind}_task"


@dataclass(frozen=True, slots=True)
class Broker:
    """The broker that distributes jobs."""

    url: str
    """Includes the password."""
    queue: str
    results: str | None = None
    """URL of Celery's own result backend, if set."""
    delivery_limit: int = 20
    """Redeliveries by RabbitMQ of one message whose worker died or disconnected before it
    acknowledged or rejected the message.
    """

    @property
    def rabbitmq(self) -> bool:
        return urlsplit(self.url).scheme in ("amqp", "amqps")

    @property
    def dead_queue(self) -> str:
        return f"{self.queue}.dead"

    @property
    def place(self) -> str:
        """Its address for messages, without the password."""
        return endpoint_of(self.url)
