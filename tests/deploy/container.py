"""Runs the image's commands without a Docker engine.

As its unprivileged user, on an installation that nobody may write to.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.deploy.dockerfile import image

ROOT = Path(__file__).parents[2]
RECORDING = ROOT / "src" / "agentguard" / "demo_recording" / "traces.jsonl.gz"
IMAGE = image(ROOT / "Dockerfile")
USER = int(IMAGE.one("USER").partition(":")[0])
CLOSING_SECONDS = 10
"""What agentguard.web.gunicorn, too, gives a process to close after what was in work is answered.
"""
PREFIX = "agentguard-image-"
_PLACES = re.compile(r"(?<![\w.])/(app|data|keys|tmp|nowhere)\b")
_OPEN_TO_ALL = (
    "/tmp",  # noqa: S108 - looked at in the image, not written to
    "/var/tmp",  # noqa: S108 - the same
    "/dev/shm",  # noqa: S108 - the same
    "/run",
    "/run/lock",
)
_PATIENCE_SECONDS = 180


@dataclass(frozen=True)
class Running:
    """A command that runs, and what it logs."""

    process: subprocess.Popen[bytes]
    log: Path

    def stop(self, grace_seconds: float) -> int:
        """Send the image's stop signal, as an engine does.

        Return the exit code, or raise TimeoutExpired where an engine would kill.
        """
        self.process.send_signal(getattr(signal, IMAGE.one("STOPSIGNAL")))
        return self.process.wait(grace_seconds)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True)
class Container:
    """A folder that stands for the image's root.

    Commands and settings are given as the files write them, with the image's paths.
    """

    root: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def with_settings(self, settings: Mapping[str, str]) -> Container:
        return Container(self.root, {**self.environment, **settings})

    @contextlib.contextmanager
    def running(self, command: Sequence[str]) -> Iterator[Running]:
        """Run the command meanwhile; whatever happens, it is gone afterwards."""
        log = Path(tempfile.mkstemp(dir=self.root, suffix=".log")[1])
        with log.open("wb") as output:
            started = subprocess.Popen(
                self._words(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                **self._options(),
            )
        running = Running(started, log)
        try:
            yield running
        finally:
            running.end()

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._words(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_SECONDS,
            **self._options(),
        )

    def wait_until_healthy(self, check: Sequence[str], running: Running) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (asked := self.run(check)).returncode != 0:
            assert running.process.poll() is None, running.log.read_text()
            assert time.monotonic() < deadline, (
                f"{asked.stdout}{asked.stderr}\n{running.log.read_text()}"
            )

    def place(self, text: str) -> str:
        """The text with the image's folders replaced by what stands for them."""
        return _PLACES.sub(lambda match: f"{self.root}{match.group()}", text)

    def writable(self) -> tuple[Path, ...]:
        return self.root / "data", self.root / "tmp"

    def _words(self, command: Sequence[str]) -> list[str]:
        return [*as_the_user(), *map(self.place, command)]

    def _options(self) -> dict[str, Any]:
        settings = {
            **IMAGE.environment,
            "AGENTGUARD_OTLP_GRPC_HOST": "127.0.0.1",  # unlike a container's, our network is shared
            "AGENTGUARD_OTLP_GRPC_PORT": "0",
            "TMPDIR": "/tmp",  # noqa: S108 - the image's own
            "HOME": "/nowhere",
            **self.environment,
        }
        return {
            "env": {name: self.place(value) for name, value in settings.items()},
            "cwd": IMAGE.one("WORKDIR"),
        }


@cache
def as_the_user() -> tuple[str, ...]:
    """Return what to put before a command so that it runs as the image's user, where we are root.

    Else we have no privileges either.

    Where this Python is in a folder that others may not enter, root's home, say, the user may read
    everything, but no more than that.
    """
    if os.geteuid() != 0:
        return ()
    plain = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs")
    reading = (*plain, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    finds_itself = f"import numpy, sys; sys.exit(sys.base_prefix != {sys.base_prefix!r})"
    tried = subprocess.run(
        [*plain, sys.executable, "-c", finds_itself], capture_output=True, check=False, cwd="/"
    )
    return plain if tried.returncode == 0 else reading


@contextlib.contextmanager
def new_container(installed: Path) -> Iterator[Container]:
    """A container of an installation, with folders of its own for what may be written."""
    root = Path(tempfile.mkdtemp(prefix=PREFIX))
    root.chmod(0o755)
    try:
        (root / "app").symlink_to(installed / "app")
        for name, mode in (("data", 0o700), ("tmp", 0o700), ("keys", 0o755), ("nowhere", 0o555)):
            (root / name).mkdir()
            (root / name).chmod(mode)
        made = Container(root)
        if os.geteuid() == 0:
            for folder in made.writable():
                os.chown(folder, USER, USER)
        yield made
    finally:
        shutil.rmtree(root)


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder below, with when it was changed and its size."""
    found = {str(path): path.lstat() for path in folder.rglob("*")}
    return {name: (about.st_mtime_ns, about.st_size) for name, about in found.items()}


def strays() -> set[str]:
    """What the container's user has in the folders that everybody may write to.

    Root alone can tell.

    Left out are other containers' folders, and the semaphores that Python's processes share while
    they live: tests run side by side.
    """
    if os.geteuid() != 0:
        return set()
    entries = [
        entry for folder in _OPEN_TO_ALL if Path(folder).is_dir() for entry in os.scandir(folder)
    ]
    return {
        entry.path
        for entry in entries
        if not entry.name.startswith((PREFIX, "sem.mp-")) and _is_of_the_user(entry)
    }


def _is_of_the_user(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.stat(follow_symlinks=False).st_uid == USER
    except FileNotFoundError:
        return False
