"""OTLP/gRPC where several processes share its port."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SpanExportResult

from agentguard.web.shared_port import reserved
from scripts.services.process import free_port
from tests.web.process import inherited
from tests.web.test_otlp_grpc_exporters import spans

WORKERS = 2
CONNECTIONS = 40
"""Connections are spread by a hash of their addresses: that all reach one of two is improbable."""
GUNICORN = [
    *(sys.executable, "-m", "gunicorn", "-c", "python:agentguard.web.gunicorn"),
    *(f"--workers={WORKERS}", "agentguard.web.asgi:app"),
]


class Gunicorn:
    """A running gunicorn, with its log and the port of its API."""

    def __init__(self, directory: Path, grpc_port: int) -> None:
        directory.mkdir()
        self.port, self.log = free_port(), directory / "gunicorn.log"
        environment = inherited() | {
            "AGENTGUARD_DATA_DIR": str(directory / "data"),
            "AGENTGUARD_OTLP_GRPC_PORT": str(grpc_port),
            "API_PORT": str(self.port),
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                GUNICORN, env=environment, stdout=log, stderr=log, cwd=directory
            )

    def until_it_logs(self, text: str, count: int) -> str:
        until = time.monotonic() + 120
        while (found := self.log.read_text()).count(text) < count:
            assert time.monotonic() < until, found
            assert self.process.poll() is None, found
            time.sleep(0.05)
        return found

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(60)


@contextmanager
def running(directory: Path, grpc_port: int) -> Iterator[Gunicorn]:
    started = Gunicorn(directory, grpc_port)
    try:
        yield started
        assert started.stop() == 0
    finally:
        started.process.kill()
        started.process.wait()


def test_the_processes_of_gunicorn_share_the_port_and_no_other_installation_does(tmp_path: Path):
    port = free_port()
    with ExitStack() as stack:
        first = stack.enter_context(running(tmp_path / "first", port))
        first.until_it_logs("Listening at", 1)
        second = stack.enter_context(running(tmp_path / "second", port))
        log = first.until_it_logs(f"url=grpc://127.0.0.1:{port}", WORKERS)
        assert len(set(re.findall(r"pid=(\d+) +url=grpc", log))) == WORKERS
        second.until_it_logs("Application startup complete", WORKERS)
        for _ in range(CONNECTIONS):
            exporter = OTLPSpanExporter(endpoint=f"127.0.0.1:{port}", insecure=True)
            assert exporter.export(spans(1)) is SpanExportResult.SUCCESS
            exporter.shutdown()

        assert "otlp_grpc_port_taken" in second.log.read_text()
        assert "url=grpc" not in second.log.read_text()
        received = received_by_process(first.port)
        assert sum(received.values()) == CONNECTIONS
        assert all(received.values())


def received_by_process(port: int) -> dict[str, int]:
    received: dict[str, int] = {}
    while len(received) < WORKERS:  # a scrape reaches one of the processes
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
        found = re.search(r'spans_received_total\{process="(\d+)"\} (\d+)', text)
        assert found is not None
        received[found[1]] = int(float(found[2]))
    return received


def test_a_port_is_reserved_although_old_connections_are_in_time_wait():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            server.accept()[0].close()  # who closes first waits
            assert client.recv(1) == b""

    with reserved("127.0.0.1", port) as kept:
        assert kept is not None


def test_a_reserved_port_is_kept_and_can_be_reserved_only_once():
    port = free_port()
    with reserved("127.0.0.1", port) as kept, socket.socket() as worker:
        assert reserved("127.0.0.1", port) is None
        worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        worker.bind(("127.0.0.1", port))
        worker.listen()

        assert reserved("127.0.0.1", port) is None
        with socket.create_connection(("127.0.0.1", port), timeout=20), worker.accept()[0]:
            pass
        with pytest.raises(OSError, match="Invalid argument"):
            kept.accept()
