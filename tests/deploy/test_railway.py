"""railway.json: its form, and its commands, run."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from scripts.services.process import free_port
from tests.deploy.container import IMAGE, ROOT, Container

CONFIGURATION = json.loads((ROOT / "railway.json").read_text())
DEPLOY = CONFIGURATION["deploy"]


def test_it_keeps_to_the_schema() -> None:
    schema = ROOT / "tests" / "deploy" / "railway.schema.json"
    command = [
        str(Path(sys.executable).with_name("check-jsonschema")),
        "--schemafile",
        str(schema),
        str(ROOT / "railway.json"),
    ]

    outcome = subprocess.run(command, capture_output=True, text=True, check=False)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_it_builds_the_dockerfile() -> None:
    assert CONFIGURATION["build"]["builder"] == "DOCKERFILE"
    assert (ROOT / CONFIGURATION["build"]["dockerfilePath"]).is_file()


def test_it_serves_on_the_port_that_railway_gives_and_stops_in_its_time(
    container: Container,
) -> None:
    port = free_port()
    given = container.with_settings({"PORT": str(port), "AGENTGUARD_API_KEY": "a-key"})

    with given.running(shlex.split(DEPLOY["startCommand"])) as server:
        container.with_settings({"API_PORT": str(port)}).wait_until_healthy(
            [*IMAGE.health_check[:-1], DEPLOY["healthcheckPath"]], server
        )
        answer = httpx.get(
            f"http://127.0.0.1:{port}/", headers={"Authorization": "Bearer a-key"}, trust_env=False
        )
        code = server.stop(DEPLOY["drainingSeconds"])

    assert answer.json()["message"]
    assert code == 0, server.log.read_text()


def test_the_start_command_needs_nothing_but_the_port() -> None:
    assert shlex.split(DEPLOY["startCommand"])[:2] == [
        "/bin/sh",
        "-c",
    ]  # Railway runs it in exec form: no variable is replaced there
    assert DEPLOY["startCommand"].count("$") == 1


@pytest.mark.parametrize("command", DEPLOY["preDeployCommand"])
def test_what_runs_before_needs_no_volume(container: Container, command: str) -> None:
    outcome = container.run(shlex.split(command))

    assert outcome.returncode == 0, outcome.stderr
