"""Reading RabbitMQ's dead letters without taking them away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from kombu import Connection, Queue
from kombu.message import Message

from agentguard.jobs.dispatch import DeadLetter
from agentguard.kernel.clock import NS_PER_SECOND


def read_letters(connection: Connection, queue: Queue) -> tuple[DeadLetter, ...]:
    """Return what lies in the queue, oldest first.

    While they are read, another reader does not see them.
    """
    with connection.channel() as channel:
        dead = queue(channel)
        dead.declare()
        return tuple(letter for message in _messages(dead) for letter in _letter(message))
    # Closing the channel puts them all back where they were.


def _messages(queue: Any) -> Iterator[Message]:
    while (message := queue.get()) is not None:
        yield message


def _letter(message: Message) -> Iterator[DeadLetter]:
    """Yield what the message says, if it is one of ours."""
    headers: Mapping[str, Any] = message.headers or {}
    match message.payload:
        case [[str(job_id)], *_]:
            died = (headers.get("x-death") or [{}])[0]
            yield DeadLetter(
                job_id, str(headers.get("task")), str(died.get("reason")), _time(died.get("time"))
            )


def _time(written: object) -> int | None:
    return int(written.timestamp()) * NS_PER_SECOND if isinstance(written, datetime) else None
