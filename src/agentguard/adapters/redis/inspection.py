"""Read-only inspection of a Redis server."""

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
    """A server that accepted the credentials."""

    product: str
    version: str
    like_redis: int
    """Major version of Redis that it is, or reports compatibility with."""
    most_bytes: int
    """`maxmemory`; 0 = unlimited."""
    eviction: str
    """`maxmemory-policy`."""
    read_only: bool
    """Whether it is a read-only replica."""


def inspect_redis(url: str) -> KeyServer:
    """Return the server's product, version and memory policy.

    Raise UnusableServiceError, with advice, if it is unreachable or rejects the connection.
    """
    try:
        with _client(url) as client:
            client.ping()
            return _parse_info(client.info())
    except (RedisError, OSError) as error:
        raise UnusableServiceError(f"{endpoint_of(url)} {_advice(error)}") from error


def _client(url: str) -> Redis:
    return Redis.from_url(
        url,
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
    )


def _parse_info(info: Any) -> KeyServer:
    # Valkey reports its own name and version, and the Redis version that it is compatible with.
    name = str(info.get("server_name", "redis"))
    return KeyServer(
        product=name.capitalize(),
        version=str(info.get(f"{name}_version", info["redis_version"])),
        like_redis=int(str(info["redis_version"]).partition(".")[0]),
        most_bytes=int(info.get("maxmemory", 0)),
        eviction=str(info.get("maxmemory_policy", "noeviction")),
        read_only=info.get("role") == "slave",
    )


def _advice(error: Exception) -> str:
    match error:
        case AuthenticationError() | AuthorizationError():
            return (
                "rejected the password or requires one. Correct REDIS_PASSWORD, or the password in"
                " REDIS_URL."
            )
        case NoPermissionError():
            return (
                "denied a command to this user. Grant +ping, +info and the commands of the cache"
                " (`ACL SETUSER`)."
            )
        case BusyLoadingError():
            return "is still loading its data. Retry in a few seconds."
        case ResponseError():
            return (
                "rejected the database in REDIS_URL or REDIS_DB, or is not Redis. Choose a database"
                " that exists (0 always does)."
            )
    return "is unreachable. Start it, or correct REDIS_URL (or REDIS_HOST and REDIS_PORT)."
