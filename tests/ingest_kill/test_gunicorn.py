"""Four worker processes on one data directory.

What was acknowledged is there, once, whoever was killed; a stop lets work finish.
"""

from __future__ import annotations

import http.client
import json as jsonlib
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.services.process import free_port
from tests.databases import empty_database
from tests.ingest_kill.senders import Senders, shown_live, stored, wait_for
from tests.neo4j_server import empty_neo4j
from tests.services import redis_url
from tests.traces.spans import json

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("neo4j")]

WORKERS = 4
STARTED = re.compile(r"\[(\d+)\] \[INFO\] Application startup complete")


class Gunicorn:
    """A running gunicorn."""

    def __init__(self, directory: Path, **settings: str) -> None:
        self.port, self.log = free_port(), directory / "gunicorn.log"
        environment = {
            "PATH": os.environ["PATH"],
            "API_PORT": str(self.port),
            "AGENTGUARD_DATA_DIR": str(directory / "data"),
            "AGENTGUARD_OTLP_GRPC_PORT": "0",
            **settings,
        }
        arguments = [
            "-m",
            "gunicorn",
            "-c",
            "python:agentguard.web.gunicorn",
            "--workers",
            str(WORKERS),
            "agentguard.web.asgi:app",
        ]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                env=environment,
                stdout=log,
                stderr=log,
                cwd=directory,
                start_new_session=True,
            )

    def workers(self, least: int) -> list[int]:
        """Return the pids of all workers that ever came up, waiting until there were so many."""
        until = time.monotonic() + 120
        while len(found := [int(pid) for pid in STARTED.findall(self.log.read_text())]) < least:
            assert time.monotonic() < until, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        return found

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def running(directory: Path, **settings: str) -> Iterator[Gunicorn]:
    server = Gunicorn(directory, **settings)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait(60)


@pytest.fixture
async def settings():
    """Those of the real services."""
    with empty_neo4j() as place:
        async with empty_database("postgresql") as database:
            yield {
                "DATABASE_URL": database.url,
                "REDIS_URL": redis_url(),
                "NEO4J_URI": place.uri,
                "NEO4J_USER": place.user,
                "NEO4J_PASSWORD": place.password,
            }


@pytest.mark.parametrize("kills", [1, pytest.param(3, marks=pytest.mark.matrix)])
async def test_killed_workers_lose_and_double_nothing(
    tmp_path: Path, settings: dict[str, str], kills: int
):
    senders = Senders()
    with running(tmp_path, **settings) as server:
        killed: list[int] = []
        for round_ in range(kills):
            workers = server.workers(WORKERS + round_)
            threads = [
                thread for _ in range(3) for thread in senders.send_until_it_dies(server.port)
            ]
            wait_for(senders, len(senders.acknowledged) + 200)
            killed.append(next(pid for pid in workers if pid not in killed))
            os.kill(killed[-1], signal.SIGKILL)
            threads += senders.send_until_it_dies(
                server.port
            )  # should all the others have been its clients
            wait_for(senders, len(senders.acknowledged) + 200)
            senders.stop(threads)
        shown = shown_live(server.port, len(senders.acknowledged))
        assert server.stop() == 0
    kept = await stored(tmp_path / "data")

    assert senders.acknowledged - kept.keys() == set()
    assert {span for span, times in kept.items() if times != 1} == set()
    assert shown == {"spans": len(kept), "duplicates": 0}
    assert list((tmp_path / "data" / "log").iterdir()) == []


async def test_a_stop_lets_what_is_in_work_finish(tmp_path: Path, settings: dict[str, str]):
    delivery = json(range(1, 50))
    with running(tmp_path, **settings) as server:
        server.workers(WORKERS)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.putrequest("POST", "/v1/traces")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(delivery.body)))
        connection.putheader("Expect", "100-continue")
        connection.endheaders()
        assert select.select([connection.sock], [], [], 60)[0], (
            "no worker has begun to read the body"
        )
        server.process.send_signal(signal.SIGTERM)
        connection.send(delivery.body)
        answer = connection.getresponse()
        connection.close()

        assert answer.status == 200
        assert server.process.wait(60) == 0
    assert (await stored(tmp_path / "data")).keys() == set(range(1, 50))
    assert list((tmp_path / "data" / "log").iterdir()) == []


async def test_open_streams_do_not_hold_up_a_stop(tmp_path: Path, settings: dict[str, str]):
    with running(tmp_path, **settings) as server:
        server.workers(WORKERS)
        connections = [
            http.client.HTTPConnection("127.0.0.1", server.port, timeout=60) for _ in range(6)
        ]
        for connection in connections:
            connection.request("GET", "/api/events")
        streams = [connection.getresponse() for connection in connections]
        server.process.send_signal(signal.SIGTERM)
        for stream in streams:
            stream.read()  # to its end
            stream.close()
        for connection in connections:
            connection.close()

        assert server.process.wait(60) == 0
        assert "SIGKILL" not in server.log.read_text()


async def test_every_worker_gives_the_same_answers(tmp_path: Path, settings: dict[str, str]):
    body = jsonlib.dumps(
        [{"traceId": "t", "spans": [{"spanId": "s", "serviceName": "PricingAgent"}]}]
    )
    with running(tmp_path, **settings) as server:
        server.workers(WORKERS)
        made = request(server.port, "POST", "/api/scan?dataset=shop", body)
        answers = {request(server.port, "GET", "/api/graph?dataset=shop") for _ in range(20)}
        counted = {
            line
            for _ in range(20)
            for line in request(server.port, "GET", "/metrics").splitlines()
            if "spans_received_total{" in line
        }
        simulated = {
            request(
                server.port,
                "POST",
                "/api/simulate",
                '{"agent_id": "PricingAgent", "dataset": "shop"}',
            )
            for _ in range(20)
        }

    assert jsonlib.loads(made)["total_agents"] == 1
    assert len(answers) == len(simulated) == 1
    assert all('process="' in line for line in counted)
    assert len(counted) <= WORKERS


def request(port: int, method: str, path: str, body: str | None = None) -> str:
    """Ask over a connection of its own, which any worker may take."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == 200, text
    return text
