"""The servers that tests talk to: on loopback only, installed nowhere, stopped by their pids."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts.services import fleet, packages
from scripts.services.__main__ import for_tests
from scripts.services.process import Server, ServiceError, started_at
from scripts.services.redis import redis
from tests.services import server

LISTENING = "0A"


def addresses(pid: int) -> set[str]:
    """The local addresses, in the kernel's hex, at which a process and what it started listen."""
    inodes = {link for each in family(pid) for link in links(each)}
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == LISTENING and f"socket:[{row[9]}]" in inodes}


def family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    own = [int(child) for child in children.read_text().split()] if children.exists() else []
    return [pid, *(member for child in own for member in family(child))]


def links(pid: int) -> set[str]:
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(str(entry.readlink()))
        except OSError:
            continue
    return found


LOOPBACK = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}


def test_all_servers_listen_on_loopback_only():
    server("DATABASE_URL")
    running = fleet.remembered()
    if running is None:
        pytest.skip("The servers are somebody else's.")

    found = {process.name: addresses(process.pid) for process in running.processes}
    assert all(found.values()), found
    assert set().union(*found.values()) <= LOOPBACK


def test_fetching_packages_installs_none(tmp_path: Path, monkeypatch):
    """What is only downloaded and unpacked runs no script: nothing can be registered with the system, started or enabled."""
    commands: list[str] = []
    monkeypatch.setattr(packages, "CACHE", tmp_path)
    monkeypatch.setattr(packages, "_run", lambda command: commands.append(" ".join(command)))
    monkeypatch.setattr(packages, "_relocate_erlang", lambda root: None)  # there is none
    packages.debian_root.__wrapped__()

    assert any(command.startswith("apt-get") and " install " in command for command in commands)
    assert all("--download-only" in command for command in commands if " install " in command)
    assert not any(command.startswith("dpkg ") for command in commands)


@pytest.fixture
def own_redis(tmp_path: Path):
    server("REDIS_URL")
    made = redis(tmp_path)
    yield made
    made.stop()


def test_a_server_that_was_killed_starts_again_with_its_data(own_redis: Server):
    own_redis.start()
    before = own_redis.pid
    own_redis.kill()
    assert not own_redis.alive()

    own_redis.start()
    assert own_redis.alive()
    assert own_redis.pid != before
    own_redis.stop()
    assert not own_redis.alive()


def test_a_pid_that_was_given_to_another_process_is_not_signalled(tmp_path: Path):
    stale = Server("old", tmp_path, (), {}, lambda: None, pid=os.getpid(), began="1")

    stale.stop()
    stale.kill()
    assert started_at(os.getpid()) not in ("", "1")


def test_a_server_that_does_not_start_says_why(tmp_path: Path):
    def never() -> None:
        raise ConnectionError("nobody there")

    broken = Server("broken", tmp_path, ["sh", "-c", "echo the disk is full >&2; exit 1"], {}, never)
    with pytest.raises(ServiceError, match="nobody there") as told:
        broken.start()
    assert "the disk is full" in str(told.value)


def test_a_server_named_by_the_environment_is_the_one_that_is_tested(monkeypatch):
    monkeypatch.setenv("AGENTGUARD_TEST_NEO4J_URI", "bolt://mine")
    running = fleet.Fleet("x", (), {"NEO4J_URI": "bolt://ours", "AGENTGUARD_REDIS_URL": "redis://ours"}, {}, {})
    monkeypatch.delenv("AGENTGUARD_TEST_REDIS_URL", raising=False)

    assert for_tests(running) == {"AGENTGUARD_TEST_REDIS_URL": "redis://ours"}
