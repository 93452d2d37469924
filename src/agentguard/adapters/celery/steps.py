"""Extra steps of a Celery consumer, run at every connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import bootsteps
from kombu import Queue
from kombu.transport.virtual import QoS


def declare_step(queue: Queue) -> type[bootsteps.StartStopStep]:
    """Return a step that declares a queue."""

    class Declare(bootsteps.StartStopStep):
        requires = ("celery.worker.consumer.connection:Connection",)

        def start(self, parent: Any) -> None:
            queue(parent.connection.default_channel).declare()

    return Declare


class FreeSlots(bootsteps.StartStopStep):
    """On Redis, free the prefetch slot of a message even if acknowledging it fails.

    Kombu 5.7 keeps the slot occupied. A worker whose jobs all finish while Redis is unreachable
    would then stop fetching, and never notice that it must reconnect. Redis redelivers the message
    after its visibility timeout; by then the job is finished, so nothing runs twice.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent: Any) -> None:
        qos = parent.task_consumer.channel.qos
        qos.ack = _freeing_slot(qos, qos.ack)
        qos.reject = _freeing_slot(qos, qos.reject)


def _freeing_slot(qos: QoS, acknowledge: Callable[..., None]) -> Callable[..., None]:
    def free(delivery_tag: str, **options: Any) -> None:
        try:
            acknowledge(delivery_tag, **options)
        except Exception:
            QoS.ack(qos, delivery_tag)  # only in this process's memory
            raise

    return free
