"""However the runner ends, no process of the demo stays behind.

Each holds the pipe that these tests read to its end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from demo.receiver import receiving

RUN = Path(__file__).parents[2] / "demo" / "run.py"
PATIENCE_SECONDS = 120


@contextmanager
def at_work(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A runner in the middle of a run, in a process group of its own, which is cleared away should
    a test fail.
    """
    with receiving() as received:
        command = [
            sys.executable,
            str(RUN),
            "--otlp",
            received.url,
            "--system",
            "content",
            "--runs",
            "100000",
        ]
        runner = subprocess.Popen(
            command, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        overdue = threading.Timer(PATIENCE_SECONDS, end_group, (runner.pid,))
        overdue.start()
        try:
            assert runner.stderr is not None
            assert any("requests sent" in line for line in runner.stderr)
            yield runner
        finally:
            overdue.cancel()
            end_group(runner.pid)
            runner.wait()


def end_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def all_ended(runner: subprocess.Popen[str]) -> str:
    """Return what was still said, once the last process that could say something is gone.

    TimeoutExpired if one stays.
    """
    return runner.communicate(timeout=60)[1]


def test_when_the_runner_is_told_to_end_every_process_ends(tmp_path: Path) -> None:
    with at_work(tmp_path) as runner:
        runner.terminate()

        assert all_ended(runner) == "Interrupted. All demo processes are stopped.\n"
        assert runner.returncode == 130


def test_ctrl_c_in_a_terminal_reaches_all_and_ends_all(tmp_path: Path) -> None:
    with at_work(tmp_path) as runner:
        os.killpg(runner.pid, signal.SIGINT)

        assert "All demo processes are stopped" in all_ended(runner)
        assert runner.returncode == 130


def test_when_the_runner_is_killed_the_others_end_by_themselves(tmp_path: Path) -> None:
    with at_work(tmp_path) as runner:
        runner.kill()

        all_ended(runner)
        assert runner.returncode == -signal.SIGKILL
