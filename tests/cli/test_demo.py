from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from agentguard.audit.bundles import Bundle
from agentguard.cli.demo_server import free_port
from tests.cli.traces import RUNS, SPANS, trace, write_traces

SYSTEM = """
import json, pathlib, sys, urllib.request
url, system = sys.argv[sys.argv.index("--otlp") + 1], sys.argv[sys.argv.index("--system") + 1]
here = pathlib.Path(__file__).parent
if system == "content":
    {content}
bodies = json.loads((here / "bodies.json").read_text())
for body in bodies:
    headers = {{"Content-Type": "application/json"}}
    request = urllib.request.Request(url + "/v1/traces", json.dumps(body).encode(), headers)
    urllib.request.urlopen(request).close()
print(json.dumps({{"spans_sent": 4 * len(bodies)}}))
"""
NOTHING = 'print(json.dumps({"spans_sent": 0})); sys.exit()'


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith("AGENTGUARD_")
    }
    return clean | {
        "AGENTGUARD_API_PORT": str(free_port(0)),
        "COLUMNS": "120",
        "TMPDIR": str(tmp_path),
    }


def systems(folder: Path, *, content: str = NOTHING) -> Path:
    """A demo system that sends recorded traces, in place of the two real ones."""
    folder.mkdir()
    (folder / "run.py").write_text(SYSTEM.format(content=content))
    (folder / "bodies.json").write_text(json.dumps([trace(n) for n in range(RUNS)]))
    (folder / "catalog.yaml").write_text("agents:\n- name: CheckoutAgent\n")
    return folder


def demo(environment: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [
        sys.executable,
        "-m",
        "agentguard.cli",
        "demo",
        "--data-dir",
        str(folder / "data"),
        *arguments,
    ]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        timeout=120,
        check=False,
    )


def printed(environment: dict[str, str], folder: Path, *arguments: str) -> dict:
    """The document of a command beside the running server."""
    where = [
        "--data-dir",
        str(folder / "data"),
        "--catalog",
        str(folder / "demo" / "catalog.yaml"),
        "--format",
        "json",
    ]
    command = [sys.executable, "-m", "agentguard.cli", *arguments, *where]
    return dict(
        json.loads(
            subprocess.run(
                command, capture_output=True, env=environment, cwd=folder, check=True
            ).stdout
        )
    )


def server_of(data_dir: Path) -> tuple[int, str]:
    log = (data_dir / "server.log").read_text()
    found = re.search(r"pid=(\d+).*url=(\S+)", re.sub(r"\x1b\[[0-9;]*m", "", log))
    assert found, log
    return int(found[1]), found[2]


def runs(pid: int) -> bool:
    """Whether this process is there and not only waits for its parent to take note of its end."""
    try:
        return b"agentguard" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_it_shows_what_the_systems_sent_and_stops_its_server(environment, tmp_path):
    systems(tmp_path / "demo")

    done = demo(environment, tmp_path, "--format", "json")

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["graph"]["coverage"]["spans"] == SPANS
    assert [n["label"] for n in found["graph"]["nodes"] if n["shadow"]] == ["PaymentAgent"]
    assert found["simulation"]["failed_agent"] == found["worst_component"]
    assert found["worst_component"] in {s["id"] for s in found["graph"]["analysis"]["spofs"]}
    assert found["playbook"]["steps"]
    assert "scripted" in found["note"]
    assert not runs(server_of(tmp_path / "data")[0])


def test_every_command_to_continue_with_works(environment, tmp_path):
    systems(tmp_path / "demo")
    done = demo(environment, tmp_path)
    lines = [
        line.strip()
        for line in done.stderr.split("To continue:")[1].splitlines()
        if line.startswith("  ") and "API" not in line
    ]

    script = "set -e\n" + "\n".join(lines)
    again = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )

    assert [line for line in lines if not line.startswith(". ")][1:3] == [
        "agentguard graph --dataset live",
        "agentguard analyze --dataset live",
    ]
    assert again.returncode == 0, again.stderr
    for words in (
        "Components: 4 (2 agents)",
        "1 shadow agent: PaymentAgent",
        "Single points of failure",
        "Risk, 0 to 10",
        "If ",
        "Playbook: Outage of",
    ):
        assert words in done.stdout
        assert words in again.stdout


