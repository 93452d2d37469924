"""What a broker is and what lies in our queue, without changing it."""

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
        return tuple(
            int(number) for number in (self.version or "").split(".")[:2] if number.isdigit()
        )


class NotLetInError(UnusableServiceError):
    """The broker is there and refuses us: waiting does not help."""

    code = "broker-refuses"


def inspect_broker(url: str, queue: str) -> BrokerQueue:
    """Ask the broker what it is and what lies in the queue.

    Raises UnusableServiceError, with what to do, where it is away, NotLetInError where it refuses
    us.
    """
    inspect = _inspect_rabbitmq if urlsplit(url).scheme in ("amqp", "amqps") else _inspect_redis
    return inspect(url, queue)


def _inspect_rabbitmq(url: str, queue: str) -> BrokerQueue:
    connection = _rabbitmq(parse_url(url))
    try:
        connection.connect()
        exists, messages, consumers = _look(connection.channel(), queue)
        told = connection.server_properties
        connection.close()
        return BrokerQueue(
            told.get("product", "AMQP"), told.get("version"), exists, messages, consumers
        )
    except (AMQPError, OSError) as error:
        raise _unusable(url, error) from error
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
        exists, messages, _ = _look(connection.channel(), queue)
        return BrokerQueue("Redis", None, exists, messages, None)
    except (
        KombuError,
        OSError,
        *connection.connection_errors,
        *connection.channel_errors,
    ) as error:
        raise _unusable(url, error) from error
    finally:
        connection.release()


def _look(channel: Any, queue: str) -> tuple[bool, int, int]:
    """Return whether the queue is there, its messages and its consumers."""
    try:
        found = channel.queue_declare(queue, passive=True)
    except ChannelError as error:
        if str(error.reply_code) != _NOT_FOUND:  # a number or text, as the transport likes
            raise
        return False, 0, 0
    return True, found.message_count, found.consumer_count


def _unusable(url: str, error: Exception) -> UnusableServiceError:
    refusal = _refusal(error)
    if refusal is not None:
        return NotLetInError(f"{endpoint_of(url)} {refusal}")
    return UnusableServiceError(
        f"{endpoint_of(url)} cannot be reached. Start it, or set CELERY_BROKER_URL to where it runs."
    )


def _refusal(error: Exception) -> str | None:
    match error:
        case AccessRefused():
            return (
                "does not let us in. Correct user and password in CELERY_BROKER_URL, and what the"
                " user may do there."
            )
        case NotAllowed():
            return (
                "has no such virtual host. Correct the last part of CELERY_BROKER_URL; the usual"
                " one is written `//`."
            )
    if "Authentication" in type(error).__name__:  # of Redis's client, which is another adapter's
        return "does not accept the password, or wants one. Correct the one in CELERY_BROKER_URL."
    return None
