"""One server process.

Started, asked until it answers, stopped or killed by its pid, started again on the same folder.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_FIRST_PORT = 10_000
_EPHEMERAL_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
SYSTEM_RANDOM = random.SystemRandom()  # processes that were given the same seed draw other ports


class ServiceError(Exception):
    """A server is not available, did not start, or did not stop.

    The message says why and what to do.
    """


@dataclass
class Server:
    """A server with its folder and port.

    Killed and started again, it finds its data where it left them.
    """

    name: str
    folder: Path
    command: Sequence[str]
    settings: Mapping[str, str]
    """The settings of AgentGuard that point at it."""
    ask: Callable[[], None]
    """A real query; raises until the server answers."""
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    beside: tuple[Server, ...] = ()
    """Processes that it needs and that start before it."""
    stop_signal: signal.Signals = signal.SIGTERM
    patience: float = 90
    pid: int = 0
    began: str = ""
    """The process's start time as the kernel tells it, so that a pid that was given to another is
    never signalled.
    """
    _process: subprocess.Popen[bytes] | None = None
    """None where another process started it."""

    def start(self, ending: threading.Event | None = None) -> None:
        """Start it and return once it answers.

        Raises ServiceError, with the end of its log, where it does not answer, and once `ending`
        is set; it may run then, and must be stopped.
        """
        ending = ending or threading.Event()
        for one in self.beside:
            one.start(ending)
        if not self.alive():
            self._spawn()
        self._wait_until_it_answers(ending)

    def stop(self) -> None:
        """Ask it to stop and wait until it has; after ten seconds kill it."""
        self._signal(self.stop_signal)
        if not self._gone_within(10):
            self._signal(signal.SIGKILL)
            self._gone_within(10)
        for one in self.beside:
            one.stop()

    def kill(self) -> None:
        """Kill it as a crash would; its helper processes continue."""
        self._signal(signal.SIGKILL)
        self._gone_within(10)

    def alive(self) -> bool:
        return self.pid > 0 and started_at(self.pid) == self.began != ""

    def log(self) -> str:
        path = self.folder / f"{self.name}.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    def _spawn(self) -> None:
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, **self.environment},
                start_new_session=True,
                **as_user(self.user),
            )
        self.pid, self.began = self._process.pid, started_at(self._process.pid)

    def _wait_until_it_answers(self, ending: threading.Event) -> None:
        deadline = time.monotonic() + self.patience
        while True:
            if ending.is_set():
                raise ServiceError(f"{self.name} was stopped while it started.")
            try:
                return self.ask()
            # Whatever a client raises while its server starts, the answer is to ask again.
            except Exception as error:
                self._reap()
                if not self.alive() or time.monotonic() > deadline:
                    raise ServiceError(
                        f"{self.name} did not start ({error}). The end of its log:\n{self.log()}"
                    ) from error
            time.sleep(0.05)

    def _signal(self, number: signal.Signals) -> None:
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        gone = not self.alive()
        if gone and self._process is not None:
            # threads may outlive it by a moment; until they are gone too, its pid is taken
            self._process.wait()
        return gone

    def _reap(self) -> None:
        if self._process is not None:
            self._process.poll()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody uses and that no outgoing connection will be given.

    A server binds it only after a while. The kernel may have given an ephemeral port away by then,
    even to the client that asks whether the server answers.

    Raises ServiceError where none is free.
    """
    first_ephemeral = int(_EPHEMERAL_PORTS.read_text().split()[0])
    candidates = range(_FIRST_PORT, first_ephemeral)
    for port in SYSTEM_RANDOM.sample(candidates, min(1000, len(candidates))):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise ServiceError(f"No port from {_FIRST_PORT} to {first_ephemeral - 1} is free.")


def as_user(name: str | None) -> dict[str, Any]:
    """Return what Popen needs to run a process as this user, where we are root and it is not."""
    if name is None or os.geteuid() != 0:
        return {}
    user = pwd.getpwnam(name)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def give_to(name: str | None, folder: Path) -> None:
    """Make this user the owner of the folder, if running as root."""
    if name is not None and os.geteuid() == 0:
        shutil.chown(folder, name)


def started_at(pid: int) -> str:
    """Return when the process started, in the kernel's words.

    Nothing for one that is gone or only waits to be reaped.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
