"""Open client connections: how many there may be, and which are closed to make room for others."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from uvicorn.server import ServerState

from agentguard.settings import Settings
from agentguard.web.repetition import Repetition

SLOW_BODY_SECONDS = 20.0
"""A body that has been arriving for this long may lose its connection to a new one. As in Apache's
mod_reqtimeout (`body=20`).
"""


class Phase(Enum):
    """What a connection waits for."""

    FIRST_HEAD = auto()
    """The head of its first request."""
    NEXT_HEAD = auto()
    """The head of a further request."""
    BODY = auto()
    """The rest of a request's body."""
    RESPONSE = auto()
    """The response, or the client that reads it."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of one process."""

    most: int
    """Open connections."""
    head_seconds: float
    """From the connection, or the first byte of a further request, to the end of the head."""
    idle_seconds: float
    """Without a request, and for a client that does not read its response."""


class Connection(Protocol):
    """A connection as the limits see it."""

    def phase(self) -> Phase: ...

    def since(self) -> float:
        """Return when the phase began."""

    def rate(self) -> float:
        """Return the bytes of the body per second."""

    def is_overdue(self) -> bool:
        """Return whether the client has exceeded its time."""

    def is_closing(self) -> bool: ...

    def abort(self) -> None:
        """Close at once, without what is not sent yet."""


class ConnectionState(ServerState):
    """Uvicorn's state of a server, with the limits of its connections."""

    def __init__(self, limits: ConnectionLimits) -> None:
        super().__init__()
        self.limits = limits
        self._refused = Repetition("connection_limit_reached")

    def admit(self, newcomer: Connection, now: float) -> bool:
        """Return whether a new connection may stay; it may take the place of another.

        Idle connections make room first, longest idle first, those that never sent a request
        before the others; then the slowest body.
        """
        if len(self.connections) <= self.limits.most:
            return True
        others = [each for each in self._known() if each is not newcomer and not each.is_closing()]
        if len(others) < self.limits.most:
            return True
        self._refused.log(connections=len(others), detail=_ADVICE)
        place = min((key for each in others if (key := _rank(each, now))), default=None)
        if place is None:
            return False
        next(each for each in others if _rank(each, now) == place).abort()
        return True

    def close_overdue(self) -> None:
        """Close the connections whose clients have exceeded their time, also to read the rest."""
        for each in self._known():
            if each.is_overdue():
                each.abort()

    def _known(self) -> list[Connection]:
        return list(self.connections)  # type: ignore[arg-type]  # of our protocol


def connection_limits(settings: Settings) -> ConnectionLimits:
    """Return the limits; at most half of the open files that the system allows are connections."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    most = settings.max_connections if files < 0 else min(settings.max_connections, files // 2)
    return ConnectionLimits(max(most, 1), settings.head_seconds, settings.idle_seconds)


_ADVICE = (
    "Idle connections and slow uploads are closed to make room. If these clients are yours, raise"
    " AGENTGUARD_MAX_CONNECTIONS and the limit of open files (ulimit -n)."
)


def _rank(connection: Connection, now: float) -> tuple[int, float] | None:
    """Return what orders the connections that make room, first ones first; None for others."""
    match connection.phase():
        case Phase.FIRST_HEAD:
            return 0, connection.since()
        case Phase.NEXT_HEAD:
            return 1, connection.since()
        case Phase.BODY if now - connection.since() > SLOW_BODY_SECONDS:
            return 2, connection.rate()
    return None
