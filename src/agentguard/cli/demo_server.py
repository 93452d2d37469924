"""The server that `agentguard demo` starts and stops."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentguard.jobs.model import JobState
from agentguard.kernel.errors import UnavailableError

_HOST = "127.0.0.1"
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_REQUEST_SECONDS = 60.0
_LOG_LINES = 15
_ANSWERED = frozenset({http.HTTPStatus.OK, http.HTTPStatus.ACCEPTED})


class DemoServerError(UnavailableError):
    """The demonstration's server did not start or did not answer."""

    code = "demo-server"


@dataclass(frozen=True, slots=True)
class DemoServer:
    """A running server and its API."""

    process: subprocess.Popen[bytes]
    port: int
    key: str | None
    log: Path

    @property
    def url(self) -> str:
        """Base URL of the API."""
        return f"http://{_HOST}:{self.port}"

    def wait_until_ready(self) -> None:
        """Return once it accepts spans; raise DemoServerError with the end of its log."""
        give_up = time.monotonic() + _START_SECONDS
        while time.monotonic() < give_up and self.process.poll() is None:
            if self._is_ready():
                return
            time.sleep(0.1)
        self.stop()
        raise DemoServerError(
            f"The server did not start. The end of {self.log}:\n{self._log_end()}"
        )

    def get(self, path: str) -> dict[str, Any]:
        """Return the document at this path; raise DemoServerError with the problem's detail."""
        return self._document("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to this JSON body; raise DemoServerError with the problem's detail."""
        return self._document("POST", path, json.dumps(body).encode())

    def result(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the result of a job, which the server stores; raise DemoServerError."""
        job = self.post(path, {**body, "background": True})
        give_up = time.monotonic() + _REQUEST_SECONDS
        while not JobState(job["state"]).final:
            if time.monotonic() >= give_up:
                raise DemoServerError(
                    f"The job {job['id']} is {job['state']} after {_REQUEST_SECONDS:.0f} s. See the"
                    f" server's log, {self.log}."
                )
            time.sleep(0.1)
            job = self.get(f"/api/jobs/{job['id']}")
        if job["result"] is None:
            raise DemoServerError(f"The job {job['id']} failed: {job['error']['message']}")
        return dict(job["result"])

    def stop(self) -> None:
        """Stop the server; once this returns, all acknowledged spans are on disk."""
        if self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _is_ready(self) -> bool:
        try:
            return self._answer("GET", "/health/ready", None, seconds=2)[0] == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False

    def _document(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        try:
            status, answer = self._answer(method, path, body, seconds=_REQUEST_SECONDS)
            document = dict(json.loads(answer))
        except (OSError, http.client.HTTPException, ValueError, TypeError) as error:
            raise DemoServerError(
                f"{self.url}{path} did not answer: {error!r}. See the server's log, {self.log}."
            ) from None
        if status not in _ANSWERED:
            raise DemoServerError(
                f"{self.url}{path} answered {status}: {document.get('detail')} See the"
                f" server's log, {self.log}."
            )
        return document

    def _answer(
        self, method: str, path: str, body: bytes | None, *, seconds: float
    ) -> tuple[int, bytes]:
        key = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        content = {"Content-Type": "application/json"} if body is not None else {}
        with closing(http.client.HTTPConnection(_HOST, self.port, timeout=seconds)) as connection:
            connection.request(method, path, body, key | content)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def _log_end(self) -> str:
        lines = (
            self.log.read_text(encoding="utf-8", errors="replace").splitlines()
            if self.log.exists()
            else []
        )
        return "\n".join(lines[-_LOG_LINES:]) or "(empty)"


def start(data_dir: Path, catalog: Path | None, *, port: int, key: str | None) -> DemoServer:
    """Start `agentguard serve` on 127.0.0.1, in its own session so that it can outlive this one."""
    log = data_dir / "server.log"
    environment = os.environ | {
        "AGENTGUARD_DATA_DIR": str(data_dir),
        "AGENTGUARD_OTLP_PORT": "0",
        "AGENTGUARD_OTLP_GRPC_PORT": "0",
    }
    if catalog:
        environment["AGENTGUARD_CATALOG"] = str(catalog.resolve())
    command = [
        sys.executable,
        "-m",
        "agentguard.cli",
        "serve",
        "--host",
        _HOST,
        "--port",
        str(port),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    return DemoServer(process, port, key, log)


def free_port(wanted: int) -> int:
    """Return the wanted port of 127.0.0.1, or another free one if it is in use."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DemoServerError("No port of 127.0.0.1 is free. Check the loopback interface.")
