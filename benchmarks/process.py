"""Run a command and measure its cost."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """Resources used by a process and the children that it waited for."""

    output: bytes
    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int
    """Peak resident memory of the largest process."""


def measure(command: Sequence[str], environment: Mapping[str, str]) -> Cost:
    """Run a command to its end; raise CalledProcessError unless it exits with 0."""
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=output, stdin=subprocess.DEVNULL, env={**os.environ, **environment}
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, list(command))
        output.seek(0)
        return Cost(output.read(), used.ru_utime + used.ru_stime, wall, used.ru_maxrss * 1024)
