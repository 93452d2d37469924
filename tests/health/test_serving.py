"""A real server.

What dies beside it, inside it and below it shows in its health, and nothing has to be started again
by hand.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from scripts.services.neo4j import neo4j
from scripts.services.postgresql import postgresql
from scripts.services.process import Server as Service
from scripts.services.rabbitmq import rabbitmq
from scripts.services.redis import redis
from tests.ingest_kill.senders import shown_live
from tests.services import own
from tests.traces.spans import json
from tests.web.process import Server, running

pytestmark = pytest.mark.xdist_group("health")

SERVICES: dict[str, Callable[[Path], Service]] = {
    "database": postgresql,
    "neo4j": neo4j,
    "redis": redis,
    "broker": rabbitmq,
}
"""Services by the name of the part that a server has once their settings are given."""


SLOW = ("neo4j", "broker")
"""Those that take seconds to start: `make test-all` kills and stops them too."""


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.matrix if name in SLOW else ()) for name in SERVICES
    ],
    scope="module",
)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def service(name: str) -> Iterator[Service]:
    with tempfile.TemporaryDirectory() as folder, own(SERVICES[name], Path(folder)) as started:
        yield started


def ready(server: Server, status: int) -> dict[str, Any]:
    """Return what readiness says once it answers with this status."""
    give_up = time.monotonic() + 120
    while (answer := httpx.get(f"{server.url}/health/ready", timeout=60)).status_code != status:
        assert time.monotonic() < give_up, answer.text
        time.sleep(0.05)
    return dict(answer.json())


def downs(document: dict[str, Any]) -> set[str]:
    return {name for name, part in document["parts"].items() if part["status"] == "down"}


def test_a_service_that_dies_is_named_and_comes_back_by_itself(tmp_path, service, name):
    with running(tmp_path, **service.settings) as server:
        assert ready(server, 200)["parts"][name]["error"] is None

        service.kill()
        down = ready(server, 503)
        assert name in downs(down)
        assert re.match(r"\w+Error\. Start ", down["parts"][name]["error"])
        assert httpx.get(f"{server.url}/health/live", timeout=60).status_code == 200

        service.start()
        assert downs(ready(server, 200)) == set()
        assert f"part={name}" in server.log.read_text()
        assert server.stop() == 0


def test_a_service_that_only_stops_answering_does_not_stop_the_answer(tmp_path, service, name):
    with running(tmp_path, **service.settings) as server:
        ready(server, 200)

        processes = [
            service.pid,
            *children(service.pid),
        ]  # PostgreSQL answers from processes of their own
        signal_all(processes, signal.SIGSTOP)
        try:
            down = ready(server, 503)
        finally:
            signal_all(processes, signal.SIGCONT)
        assert name in downs(down)
        assert down["parts"]["spans"]["status"] == "up"

        assert downs(ready(server, 200)) == set()
        assert server.stop() == 0


def test_a_worker_process_that_dies_is_told_once_and_started_again(tmp_path):
    with running(tmp_path) as server:
        ready(server, 200)
        for pid in workers_of(server.process.pid):
            os.kill(pid, signal.SIGKILL)

        assert downs(ready(server, 503)) & {"workers", "live_graph"}
        assert downs(ready(server, 200)) == set()
        assert server.stop() == 0


def workers_of(pid: int) -> list[int]:
    """Return the worker processes.

    Those that multiprocessing spawned for work, not its own tracker.
    """
    found = [
        child
        for child in children(pid)
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    assert found
    return found


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def test_a_live_graph_that_nobody_keeps_is_called_stale_since_a_time(tmp_path):
    with running(tmp_path) as server:
        ready(server, 200)

        until = time.monotonic() + 120
        while (detail := _give_the_lease_away(tmp_path, server)) is None:
            assert time.monotonic() < until
            time.sleep(0.5)
        assert re.fullmatch(r"stale since 2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ", detail)

        while live_graph(server)["detail"] is not None:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert server.stop() == 0


def _give_the_lease_away(tmp_path: Path, server: Server) -> str | None:
    """Give the lease to a process of another host that does nothing; return what health says."""
    time_in = "strftime('%Y-%m-%d %H:%M:%f000', 'now', ?)"
    with closing(sqlite3.connect(tmp_path / "data" / "agentguard.db", timeout=30)) as database:
        database.execute(
            f"UPDATE leases SET holder = 'elsewhere', until = {time_in}, done_at = {time_in}"  # noqa: S608
            " WHERE name = 'live'",
            ("+8 seconds", "-1 hours"),
        )
        database.commit()
    detail: str | None = live_graph(server)["detail"]
    return detail


def live_graph(server: Server) -> dict[str, Any]:
    answer = httpx.get(f"{server.url}/health/ready", timeout=60).json()
    return dict(answer["parts"]["live_graph"])


def test_damaged_and_foreign_span_files_are_named_and_the_rest_goes_on(tmp_path):
    with running(tmp_path) as server:
        post_spans(server, 1)
        shown_live(server.port, 1)
        (part,) = (tmp_path / "data" / "spans").glob("*/*.parquet")
        content = bytearray(part.read_bytes())
        content[len(content) // 2] ^= 1
        part.write_bytes(content)
        part.with_name("notes.parquet").write_bytes(b"x")

        post_spans(server, 2, 3)
        assert shown_live(server.port, 2) == {"spans": 2, "duplicates": 0}
        detail = ready(server, 200)["parts"]["spans"]["detail"]
        assert part.name in detail
        assert "notes.parquet" in detail
        assert server.stop() == 0
        assert server.log.read_text().count("file_quarantined") == 2
        assert "Traceback" not in server.log.read_text()


def post_spans(server: Server, *spans: int) -> None:
    delivery = json(list(spans))
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"{server.url}/v1/traces", content=delivery.body, headers=headers)
    assert answer.status_code == 200, answer.text


def test_a_data_directory_that_is_gone_shows_though_open_files_still_answer(tmp_path):
    with running(tmp_path) as server:
        ready(server, 200)

        shutil.rmtree(tmp_path / "data")
        down = ready(server, 503)

        assert downs(down) >= {"database", "spans"}
        assert down["parts"]["spans"]["error"].startswith("FileNotFoundError. ")
        assert httpx.get(f"{server.url}/health/live", timeout=60).status_code == 200
        assert str(tmp_path) not in str(down)


def test_everything_is_told_to_prometheus(tmp_path):
    with running(tmp_path) as server:
        parts = ready(server, 200)["parts"]

        told = httpx.get(f"{server.url}/metrics", timeout=60).text
        assert set(re.findall(r'agentguard_part_up\{part="(\w+)"\} 1\.0', told)) == set(parts)
        assert set(
            re.findall(r'agentguard_part_check_seconds\{part="(\w+)"\} [\d.e-]+', told)
        ) == set(parts)
