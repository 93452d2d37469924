"""Delivery of jobs to a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import Any

from amqp.exceptions import AMQPError, MessageNacked
from celery import Celery
from kombu import Connection
from kombu.exceptions import KombuError

from agentguard.adapters.celery.app import dead_queue, make_app, queues
from agentguard.adapters.celery.broker import Broker, task_name
from agentguard.adapters.celery.dead_letters import read_dead_letters
from agentguard.jobs.dispatch import BrokerUnavailableError, DeadLetter, NoDeadLettersError
from agentguard.jobs.model import Job
from agentguard.kernel.clock import NS_PER_SECOND, Clock

_TIMEOUT_SECONDS = 5.0
"""Timeout of each reply of the broker."""


class CeleryDispatcher:
    """A JobDispatcher to Celery workers.

    A message holds only the job's id. On RabbitMQ, the broker has confirmed it when `deliver`
    returns.
    """

    def __init__(self, broker: Broker, clock: Clock) -> None:
        self._broker, self._clock = broker, clock
        self._app = make_app(broker, options=_timeouts(broker))

    async def deliver(self, job: Job) -> None:
        await asyncio.to_thread(self._deliver, job)

    async def ping(self) -> None:
        await asyncio.to_thread(self._ping)

    async def dead_letters(self) -> tuple[DeadLetter, ...]:
        if not self._broker.rabbitmq:
            raise NoDeadLettersError("the broker is Redis")
        return await asyncio.to_thread(self._dead_letters)

    def _deliver(self, job: Job) -> None:
        with connected(self._app, self._broker) as connection:
            send(
                self._app,
                self._broker,
                connection,
                Message(task_name(job.kind), job.id, job.due_at - self._clock()),
            )

    def _ping(self) -> None:
        with connected(self._app, self._broker) as connection:
            connection.channel()

    def _dead_letters(self) -> tuple[DeadLetter, ...]:
        with connected(self._app, self._broker) as connection:
            return read_dead_letters(connection, dead_queue(self._broker))


@contextmanager
def connected(app: Celery, broker: Broker) -> Iterator[Connection]:
    """Open a fresh connection, so that no earlier failure can affect it.

    Raises BrokerUnavailableError.
    """
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=0)
            yield connection
    except (KombuError, AMQPError, MessageNacked, OSError) as error:
        raise BrokerUnavailableError(
            broker.place, str(error).strip() or type(error).__name__
        ) from error


@dataclass(frozen=True, slots=True)
class Message:
    """A request to attempt a job."""

    task: str
    job_id: str
    delay: int = 0
    """ns from now until the broker delivers it."""
    retries: int = 0


def send(app: Celery, broker: Broker, connection: Connection, message: Message) -> None:
    """Publish the message; its delay is rounded up to whole seconds.

    Raises the exceptions of the broker's client.
    """
    app.send_task(
        message.task,
        [message.job_id],
        queue=broker.queue,
        countdown=ceil(message.delay / NS_PER_SECOND) if message.delay > 0 else None,
        retries=message.retries,
        producer=app.amqp.Producer(connection.channel(), auto_declare=False),
        declare=queues(broker),
        retry=False,
        confirm_timeout=_TIMEOUT_SECONDS,
    )


def _timeouts(broker: Broker) -> dict[str, Any]:
    if broker.rabbitmq:
        return {"read_timeout": _TIMEOUT_SECONDS, "write_timeout": _TIMEOUT_SECONDS}
    return {"socket_timeout": _TIMEOUT_SECONDS, "socket_connect_timeout": _TIMEOUT_SECONDS}
