"""What a broker is and what lies in our queue, without changing it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from amqp.exceptions import AccessRefused, AMQPError, ChannelError, NotAllowed
from kombu import Connection
from kombu.exceptions import KombuError

from agentguard.kernel.errors import UnusableServiceError

_TIMEOUT_SECONDS = 5.0
_LIMITS = {"socket_timeout": _TIMEOUT_SECONDS, "socket_connect_timeout": _TIMEOUT_SECONDS, "max_retries": 0}
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class BrokerQueue:
    """Our queue, as a broker that let us in tells of it."""

    product: str
    version: str | None
    """None where the broker does not say."""
    exists: bool
    messages: int
    consumers: int | None
    """Who listens: workers; None where the broker does not know."""

    @property
    def release(self) -> tuple[int, ...]:
        """The first two numbers of the version."""
        return tuple(int(number) for number in (self.version or "").split(".")[:2] if number.isdigit())


def inspect_broker(url: str, queue: str) -> BrokerQueue:
    """Ask the broker what it is and what lies in the queue; raise UnusableServiceError, with what to do, where it does not let us."""
    rabbitmq = urlsplit(url).scheme in ("amqp", "amqps")
    with _connected(url, rabbitmq=rabbitmq) as connection:
        told = getattr(connection.connection, "server_properties", None) or {}
        exists, messages, consumers = _look(connection, queue)
    product, version = told.get("product", "Redis"), told.get("version")
    return BrokerQueue(product, version, exists, messages, consumers if rabbitmq else None)


def _look(connection: Any, queue: str) -> tuple[bool, int, int]:
    try:
        found = connection.channel().queue_declare(queue, passive=True)
    except ChannelError as error:
        if error.reply_code != _NOT_FOUND:
            raise
        return False, 0, 0
    return True, found.message_count, found.consumer_count


@contextmanager
def _connected(url: str, *, rabbitmq: bool) -> Iterator[Any]:
    connection: Any = Connection(url, connect_timeout=_TIMEOUT_SECONDS, transport_options={} if rabbitmq else _LIMITS)
    try:
        connection.connect()
        yield connection
    except (AMQPError, KombuError, OSError, *connection.connection_errors, *connection.channel_errors) as error:
        raise UnusableServiceError(f"{_place(url)} {_trouble(error)}") from error
    finally:
        connection.release()


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"


def _trouble(error: Exception) -> str:
    match error:
        case AccessRefused():
            return "does not let us in. Correct user and password in CELERY_BROKER_URL, and what the user may do there."
        case NotAllowed():
            return "has no such virtual host. Correct the last part of CELERY_BROKER_URL; the usual one is written `//`."
    if "Authentication" in type(error).__name__:  # of Redis's client, which is another adapter's
        return "does not accept the password, or wants one. Correct the one in CELERY_BROKER_URL."
    return "cannot be reached. Start it, or set CELERY_BROKER_URL to where it runs."
