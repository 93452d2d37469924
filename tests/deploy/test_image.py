"""What the Dockerfile says is run.

As its user, on a read-only installation, with nothing of the checkout or of the tests at hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from scripts.services.process import free_port
from tests.deploy import compose
from tests.deploy.container import IMAGE, RECORDING, Container, listing, new_container, strays

pytestmark = pytest.mark.xdist_group("deploy")

GRACE_SECONDS = compose.seconds(compose.read()["services"]["agentguard"]["stop_grace_period"])


@dataclass(frozen=True)
class Served:
    """What came of serving once."""

    healthy_before: bool
    document: dict[str, Any]
    code: int
    log: str
    data: dict[str, tuple[int, int]]
    elsewhere: tuple[object, object]
    """What stood where nothing may be written: before, after."""


@pytest.fixture(scope="module")
def served(installed: Path) -> Iterator[Served]:
    with new_container(installed) as fresh:
        yield serve(fresh, installed)


def serve(fresh: Container, installed: Path) -> Served:
    port = free_port()
    container = fresh.with_settings({"API_PORT": str(port), "AGENTGUARD_API_KEY": "a-key"})
    healthy = container.run(IMAGE.health_check).returncode == 0
    before = elsewhere(container, installed)
    with container.running(IMAGE.command) as server:
        container.wait_until_healthy(IMAGE.health_check, server)
        answer = httpx.post(
            f"http://127.0.0.1:{port}/api/scan",
            files={"file": RECORDING.read_bytes()},
            headers={"Authorization": "Bearer a-key"},
            timeout=180,
            trust_env=False,
        )
        code = server.stop(GRACE_SECONDS)
    after = elsewhere(container, installed)
    return Served(
        healthy,
        answer.json(),
        code,
        server.log.read_text(),
        listing(container.root / "data"),
        (before, after),
    )


def elsewhere(container: Container, installed: Path) -> object:
    return listing(installed), listing(container.root / "nowhere"), strays()


def test_the_image_serves(served: Served) -> None:
    assert served.document["total_agents"]
    assert served.data


def test_it_is_healthy_only_while_it_serves(served: Served) -> None:
    assert not served.healthy_before


def test_the_stop_signal_ends_it_in_good_order_within_the_grace_time(served: Served) -> None:
    assert served.code == 0, served.log


def test_without_a_key_it_does_not_start(container: Container) -> None:
    outcome = container.with_settings({"API_PORT": str(free_port())}).run(IMAGE.command)

    assert outcome.returncode == 1
    assert "Set AGENTGUARD_API_KEY" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_nothing_is_written_but_data_and_temporary_files(served: Served) -> None:
    before, after = served.elsewhere

    assert after == before


@pytest.mark.parametrize("place", ["/app/written", "/nowhere/written", "/written"])
def test_nothing_else_could_be_written(container: Container, place: str) -> None:
    assert "PermissionError" in container.run(["python", "-c", f"open('{place}', 'w')"]).stderr


@pytest.mark.parametrize("program", ["agentguard", "gunicorn", "celery"])
def test_the_image_has_every_program(container: Container, program: str) -> None:
    outcome = container.run([program, "--version"])

    assert outcome.returncode == 0, outcome.stderr


def test_the_version_is_the_one_on_the_label(container: Container) -> None:
    assert (
        container.run(["agentguard", "--version"]).stdout.split()[1]
        == IMAGE.pairs("LABEL")["org.opencontainers.image.version"]
    )


def test_the_doctor_finds_nothing_broken_in_a_fresh_container(container: Container) -> None:
    outcome = container.with_settings({"API_PORT": str(free_port())}).run(["agentguard", "doctor"])

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_the_image_has_the_drivers_of_the_services_and_nothing_of_the_tests(
    container: Container,
) -> None:
    assert (
        container.run(
            ["python", "-c", "import asyncpg, celery, neo4j, redis, sentry_sdk, web3, authlib"]
        ).returncode
        == 0
    )
    assert "No module named 'pytest'" in container.run(["python", "-c", "import pytest"]).stderr
