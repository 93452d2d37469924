"""Read-only inspection of a broker and its job queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import amqp
import kombu
from amqp.exceptions import AccessRefused, AMQPError, ChannelError, NotAllowed
from kombu.exceptions import KombuError
from kombu.utils.url import parse_url

from agentguard.kernel.errors import UnusableServiceError
from agentguard.kernel.masking import endpoint_of

_TIMEOUT_SECONDS = 5.0
_NOT_FOUND = "404"


@dataclass(frozen=True, slots=True)
class BrokerQueue:
    """The job queue as reported by the broker."""

    product: str
    version: str | None
    """None if the broker does not report it."""
    exists: bool
    messages: int
    consumers: int | None
    """Number of workers that consume from it; None if the broker does not report it."""

    @property
    def release(self) -> tuple[int, ...]:
        """The first two numbers of the version."""
        return tuple(
            int(number) for number in (self.version or "").split(".")[:2] if number.isdigit()
        )


class BrokerRejectedError(UnusableServiceError):
    """The broker is running and rejects the connection; retrying does not help."""

    code = "broker-rejected"


def inspect_broker(url: str, queue: str) -> BrokerQueue:
    """Return the broker's product and version, and the state of the queue.

    Raise BrokerRejectedError if the broker rejects the connection and UnusableServiceError if it is
    unreachable, each with advice.
    """
    inspect = _inspect_rabbitmq if urlsplit(url).scheme in ("amqp", "amqps") else _inspect_redis
    return inspect(url, queue)


def _inspect_rabbitmq(url: str, queue: str) -> BrokerQueue:
    connection = _rabbitmq(parse_url(url))
    try:
        connection.connect()
        exists, messages, consumers = _inspect_queue(connection.channel(), queue)
        properties = connection.server_properties
        connection.close()
        return BrokerQueue(
            properties.get("product", "AMQP"),
            properties.get("version"),
            exists,
            messages,
            consumers,
        )
    except (AMQPError, OSError) as error:
        raise _failure(url, error) from error
    finally:
        connection.collect()


def _rabbitmq(parts: Any) -> Any:
    scheme = parts["transport"]
    return amqp.Connection(
        f"{parts['hostname']}:{parts['port'] or (5671 if scheme == 'amqps' else 5672)}",
        parts["userid"] or "guest",
        parts["password"] or "guest",
        virtual_host=parts["virtual_host"] or "/",
        ssl=scheme == "amqps",
        connect_timeout=_TIMEOUT_SECONDS,
        read_timeout=_TIMEOUT_SECONDS,
        write_timeout=_TIMEOUT_SECONDS,
    )


def _inspect_redis(url: str, queue: str) -> BrokerQueue:
    limits = {
        "socket_timeout": _TIMEOUT_SECONDS,
        "socket_connect_timeout": _TIMEOUT_SECONDS,
        "max_retries": 0,
    }
    connection: Any = kombu.Connection(url, transport_options=limits)
    try:
        connection.connect()
        exists, messages, _ = _inspect_queue(connection.channel(), queue)
        return BrokerQueue("Redis", None, exists, messages, None)
    except (
        KombuError,
        OSError,
        *connection.connection_errors,
        *connection.channel_errors,
    ) as error:
        raise _failure(url, error) from error
    finally:
        connection.release()


def _inspect_queue(channel: Any, queue: str) -> tuple[bool, int, int]:
    """Return whether the queue exists, and its number of messages and consumers."""
    try:
        found = channel.queue_declare(queue, passive=True)
    except ChannelError as error:
        if str(error.reply_code) != _NOT_FOUND:  # int or str, depending on the transport
            raise
        return False, 0, 0
    return True, found.message_count, found.consumer_count


def _failure(url: str, error: Exception) -> UnusableServiceError:
    refusal = _refusal(error)
    if refusal is not None:
        return BrokerRejectedError(f"{endpoint_of(url)} {refusal}")
    return UnusableServiceError(
        f"{endpoint_of(url)} is unreachable. Start it, or correct CELERY_BROKER_URL."
    )


def _refusal(error: Exception) -> str | None:
    match error:
        case AccessRefused():
            return (
                "rejected the credentials or denied access. Correct user and password in"
                " CELERY_BROKER_URL, and check the user's permissions."
            )
        case NotAllowed():
            return (
                "has no such virtual host, or denies access to it. Correct the path of"
                " CELERY_BROKER_URL; the default virtual host is written `//`."
            )
    # By name, because only adapters.redis may import Redis's client.
    if "Authentication" in type(error).__name__:
        return "rejected the password or requires one. Correct the password in CELERY_BROKER_URL."
    return None
