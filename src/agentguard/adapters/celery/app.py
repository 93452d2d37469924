"""The Celery application, its queues and its delivery guarantees."""

from __future__ import annotations

from typing import Any

from celery import Celery
from kombu import Exchange, Queue

from agentguard.adapters.celery.broker import Broker
from agentguard.adapters.celery.steps import FreeSlots, declare_step

_MAX_DEAD_LETTERS = 1000
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
        broker_connection_max_retries=None,  # retry for ever
        # RabbitMQ closes the channel of a job that exceeds its consumer_timeout.
        broker_channel_error_retry=True,
        result_backend=broker.results,
        task_ignore_result=broker.results is None,
        task_queues=[main_queue(broker)],
        task_default_queue=broker.queue,
        task_create_missing_queues=False,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        # A running job does not need the broker. If its message is redelivered meanwhile, the
        # other worker finds the job leased.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        # Remote-control queues are exclusive to a node name: a second worker with the same name
        # could never connect.
        worker_enable_remote_control=False,
        worker_redirect_stdouts=False,
    )
    app.steps["consumer"].add(declare_step(dead_queue(broker)) if broker.rabbitmq else FreeSlots)
    return app


def main_queue(broker: Broker) -> Queue:
    """Return the queue of jobs.

    On RabbitMQ it is a quorum queue that dead-letters messages to `dead_queue`.
    """
    # Delayed delivery needs a topic exchange and matches the end of the routing key, so a dot in
    # the queue's name must not act as a word separator.
    key = broker.queue.replace(".", "~")
    exchange = Exchange(broker.queue, type="topic")
    return Queue(
        broker.queue, exchange, key, queue_arguments=_quorum(broker) if broker.rabbitmq else None
    )


def dead_queue(broker: Broker) -> Queue:
    """Return RabbitMQ's dead-letter queue.

    Not a quorum queue: RabbitMQ 4 would count each inspection of a message as a delivery and drop
    it at the delivery limit.
    """
    return Queue(
        broker.dead_queue,
        Exchange(""),
        broker.dead_queue,
        queue_arguments={"x-max-length": _MAX_DEAD_LETTERS},
    )


def queues(broker: Broker) -> list[Queue]:
    """Return all queues that may hold a message."""
    return [dead_queue(broker), main_queue(broker)] if broker.rabbitmq else [main_queue(broker)]


def _quorum(broker: Broker) -> dict[str, Any]:
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": broker.delivery_limit,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": broker.dead_queue,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",  # required by at-least-once dead lettering
    }
