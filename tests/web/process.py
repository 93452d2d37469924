"""A server in a process of its own, for tests."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from agentguard.settings import load_settings
from agentguard.web.server import serve
from tests.forking import ForkedProcess


def _serve() -> None:
    serve(load_settings())


class Server:
    """A running server; its log is in `log`.

    Without a command it is forked from a process that has imported AgentGuard.
    """

    def __init__(
        self, directory: Path, *, command: Sequence[str] | None = None, **variables: str
    ) -> None:
        self.log = directory / "server.log"
        environment = inherited() | {
            "AGENTGUARD_DATA_DIR": str(directory / "data"),
            "AGENTGUARD_OTLP_PORT": "0",
            "AGENTGUARD_OTLP_GRPC_PORT": "0",
            "API_PORT": "0",
        }
        size = self.log.stat().st_size if self.log.exists() else 0
        self.process = self._start(directory, command, environment | variables)
        self.port = self._port(size)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """Kill it, with the processes that a command has started."""
        if isinstance(self.process, subprocess.Popen):
            with suppress(ProcessLookupError):  # all have ended
                os.killpg(self.process.pid, signal.SIGKILL)  # it leads a session of its own
        else:
            self.process.kill()
        self.process.wait(60)

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def _start(
        self, directory: Path, command: Sequence[str] | None, environment: Mapping[str, str]
    ) -> ForkedProcess | subprocess.Popen[bytes]:
        if command is None:
            return ForkedProcess(_serve, self.log, directory=directory, environment=environment)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                env=environment,
                stderr=log,
                stdout=log,
                cwd=directory,
                start_new_session=True,
            )

    def _port(self, since: int) -> int:
        until = time.monotonic() + 120
        while time.monotonic() < until:
            if found := self._answers_at(since):
                return int(found[1])
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        self.kill()
        raise AssertionError(self.log.read_text())

    def _answers_at(self, since: int) -> re.Match[bytes] | None:
        log = self.log.read_bytes()[since:] if self.log.exists() else b""
        return re.search(rb"(?:url=|Listening at: )http://127\.0\.0\.1:(\d+)", log)


def inherited() -> dict[str, str]:
    """Return the variables that a child process needs to find programs and modules."""
    return {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}


@contextmanager
def running(directory: Path, **how) -> Iterator[Server]:
    server = Server(directory, **how)
    try:
        yield server
    finally:
        server.kill()
