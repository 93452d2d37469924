"""Services as child processes on free loopback ports, stopped gracefully.

Each child holds one end of a pipe. When the runner sends stop or ends in any way, the pipe closes
and the child stops itself, so that no process is left behind.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Self

import httpx
import uvicorn

from demo.counting import Counts

_GRACE_SECONDS = 5
_SERVER: dict[str, Any] = {"log_level": "warning", "access_log": False, "timeout_keep_alive": 60}
_PAUSE_SECONDS = 0.05
_CHECKOUT = str(Path(__file__).resolve().parents[1])
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


class DemoError(Exception):
    """The demo cannot continue; the message is for people."""


class NotStartedError(DemoError):
    """A demo process did not start."""


class EndedEarlyError(DemoError):
    """A demo process ended before it was stopped."""


@dataclass(frozen=True, slots=True)
class Post:
    """What a child process is given.

    Its listening socket, its end of the pipe, and where the others are.
    """

    listener: socket.socket
    pipe: Connection
    addresses: Mapping[str, str]

    def serve(self, app: Any) -> None:
        """Serve the ASGI app until the runner sends stop or ends."""
        server = uvicorn.Server(
            uvicorn.Config(app, timeout_graceful_shutdown=_GRACE_SECONDS, **_SERVER)
        )
        for number in (
            signal.SIGINT,
            signal.SIGTERM,
        ):  # Ctrl-C reaches the whole group; what is left after serving must still run
            signal.signal(number, signal.SIG_IGN)
        threading.Thread(target=self._stop_when_told, args=(server,), daemon=True).start()
        server.run(sockets=[self.listener])

    def hand_in(self, counts: Counts) -> None:
        """Send this process's counts to the runner, if it is still there."""
        with suppress(OSError):
            self.pipe.send(counts)

    def _stop_when_told(self, server: uvicorn.Server) -> None:
        with suppress(EOFError, OSError):
            self.pipe.recv()
        server.should_exit = True


@dataclass(slots=True)
class _Child:
    process: ForkServerProcess
    pipe: Connection


@dataclass(slots=True)
class Fleet:
    """The processes of one run of the demo; a context manager that stops them all."""

    names: tuple[str, ...]
    preload: tuple[str, ...]
    """Modules that children share, imported once."""
    stop_seconds: float = 20.0
    """How long processes may take to stop before they are killed."""
    addresses: dict[str, str] = field(default_factory=dict)
    _handed_in: dict[str, Counts] = field(default_factory=dict)
    _listeners: dict[str, socket.socket] = field(default_factory=dict)
    _children: dict[str, _Child] = field(default_factory=dict)

    def __enter__(self) -> Self:
        for name in self.names:
            self._listeners[name] = listener = socket.create_server(("127.0.0.1", 0), backlog=256)
            listener.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, True
            )  # accepted connections inherit it
            self.addresses[name] = f"http://127.0.0.1:{listener.getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, name: str, target: Callable[..., None], *arguments: Any) -> None:
        """Start a process that calls target(*arguments, post)."""
        context = get_context("forkserver")
        context.set_forkserver_preload(list(self.preload))
        ours, theirs = context.Pipe()
        listener = self._listeners.pop(name)
        process = context.Process(
            name=name,
            target=target,
            args=(*arguments, Post(listener, theirs, dict(self.addresses))),
        )
        process.start()
        theirs.close()
        listener.close()
        self._children[name] = _Child(process, ours)

    def refuse(self, name: str) -> None:
        """Let connections to this process, which is not started, be refused."""
        self._listeners.pop(name).close()

    def kill(self, name: str) -> None:
        """Kill a process, as the kernel does when memory runs out; it hands in nothing."""
        process = self._children[name].process
        process.kill()
        process.join()

    def wait_until_ready(self, seconds: float) -> None:
        """Return once every process responds.

        Raises NotStartedError for the first that ended or did not respond in time.
        """
        deadline = time.monotonic() + seconds
        with httpx.Client(trust_env=False, timeout=5) as client:
            for name, child in self._children.items():
                while not _answers(client, f"{self.addresses[name]}/health"):
                    _give_up_on(name, child, deadline)
                    time.sleep(_PAUSE_SECONDS)

    def stop(self) -> None:
        """Stop all processes, killing those that do not stop in time; idempotent."""
        for listener in self._listeners.values():
            listener.close()
        for child in self._children.values():
            with suppress(OSError):
                child.pipe.send("stop")
        deadline = time.monotonic() + self.stop_seconds
        while self._children:
            name, child = self._children.popitem()
            self._collect(name, child, deadline)

    def counted_by(self, name: str) -> Counts:
        """Return the counts of a stopped process; raise EndedEarlyError if it sent none."""
        if name not in self._handed_in:
            raise EndedEarlyError(f"{name} ended early; its messages are above.")
        return self._handed_in[name]

    def _collect(self, name: str, child: _Child, deadline: float) -> None:
        with suppress(EOFError, OSError):
            if child.pipe.poll(max(0.0, deadline - time.monotonic())):
                self._handed_in[name] = child.pipe.recv()
        child.pipe.close()
        child.process.join(max(0.0, deadline - time.monotonic()))
        if child.process.is_alive():
            child.process.kill()
            child.process.join()


def keep_to_this_machine() -> None:
    """Ignore proxies and the shell's telemetry settings, here and in child processes."""
    for name in list(os.environ):
        if name.upper() in _PROXIES or (name.startswith("OTEL_") and not name.endswith("_HEADERS")):
            del os.environ[name]
    os.environ["NO_PROXY"] = "*"
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, (_CHECKOUT, os.environ.get("PYTHONPATH")))
    )


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).is_success
    except httpx.HTTPError:
        return False


def _give_up_on(name: str, child: _Child, deadline: float) -> None:
    if not child.process.is_alive():
        raise NotStartedError(
            f"{name} ended while starting (exit code {child.process.exitcode}); its messages are"
            " above."
        )
    if time.monotonic() > deadline:
        raise NotStartedError(
            f"{name} did not respond in time. Retry, or allow more time with --patience."
        )
