"""What a Redis server is and how it is set up, without changing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    NoPermissionError,
    RedisError,
    ResponseError,
)
from redis.retry import Retry

from agentguard.kernel.errors import UnusableServiceError
from agentguard.kernel.masking import endpoint_of

_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class KeyServer:
    """A server that let us in."""

    product: str
    version: str
    like_redis: int
    """The major version of Redis that it is, or says that it is like."""
    most_bytes: int
    """What it may hold; 0 = as much as the machine has."""
    eviction: str
    """What it does when that is full: the name of a `maxmemory-policy`."""
    read_only: bool
    """Whether it is a copy of another server, which takes no writes."""


def inspect_redis(url: str) -> KeyServer:
    """Ask the server what it is.

    Raise UnusableServiceError, with what to do, where it does not let us.
    """
    try:
        with _client(url) as client:
            client.ping()
            return _described(client.info())
    except (RedisError, OSError) as error:
        raise UnusableServiceError(f"{endpoint_of(url)} {_trouble(error)}") from error


def _client(url: str) -> Redis:
    return Redis.from_url(
        url,
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
    )


def _described(told: Any) -> KeyServer:
    name = str(
        told.get("server_name", "redis")
    )  # Valkey says its name, and for Redis's clients also the version it is like
    return KeyServer(
        product=name.capitalize(),
        version=str(told.get(f"{name}_version", told["redis_version"])),
        like_redis=int(str(told["redis_version"]).partition(".")[0]),
        most_bytes=int(told.get("maxmemory", 0)),
        eviction=str(told.get("maxmemory_policy", "noeviction")),
        read_only=told.get("role") == "slave",
    )


def _trouble(error: Exception) -> str:
    match error:
        case AuthenticationError() | AuthorizationError():
            return (
                "does not accept the password, or wants one. Correct REDIS_PASSWORD, or the one in"
                " REDIS_URL."
            )
        case NoPermissionError():
            return (
                "does not let this user do what is needed. Give it +ping, +info and the commands of"
                " the cache (`ACL SETUSER`)."
            )
        case BusyLoadingError():
            return "is still loading its data. Try again in a moment."
        case ResponseError():
            return (
                "refuses the database in REDIS_URL or REDIS_DB, or is no Redis. Choose a database"
                " that it has (0 is always there)."
            )
    return (
        "cannot be reached. Start it, or set REDIS_URL, or REDIS_HOST and REDIS_PORT, to where it"
        " runs."
    )
