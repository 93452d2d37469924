"""Reading RabbitMQ's dead letters without consuming them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from kombu import Connection, Queue
from kombu.message import Message

from agentguard.jobs.dispatch import DeadLetter
from agentguard.kernel.clock import NS_PER_SECOND


def read_dead_letters(connection: Connection, queue: Queue) -> tuple[DeadLetter, ...]:
    """Return the messages of the queue, oldest first, and leave them there.

    They are invisible to other readers meanwhile.
    """
    with connection.channel() as channel:
        dead = queue(channel)
        dead.declare()
        return tuple(letter for message in _messages(dead) for letter in _letter(message))
    # Closing the channel requeues them all in place.


def _messages(queue: Any) -> Iterator[Message]:
    while (message := queue.get()) is not None:
        yield message


def _letter(message: Message) -> Iterator[DeadLetter]:
    """Yield the dead letter, if the message is one of AgentGuard's."""
    headers: Mapping[str, Any] = message.headers or {}
    match message.payload:
        case [[str(job_id)], *_]:
            died = (headers.get("x-death") or [{}])[0]
            yield DeadLetter(
                job_id, str(headers.get("task")), str(died.get("reason")), _time(died.get("time"))
            )


def _time(written: object) -> int | None:
    return int(written.timestamp()) * NS_PER_SECOND if isinstance(written, datetime) else None
