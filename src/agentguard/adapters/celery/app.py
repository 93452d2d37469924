"""The Celery application: its queues, and how sure of each message it is."""

from __future__ import annotations

from typing import Any

from celery import Celery
from kombu import Exchange, Queue

from agentguard.adapters.celery.broker import Broker
from agentguard.adapters.celery.steps import FreeSlots, declaring

_MOST_DEAD_LETTERS = 1000
_CONNECT_SECONDS = 4


def make_app(broker: Broker, *, options: dict[str, Any] | None = None) -> Celery:
    """Return the application for this broker; `options` are further transport options."""
    app = Celery("agentguard", set_as_current=False)
    transport = {"confirm_publish": True} if broker.rabbitmq else {}
    app.conf.update(
        broker_url=broker.url,
        broker_transport_options=transport | (options or {}),
        broker_connection_timeout=_CONNECT_SECONDS,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a broker may be away for as long as it likes
        # RabbitMQ closes the channel of a job that takes longer than its consumer_timeout
        broker_channel_error_retry=True,
        result_backend=broker.results,
        task_ignore_result=broker.results is None,
        task_queues=[main_queue(broker)],
        task_default_queue=broker.queue,
        task_create_missing_queues=False,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        # A running job needs no broker: it goes on, and who gets its message meanwhile finds it
        # taken.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        # Its queues are exclusive to a node's name: two workers of one name would shut each other
        # out for good.
        worker_enable_remote_control=False,
        worker_redirect_stdouts=False,
    )
    app.steps["consumer"].add(declaring(dead_queue(broker)) if broker.rabbitmq else FreeSlots)
    return app


def main_queue(broker: Broker) -> Queue:
    """Return the queue of jobs.

    With RabbitMQ a quorum queue that passes on what it gives up to the dead-letter queue.
    """
    # Delayed delivery needs a topic exchange, and matches by the end of the key: so a dot in a
    # queue's name must not part words.
    key = broker.queue.replace(".", "~")
    exchange = Exchange(broker.queue, type="topic")
    return Queue(
        broker.queue, exchange, key, queue_arguments=_quorum(broker) if broker.rabbitmq else None
    )


def dead_queue(broker: Broker) -> Queue:
    """Return RabbitMQ's queue of dead letters.

    Not a quorum queue: RabbitMQ 4 counts each look at a letter there, to drop it in the end.
    """
    return Queue(
        broker.dead_queue,
        Exchange(""),
        broker.dead_queue,
        queue_arguments={"x-max-length": _MOST_DEAD_LETTERS},
    )


def queues(broker: Broker) -> list[Queue]:
    """Return all queues that a message may come to lie in."""
    return [dead_queue(broker), main_queue(broker)] if broker.rabbitmq else [main_queue(broker)]


def _quorum(broker: Broker) -> dict[str, Any]:
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": broker.delivery_limit,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": broker.dead_queue,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",  # at-least-once asks for it
    }
