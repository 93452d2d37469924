"""What a worker does at every connection beside what Celery does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import bootsteps
from kombu import Queue
from kombu.transport.virtual import QoS


def declaring(queue: Queue) -> type[bootsteps.StartStopStep]:
    """Return a step that sees to it that there is this queue for what dies."""

    class Declare(bootsteps.StartStopStep):
        requires = ("celery.worker.consumer.connection:Connection",)

        def start(self, parent: Any) -> None:
            queue(parent.connection.default_channel).declare()

    return Declare


class FreeSlots(bootsteps.StartStopStep):
    """With Redis: a message that cannot be acknowledged makes room for the next one all the same.

    Kombu 5.7 keeps its place. A worker whose jobs all end while Redis is away then asks for nothing
    any more, so it does not notice either that it has to connect again. Redis gives that message
    out once more, after its visibility timeout; it finds the job ended.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent: Any) -> None:
        places = parent.task_consumer.channel.qos
        places.ack = _freeing(places, places.ack)
        places.reject = _freeing(places, places.reject)


def _freeing(places: QoS, answer: Callable[..., None]) -> Callable[..., None]:
    def free(delivery_tag: str, **how: Any) -> None:
        try:
            answer(delivery_tag, **how)
        except Exception:
            QoS.ack(places, delivery_tag)  # in this process's memory alone
            raise

    return free
