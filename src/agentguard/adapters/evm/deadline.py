"""A limit for the whole of a request: its timeouts limit only each single wait of a socket."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

import agentguard.adapters.evm.recursion_limit  # noqa: F401 - for its effect


class Deadline:
    """Shuts down the connections of a request when its time is over; then they fail at once.

    A server that sends one byte after another would otherwise never meet a timeout.
    """

    def __init__(self, seconds: float) -> None:
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._pass)
        self._timer.daemon = True
        self.passed = False

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._lock:
            for one in self._sockets:
                one.close()

    def watch(self, connected: socket.socket) -> None:
        """Shut the connection down too; TLS may take the socket over, so it is duplicated."""
        duplicate = connected.dup()
        with self._lock:
            self._sockets.append(duplicate)
            if self.passed:
                _shut_down(duplicate)

    def _pass(self) -> None:
        with self._lock:
            self.passed = True
            for one in self._sockets:
                _shut_down(one)


class DeadlineAdapter(HTTPAdapter):
    """Has the deadline watch each connection that a session makes."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        super().__init__(max_retries=0)

    def get_connection_with_tls_context(self, *arguments: Any, **named: Any) -> HTTPConnectionPool:
        pool = super().get_connection_with_tls_context(*arguments, **named)
        pool.ConnectionCls = _watched(pool.ConnectionCls, self._deadline)
        return pool


def _watched(kind: Any, deadline: Deadline) -> type[HTTPConnection]:
    class Watched(kind):  # type: ignore[misc]
        def _new_conn(self) -> socket.socket:
            connected: socket.socket = super()._new_conn()
            deadline.watch(connected)
            return connected

    return Watched


def _shut_down(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
