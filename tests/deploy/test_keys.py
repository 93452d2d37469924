"""The keys of docker-compose.yml.

Made once, each readable for its server and for AgentGuard alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentguard.settings import load_settings
from tests.deploy import compose
from tests.deploy.container import USER, Container, new_container
from tests.deploy.keys import key, make_keys, run_keys

SERVICES = compose.read()["services"]
SERVERS = ("postgresql", "neo4j", "redis", "rabbitmq")


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    """One without anything installed."""
    with new_container(tmp_path) as made:
        yield made


def files(container: Container) -> dict[str, str]:
    folder = container.root / "keys"
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_every_key_is_made_and_is_another(container: Container) -> None:
    printed = make_keys(container)

    made = [key(container, name) for name in ("agentguard", *SERVERS)]
    assert all(re.fullmatch("[0-9a-f]{64}", each) for each in made)
    assert len(set(made)) == len(made)
    assert "docker compose exec agentguard cat /keys/agentguard/key" in printed
    assert not any(each in printed for each in made)


def test_keys_that_are_there_stay(container: Container) -> None:
    make_keys(container)
    before = files(container)

    make_keys(container)

    assert files(container) == before


def test_a_key_that_is_deleted_is_made_anew_in_every_form(container: Container) -> None:
    make_keys(container)
    before = files(container)
    (container.root / "keys" / "redis" / "key").unlink()

    make_keys(container)

    changed = {name for name, text in files(container).items() if before[name] != text}
    assert changed == {"redis/key", "redis/redis.conf"}


def test_the_forms_of_a_key_hold_that_key(container: Container) -> None:
    make_keys(container)

    for name, text in files(container).items():
        assert key(container, name.partition("/")[0]) in text


def test_a_key_can_be_read_by_its_server_and_by_agentguard_only(container: Container) -> None:
    make_keys(container)

    for path in (container.root / "keys").rglob("*/*"):
        about = path.stat()
        reader = (
            USER
            if path.parent.name == "agentguard"
            else int(SERVICES[path.parent.name]["user"].partition(":")[0])
        )
        assert (about.st_uid, about.st_gid, about.st_mode & 0o777) == (reader, USER, 0o440)


def test_every_file_that_a_service_names_is_made(container: Container) -> None:
    make_keys(container)

    text = compose.FILE.read_text()
    named = set(re.findall(r"/keys/([a-z]+/[a-z_.]+)\b", text))
    assert named
    assert named - set(files(container)) == set()


def test_settings_for_development_can_be_used(
    container: Container, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_keys(container)
    printed = run_keys(
        container, SERVICES["settings"]["command"], SERVICES["settings"]["environment"]
    )
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text(printed)

    settings = load_settings()

    assert (
        settings.postgres.get_secret_value()
        == f"postgresql://agentguard:{key(container, 'postgresql')}@127.0.0.1:5432/agentguard"
    )
    assert (settings.neo4j, settings.neo4j_user) == ("bolt://127.0.0.1:7687", "neo4j")
    assert settings.neo4j_password.get_secret_value() == key(container, "neo4j")
    assert (
        settings.redis.get_secret_value() == f"redis://:{key(container, 'redis')}@127.0.0.1:6379/0"
    )
    assert (
        settings.celery_broker_url.get_secret_value()
        == f"amqp://agentguard:{key(container, 'rabbitmq')}@127.0.0.1:5672//"
    )
