"""docker-compose.yml's commands, settings and health checks, run against real servers.

Kubernetes' settings and probes too.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from amqp.exceptions import AccessRefused
from neo4j import GraphDatabase
from redis.exceptions import AuthenticationError

from scripts.services.packages import DEBIAN, NEO4J_VERSION, debian_root
from scripts.services.process import free_port
from tests.deploy import compose, kubernetes
from tests.deploy.container import IMAGE, RECORDING, Container, Running, strays
from tests.deploy.health import check_health
from tests.deploy.keys import key
from tests.deploy.servers import SERVICES, rabbitmq_answers, redis_answers, redis_version
from tests.deploy.stack import Stack

pytestmark = pytest.mark.xdist_group("deploy")

AGENTGUARD = SERVICES["agentguard"]
GRACE_SECONDS = compose.seconds(AGENTGUARD["stop_grace_period"])


@pytest.fixture
def container(running_stack: Stack) -> Container:
    """One with docker-compose.yml's settings."""
    return container_with(running_stack, AGENTGUARD["environment"])


def container_with(stack: Stack, environment: Mapping[str, str]) -> Container:
    """One with the settings of a file and a port of its own; every scan becomes a job."""
    return stack.container.with_settings(
        {**stack.settings(environment), "API_PORT": str(free_port()), "AGENTGUARD_JOB_BYTES": "0"}
    )


@contextlib.contextmanager
def started(container: Container, command: list[str]) -> Iterator[httpx.Client]:
    """Run the server and the worker meanwhile.

    Both stop in good order, and leave nothing behind but data.
    """
    address = f"http://127.0.0.1:{container.environment['API_PORT']}"
    headers = {"Authorization": f"Bearer {key(container, 'agentguard')}"}
    before = strays()
    with (
        container.running(command) as server,
        container.running(SERVICES["worker"]["command"]) as worker,
    ):
        container.wait_until_healthy(AGENTGUARD["healthcheck"]["test"][1:], server)
        with httpx.Client(
            base_url=address, headers=headers, trust_env=False, timeout=180
        ) as client:
            yield client
        stop(server)
        stop(worker)
    assert strays() == before
    assert list((container.root / "nowhere").iterdir()) == []


def stop(running: Running) -> None:
    assert running.stop(GRACE_SECONDS) == 0, running.log.read_text()


def scan_as_job(client: httpx.Client) -> str:
    """Send a scan that becomes a job, wait for it, and return how it ended.

    The worker is up once it has.
    """
    accepted = client.post("/api/scan", files={"file": RECORDING.read_bytes()})
    assert accepted.status_code == 202, accepted.text
    deadline = time.monotonic() + 180
    while (job := client.get(accepted.headers["Location"]).json())["state"] in {
        "queued",
        "running",
    }:
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
    return str(job["state"])


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param(AGENTGUARD["environment"], id="compose"),
        pytest.param(kubernetes.settings(), id="kubernetes", marks=pytest.mark.matrix),
    ],
)
def test_the_server_works_with_the_settings_of_the_file(
    running_stack: Stack, environment: Mapping[str, str]
) -> None:
    kubernetes.write_secret(running_stack.container)
    container = container_with(running_stack, environment)

    with started(container, IMAGE.command) as client:
        without_key = httpx.get(client.base_url, trust_env=False)
        outcome = scan_as_job(client)
        parts = client.get("/health/ready").json()["parts"]
        agents = client.get("/api/agents").json()

    assert without_key.status_code == 401
    assert outcome == "succeeded"
    assert all(part["status"] == "up" for part in parts.values())
    assert agents


@pytest.mark.matrix
def test_gunicorn_serves_with_the_command_of_its_file(container: Container) -> None:
    words = compose.read(compose.GUNICORN, {"GUNICORN_WORKERS": "2"})["services"]["agentguard"][
        "command"
    ]
    command = [
        word.replace("0.0.0.0:8000", f"127.0.0.1:{container.environment['API_PORT']}")
        for word in words
    ]

    with started(container, command) as client:
        outcome = scan_as_job(client)

    assert outcome == "succeeded"


def test_migrations_run_with_the_settings_of_the_file_and_can_run_again(
    container: Container,
) -> None:
    for _ in range(2):
        outcome = container.run(SERVICES["migrate"]["command"])

        assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_redis_answers_who_has_its_key(running_stack: Stack) -> None:
    port = running_stack.port("redis")

    redis_answers(port, key(running_stack.container, "redis"))
    with pytest.raises(AuthenticationError):
        redis_answers(port, "guessed")


def test_rabbitmq_answers_who_has_its_key_and_has_no_guest(running_stack: Stack) -> None:
    port = running_stack.port("rabbitmq")

    rabbitmq_answers(port, "agentguard", key(running_stack.container, "rabbitmq"))
    with pytest.raises(AccessRefused):
        rabbitmq_answers(port, "guest", "guest")


@pytest.mark.parametrize("name", ["postgresql", "redis", "rabbitmq"])
def test_a_health_check_passes_only_while_the_server_answers(
    running_stack: Stack, tmp_path: Path, name: str
) -> None:
    assert check_health(running_stack, tmp_path, name, running_stack.port(name)) == 0
    assert check_health(running_stack, tmp_path, name, free_port()) != 0


def test_neo4j_answers_the_query_of_its_health_check(running_stack: Stack) -> None:
    """By the driver: there is no cypher-shell here."""
    ((user, query),) = re.findall(
        r'cypher-shell -u (\w+) "(.*)"', SERVICES["neo4j"]["healthcheck"]["test"][1]
    )
    place, password = (
        f"bolt://127.0.0.1:{running_stack.port('neo4j')}",
        key(running_stack.container, "neo4j"),
    )

    with GraphDatabase.driver(place, auth=(user, password)) as driver:
        assert driver.execute_query(query).records


def test_images_are_no_older_than_what_the_tests_run_against(running_stack: Stack) -> None:
    tested = versions_here(running_stack)
    in_file = {name: numbers(SERVICES[name]["image"].partition(":")[2]) for name in tested}

    assert {
        name: found for name, found in in_file.items() if found < tested[name][: len(found)]
    } == {}


def versions_here(stack: Stack) -> dict[str, tuple[int, ...]]:
    rabbitmq = next(debian_root().glob("usr/lib/rabbitmq/lib/rabbitmq_server-*")).name.partition(
        "-"
    )[2]
    redis = redis_version(stack.port("redis"), key(stack.container, "redis"))
    postgresql = next(each for each in DEBIAN if each.startswith("postgresql-")).partition("-")[2]
    return {
        "postgresql": numbers(postgresql),
        "redis": numbers(redis),
        "rabbitmq": numbers(rabbitmq),
        "neo4j": numbers(NEO4J_VERSION),
    }


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.match(r"[\d.]*\d", text).group().split("."))