def test_it_ends_with_evidence_that_anybody_can_verify(environment, tmp_path):
    systems(tmp_path / "demo")
    done = demo(environment, tmp_path)
    exported, verified = done.stderr.splitlines()[-2:]
    bundle = tmp_path / exported.split(" as ")[1]
    command = verified.split("Repeat it: ")[1]

    again = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    evidence = Bundle.parse(bundle.read_bytes())
    other = replace(evidence, leaf=evidence.leaf.replace(b"playbook.stored", b"playbook.denied"))
    bundle.write_bytes(other.encode())
    changed = subprocess.run(
        ["bash", "-c", command], capture_output=True, env=environment, cwd=tmp_path, check=False
    )

    assert exported.startswith("Exported: audit entry ")
    assert "(playbook.stored)" in exported
    assert "no anchor" in verified
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("Verified: the entry is in the log")
    assert changed.returncode == 1


def test_a_taken_port_is_said_and_the_server_kept_answers_what_the_command_line_prints(
    environment, tmp_path
):
    systems(tmp_path / "demo")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", int(environment["AGENTGUARD_API_PORT"])))
        listener.listen()
        done = demo(environment, tmp_path, "--keep")
    pid, url = server_of(tmp_path / "data")

    try:
        assert done.returncode == 0, done.stderr
        assert f"Port {environment['AGENTGUARD_API_PORT']} is in use" in done.stderr
        assert f"{url}/docs" in done.stderr
        assert f"kill {pid}" in done.stderr
        assert printed(environment, tmp_path, "graph") == httpx.get(f"{url}/api/graph").json()
        scanned = printed(
            environment,
            tmp_path,
            "scan",
            str(write_traces(tmp_path / "beside.jsonl")),
            "--dataset",
            "beside",
        )
        assert (
            scanned["graph_version"]
            == httpx.get(f"{url}/api/graph?dataset=beside").json()["graph_version"]
        )
        for command in ("simulate", "playbook"):
            answer = httpx.post(
                f"{url}/api/{command}", json={"dataset": "beside", "agent_id": "PaymentAgent"}
            ).json()
            assert (
                printed(environment, tmp_path, command, "PaymentAgent", "--dataset", "beside")
                == answer
            )
    finally:
        os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not runs(pid))


def test_a_system_that_fails_is_reported_and_the_server_stopped(environment, tmp_path):
    systems(tmp_path / "demo", content='sys.exit("no model server")')

    done = demo(environment, tmp_path)

    assert done.returncode == 1
    assert "no model server" in done.stderr
    assert "Traceback" not in done.stderr
    assert not runs(server_of(tmp_path / "data")[0])


def test_being_terminated_stops_the_server_too(environment, tmp_path):
    systems(
        tmp_path / "demo",
        content="(here / 'waiting').touch(); sys.stdin.read(); import time; time.sleep(60)",
    )
    command = [sys.executable, "-m", "agentguard.cli", "demo", "--data-dir", "data"]
    process = subprocess.Popen(
        command, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_until((tmp_path / "demo" / "waiting").exists)
    process.terminate()

    assert process.wait(60) == 128 + signal.SIGTERM
    assert not runs(server_of(tmp_path / "data")[0])


def test_without_systems_it_points_to_the_recording(environment, tmp_path):
    done = demo(environment, tmp_path)

    assert done.returncode == 1
    assert "agentguard demo --load" in done.stderr
    assert not (tmp_path / "data").exists()


def test_the_recording_is_loaded_as_a_dataset(environment, tmp_path):
    done = demo(environment, tmp_path, "--load", "--format", "json")

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["graph"]["dataset"] == "demo"
    assert len(found["graph"]["workflows"]) >= 2
    assert any(n["shadow"] for n in found["graph"]["nodes"])
    assert found["graph"]["analysis"]["cycles"]
    assert found["graph"]["fallbacks"]


def wait_until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.05)
