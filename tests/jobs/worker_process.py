"""A Celery worker in processes of its own, for tests."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.services.process import started_at
from tests.web.process import inherited

COMMAND = [sys.executable, "-m", "agentguard.cli", "worker"]


class Worker:
    """A running `agentguard worker`; its log is in `log`."""

    def __init__(
        self,
        directory: Path,
        broker: str,
        *,
        concurrency: int = 1,
        name: str = "worker",
        **variables: str,
    ) -> None:
        self.log = directory / f"{name}.log"
        environment = inherited() | {
            "AGENTGUARD_DATA_DIR": str(directory / "data"),
            "CELERY_BROKER_URL": broker,
        }
        with self.log.open("ab") as log:
            before = log.tell()
            self.process = subprocess.Popen(
                [*COMMAND, "--concurrency", str(concurrency)],
                env=environment | variables,
                stdout=log,
                stderr=log,
                cwd=directory,
                start_new_session=True,
            )
        self.wait_for(lambda: b" ready." in self.log.read_bytes()[before:])

    def children(self) -> list[int]:
        """Return the pids of the processes that run jobs."""
        return sorted(pid for pid, parent in _parents() if parent == self.process.pid)

    def kill(self) -> None:
        """End it as a crash would; the kernel ends its children with it."""
        children = self.children()
        self.process.kill()
        self.process.wait(60)
        self.wait_for(lambda: not any(started_at(pid) for pid in children), alive=False)

    def kill_children(self) -> None:
        for pid in self.children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def wait_for(
        self, holds: Callable[[], bool], *, seconds: float = 60, alive: bool = True
    ) -> None:
        until = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > until or (alive and self.process.poll() is not None):
                self.process.kill()
                self.process.wait(60)
                raise AssertionError(self.log.read_text())
            time.sleep(0.02)


@contextmanager
def working(directory: Path, broker: str, **how) -> Iterator[Worker]:
    worker = Worker(directory, broker, **how)
    try:
        yield worker
    finally:
        if worker.process.poll() is None:
            worker.kill()


def _parents() -> Iterator[tuple[int, int]]:
    """Yield each process with its parent."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                yield (
                    int(folder.name),
                    int((folder / "stat").read_text().rpartition(")")[2].split()[1]),
                )
