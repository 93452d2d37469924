"""The servers that tests talk to: on loopback only, installed nowhere, stopped by their pids."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from scripts.services import fleet, packages, process
from scripts.services.naming import TEST_PREFIX, for_tests
from scripts.services.process import Server, ServiceError, free_port, started_at
from scripts.services.redis import redis
from tests.services import our_fleet, server

LISTENING = "0A"


def addresses(pid: int) -> set[str]:
    """The local addresses, in the kernel's hex, at which a process and what it started listen."""
    inodes = {link for each in family(pid) for link in links(each)}
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return {
        row[1].partition(":")[0]
        for row in rows
        if row[3] == LISTENING and f"socket:[{row[9]}]" in inodes
    }


def family(pid: int) -> list[int]:
    started = [
        children.read_text().split() for children in Path(f"/proc/{pid}/task").glob("*/children")
    ]  # by each of its threads
    return [pid, *(member for one in started for child in one for member in family(int(child)))]


def sleepers(pid: int) -> list[int]:
    """Return the processes of the family that have become `sleep`; before, they are forks."""
    return [
        member for member in family(pid) if Path(f"/proc/{member}/comm").read_text() == "sleep\n"
    ]


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
    running = our_fleet()
    if running is None:
        pytest.skip("The servers are somebody else's.")

    found = {process.name: addresses(process.pid) for process in running.processes}
    assert all(found.values()), found
    assert set().union(*found.values()) <= LOOPBACK


def test_fetching_packages_installs_none(tmp_path: Path, monkeypatch):
    """What is only downloaded and unpacked runs no script.

    Nothing can be registered with the system, started or enabled.
    """
    commands: list[str] = []
    monkeypatch.setattr(packages, "CACHE", tmp_path)
    monkeypatch.setattr(packages, "_run", lambda command: commands.append(" ".join(command)))
    monkeypatch.setattr(packages, "_relocate_erlang", lambda root: None)  # there is none
    packages.debian_root.__wrapped__()

    assert any(command.startswith("apt-get") and " install " in command for command in commands)
    assert all("--download-only" in command for command in commands if " install " in command)
    assert not any(command.startswith("dpkg ") for command in commands)


