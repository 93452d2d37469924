"""The server as a process: ports, signals, other processes beside it."""

from __future__ import annotations

import http.client
import json as jsonlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from scripts.services.process import free_port
from tests.traces.spans import json
from tests.web.process import inherited, running
from tests.web.systems import shop

AGENTGUARD = [sys.executable, "-c", "from agentguard.cli.main import run; run()"]


def get(url: str):
    return httpx.get(url, timeout=30).raise_for_status().json()


def cli(directory: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = inherited() | {
        "AGENTGUARD_DATA_DIR": str(directory / "data"),
        "AGENTGUARD_OTLP_PORT": "0",
        "AGENTGUARD_OTLP_GRPC_PORT": "0",
    }
    return subprocess.run(
        [*AGENTGUARD, *arguments],
        env=environment | variables,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def agents(url: str, dataset: str) -> set[str]:
    try:
        return {agent["name"] for agent in get(f"{url}/api/agents?dataset={dataset}")["agents"]}
    except httpx.HTTPStatusError:
        return set()


def export(port: int, name: str, compression: Compression) -> None:
    exporter = OTLPSpanExporter(
        endpoint=f"http://127.0.0.1:{port}/v1/traces", compression=compression
    )
    provider = TracerProvider(resource=Resource({"service.name": "x"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name}
    with provider.get_tracer("test").start_as_current_span(
        f"invoke_agent {name}", attributes=attributes
    ):
        pass
    provider.shutdown()


def test_the_official_exporter_is_served_on_both_ports_and_shows_within_five_seconds(
    tmp_path: Path,
):
    """Five seconds, at the best of four times: the machine may be busy with other tests."""
    otlp_port = free_port()
    with running(tmp_path, AGENTGUARD_OTLP_PORT=str(otlp_port)) as server:
        wait_until_ready(server.url)
        waited = []
        for n, port in enumerate([server.port, otlp_port] * 2):
            export(port, f"Agent{n}", Compression.Gzip if n % 2 else Compression.NoCompression)
            acknowledged = time.monotonic()
            while f"Agent{n}" not in agents(server.url, "live"):
                assert time.monotonic() - acknowledged < 60
                time.sleep(0.05)
            waited.append(time.monotonic() - acknowledged)

        assert min(waited) < 5
        assert agents(server.url, "live") == {f"Agent{n}" for n in range(4)}
        assert server.stop() == 0


def wait_until_ready(url: str) -> None:
    while httpx.get(f"{url}/health/ready", timeout=60).status_code != 200:
        time.sleep(0.1)


def test_a_taken_port_is_named_and_ends_the_command(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        ended = cli(tmp_path, "serve", API_PORT=port)

        assert ended.returncode == 1
        assert f"Port {port} on 127.0.0.1 is in use" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert ended.stdout == ""
        doctor = cli(tmp_path, "doctor", "--format", "json", API_PORT=port)
        assert doctor.returncode == 1
        assert jsonlib.loads(doctor.stdout)["finding"] == "broken"


def test_a_taken_otlp_port_is_said_and_the_server_goes_on(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with running(tmp_path, AGENTGUARD_OTLP_PORT=str(taken.getsockname()[1])) as server:
            assert get(f"{server.url}/")["version"]
            assert "otlp_port_taken" in server.log.read_text()


def test_scanning_beside_a_server_is_safe_and_seen_by_it(tmp_path: Path):
    (tmp_path / "shop.json").write_text(jsonlib.dumps(shop()))
    with running(tmp_path) as server:
        scan = cli(tmp_path, "scan", "shop.json", "--dataset", "shop", "--format", "json")
        assert scan.returncode == 0
        assert agents(server.url, "shop") == {"CheckoutAgent", "PaymentAgent", "FraudAgent"}

        doctor = cli(tmp_path, "doctor", "--format", "json", API_PORT=str(server.port))
        found = {check["name"]: check["detail"] for check in jsonlib.loads(doctor.stdout)["checks"]}
        assert doctor.returncode == 0
        assert "AgentGuard 0" in found["API port"]
        assert "In use by a server" in found["spans"]
        assert server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_what_is_in_work_finish(tmp_path: Path, number: signal.Signals):
    """A delivery whose body is still coming when the signal comes is answered.

    Afterwards nothing is left in the log.
    """
    delivery = json(range(1, 50))
    with running(tmp_path) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.putrequest("POST", "/v1/traces")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(delivery.body)))
        connection.putheader("Expect", "100-continue")
        connection.endheaders()
        assert select.select([connection.sock], [], [], 30)[0], (
            "the server has not begun to read the body"
        )
        connection.send(delivery.body[:100])
        server.process.send_signal(number)
        later = threading.Timer(0.5, connection.send, (delivery.body[100:],))
        later.start()

        assert connection.getresponse().status == 200
        assert server.process.wait(30) == 0
        connection.close()
        assert list((tmp_path / "data" / "log").iterdir()) == []
    with running(tmp_path) as server:
        assert _live(server.url)["coverage"]["spans"] == 49


def _live(url: str):
    until = time.monotonic() + 60
    while True:
        try:
            return get(f"{url}/api/graph?dataset=live")
        except httpx.HTTPStatusError:
            assert time.monotonic() < until
            time.sleep(0.1)


def test_no_process_is_left_when_the_server_is_killed(tmp_path: Path):
    with running(tmp_path) as server:
        wait_until_ready(server.url)
        group = os.getpgid(server.process.pid)
        server.kill()

    until = time.monotonic() + 20
    while _members(group):
        assert time.monotonic() < until
        time.sleep(0.1)


def _members(group: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found
