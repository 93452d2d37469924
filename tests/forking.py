"""Processes that start at once: forked from one that has imported AgentGuard already.

Importing the server takes seconds of CPU time, and the tests start it about a hundred times.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["agentguard.web.server", "tests.conformance.test_graph_store"])


class ForkedProcess:
    """A running function, in a session, folder and environment of its own.

    Answers like `subprocess.Popen`; its output is appended to `log`.
    """

    def __init__(
        self,
        function: Callable[[], None],
        log: Path,
        *,
        directory: Path,
        environment: Mapping[str, str],
    ) -> None:
        files = resource.getrlimit(resource.RLIMIT_NOFILE)
        arguments = (function, log, directory, dict(environment), files)
        self._process = CONTEXT.Process(target=_run, args=arguments)
        self._process.start()
        self.pid = self._process.pid or 0

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()


def _run(
    function: Callable[[], None],
    log: Path,
    directory: Path,
    environment: Mapping[str, str],
    open_files: tuple[int, int],
) -> None:
    os.setsid()
    resource.setrlimit(resource.RLIMIT_NOFILE, open_files)  # of the caller, not of the fork server
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    function()