def test_a_longer_list_of_packages_is_fetched_anew(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(packages, "CACHE", tmp_path)
    monkeypatch.setattr(packages, "_run", lambda _command: None)
    monkeypatch.setattr(packages, "_relocate_erlang", lambda root: None)
    before = packages.debian_root.__wrapped__()
    monkeypatch.setattr(packages, "DEBIAN", (*packages.DEBIAN, "one-more"))

    assert packages.debian_root.__wrapped__() != before
    with pytest.raises(ServiceError, match="Delete that folder"):
        packages.the_one(before, "usr/bin/none")


COMMAND = """
import sys
from pathlib import Path
from scripts.services import __main__, fleet
from scripts.services.process import Server

fleet.RECORDS = Path(sys.argv[1])
def without_answers(patience):
    def mute(folder):
        return Server("mute", folder, ["sleep", "600"], {}, lambda: 1 / 0, patience=patience)

    return fleet.Kind(mute, "MUTE")

for name in fleet.KINDS.keys() - {"redis"}:
    del fleet.KINDS[name]
if "never" in sys.argv:
    fleet.KINDS["never"] = without_answers(600)
if "mute" in sys.argv:
    fleet.KINDS["mute"] = without_answers(2)
sys.exit(__main__.main(sys.argv[2:]))
"""
"""`python -m scripts.services` with Redis alone, and with one that starts but does not answer."""


def services(records: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(records), *arguments],
        env={name: value for name, value in os.environ.items() if not name.startswith(TEST_PREFIX)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def until(question: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def redis_beside_a_command(
    records: Path,
) -> Iterator[tuple[subprocess.Popen[str], Callable[[], bool]]]:
    """Run a command that ends with its input; give it, and what tells whether its Redis answers."""
    server("REDIS_URL")
    with services(records, "run", "sh", "-c", "echo $AGENTGUARD_TEST_REDIS_URL; cat") as running:
        url = running.stdout.readline().strip()

        def answers() -> bool:
            try:
                with Redis.from_url(url) as asked:
                    return bool(asked.ping())
            except RedisError:
                return False

        try:
            yield running, answers
        finally:
            running.kill()


def test_two_that_run_side_by_side_have_servers_of_their_own(tmp_path: Path):
    with redis_beside_a_command(tmp_path) as (first, first_answers):
        with redis_beside_a_command(tmp_path) as (second, second_answers):
            assert first_answers()
            assert second_answers()
            second.communicate()
            assert second.returncode == 0
            assert not second_answers()
        assert first_answers()
        first.communicate()
        assert not first_answers()
    assert not list(tmp_path.glob("*.json"))


def test_what_a_killed_one_leaves_behind_the_next_one_stops(tmp_path: Path):
    with redis_beside_a_command(tmp_path) as (running, answers):
        running.kill()
        running.wait()
        assert answers()

        with services(tmp_path, "stop") as stopping:
            assert stopping.wait() == 0
        assert not answers()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_start_that_is_broken_off_leaves_nothing_running(tmp_path: Path, number: signal.Signals):
    server("REDIS_URL")
    with services(tmp_path, "start", "redis", "never") as starting:
        until(lambda: len(family(starting.pid)) == 3)
        begun = family(starting.pid)[1:]
        starting.send_signal(number)

        assert starting.wait() != 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in begun)


def test_a_server_that_is_spawned_after_all_were_stopped_is_stopped_too(
    tmp_path: Path, monkeypatch
):
    late: list[Server] = []

    def unanswered() -> None:
        raise OSError

    def mute(folder: Path) -> Server:
        late.append(Server("mute", folder, ["sleep", "600"], {}, unanswered, patience=600))
        return late[0]

    monkeypatch.setitem(fleet.KINDS, "mute", fleet.Kind(mute, "MUTE"))
    start = fleet.Start(tmp_path)
    start.stop()
    start.one("mute")

    assert "was stopped while it started" in start.missing["mute"]
    assert late[0].pid > 0
    assert not late[0].alive()


def test_who_starts_but_does_not_answer_is_stopped_and_named(tmp_path: Path):
    with services(tmp_path, "start", "redis", "mute") as starting:
        until(lambda: sleepers(starting.pid))
        (mute,) = sleepers(starting.pid)
        told = starting.stdout.read()

    assert starting.returncode == 1
    assert "AGENTGUARD_REDIS_URL=" in told
    assert not Path(f"/proc/{mute}").exists()
    with services(tmp_path, "stop") as stopping:
        assert stopping.wait() == 0


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


def test_the_port_of_a_server_is_given_to_no_outgoing_connection():
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])

    ports = [free_port() for _ in range(100)]

    assert all(10_000 <= port < first_ephemeral for port in ports)
    assert len(set(ports)) > 90


def test_a_port_in_use_is_not_chosen(monkeypatch):
    with socket.socket() as taken, socket.socket() as unused:
        taken.bind(("127.0.0.1", free_port()))
        unused.bind(("127.0.0.1", free_port()))
        port, other = taken.getsockname()[1], unused.getsockname()[1]
        unused.close()
        monkeypatch.setattr(process.SYSTEM_RANDOM, "sample", lambda *_: [port, other])

        assert free_port() == other


def test_a_server_that_does_not_start_says_why(tmp_path: Path):
    def never() -> None:
        raise ConnectionError("nobody there")

    broken = Server(
        "broken", tmp_path, ["sh", "-c", "echo the disk is full >&2; exit 1"], {}, never
    )
    with pytest.raises(ServiceError, match="nobody there") as told:
        broken.start()
    assert "the disk is full" in str(told.value)


def test_of_a_server_that_the_environment_names_nothing_of_ours_is_told():
    ours = {
        "neo4j": {"NEO4J_URI": "bolt://ours", "NEO4J_PASSWORD": "ours"},
        "redis": {"AGENTGUARD_REDIS_URL": "redis://ours"},
    }

    assert for_tests(ours, {"AGENTGUARD_TEST_NEO4J_URI": "bolt://mine"}) == {
        "AGENTGUARD_TEST_REDIS_URL": "redis://ours"
    }
