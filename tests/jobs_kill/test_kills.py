"""Whatever is killed while jobs wait and run, every job ends exactly once.

One end in the table, one graph in its dataset.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import random
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select

from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.adapters.sql.tables import graph_versions
from agentguard.bootstrap.app import App
from agentguard.bootstrap.opening import open_app
from agentguard.jobs.model import Job, JobState
from agentguard.settings import Settings
from scripts.services import process
from scripts.services.rabbitmq import rabbitmq
from scripts.services.redis import redis
from tests.databases import empty_database
from tests.jobs.opening import until
from tests.jobs.uploads import spans, submit_held_scan, submit_scan
from tests.jobs.worker_process import Worker, working
from tests.services import own
from tests.web.process import Server, running

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("jobs_kill")]

LEASE_SECONDS = 2.0


@pytest.fixture(scope="module", params=[rabbitmq, pytest.param(redis, marks=pytest.mark.matrix)])
def broker(request, tmp_path_factory) -> Iterator[process.Server]:
    with own(request.param, tmp_path_factory.mktemp("broker")) as server:
        yield server


@pytest.fixture
async def database(broker: process.Server) -> AsyncIterator[PostgreSQL | None]:
    """RabbitMQ beside PostgreSQL, Redis beside SQLite: both of each, without every combination."""
    async with empty_database("postgresql" if broker.name == "rabbitmq" else "sqlite") as server:
        yield server


@dataclass
class Fleet:
    """A server and what stands around it, all in processes of their own.

    `app` looks at the same data.
    """

    directory: Path
    broker: process.Server
    database: PostgreSQL | None
    app: App
    variables: dict[str, str]
    began: float = field(default_factory=time.monotonic)
    kills: int = 0

    @property
    def url(self) -> str:
        return url_of(self.broker)

    def serving(self):
        return running(
            self.directory, CELERY_BROKER_URL=self.url, AGENTGUARD_JOB_BYTES="0", **self.variables
        )

    def working(self, **how):
        return working(self.directory, self.url, **self.variables, **how)

    def kill(self, *victims: Server | Worker | process.Server) -> None:
        for victim in victims:
            victim.kill()
            self.kills += 1

    async def broker_knows_the_queue(self) -> None:
        """Wait until the broker would know it after a crash: RabbitMQ 3.10 writes down a new quorum
        queue up to half a second later.

        Killed before that it comes back with a queue that neither takes nor gives anything.
        """

        async def written() -> bool:
            books = list(self.broker.folder.glob("mnesia/*/quorum/*/names.dets"))
            return not books or any(
                self.variables["AGENTGUARD_JOBS_QUEUE"].encode() in book.read_bytes()
                for book in books
            )

        await until(written)

    async def attempt(self, job: Job, number: int) -> Job:
        """Return the job once it runs for this time."""

        async def runs() -> Job | None:
            now = await self.app.jobs.get(job.id)
            return now if (now.state, now.attempts) == (JobState.RUNNING, number) else None

        return await until(runs, seconds=60)

    async def all_ended(
        self, jobs: Sequence[Job], *, attempts: Sequence[int] | None = None
    ) -> None:
        """Wait for the end of all, then check that each has ended well and left one graph.

        Say how long it took and what was killed.
        """

        async def none_left() -> bool:
            return not await self.app.jobs.store.unfinished()

        await until(none_left, seconds=120)
        ended = [await self.app.jobs.get(job.id) for job in jobs]
        assert [(job.state, job.error) for job in ended] == [(JobState.SUCCEEDED, None)] * len(jobs)
        assert attempts is None or [job.attempts for job in ended] == list(attempts)
        assert await self._versions() == {str(job.request["dataset"]): 1 for job in ended}
        kept = [await self.app.graphs.newest(str(job.request["dataset"])) for job in ended]
        assert [version.id for version in kept] == [
            (job.result or {})["graph_version"] for job in ended
        ]
        for version in kept:
            assert (await self.app.graphs.runs(version.id)).runs.num_rows
        await until(self._no_upload_left, seconds=100)  # housekeeping runs every minute
        tried, seconds = sum(job.attempts for job in ended), time.monotonic() - self.began
        print(
            f"{self.broker.name}: {len(jobs)} jobs, {tried} attempts, {self.kills} kills,"
            f" {seconds:.1f} s"
        )

    async def _no_upload_left(self) -> bool:
        return not list(self.app.uploaded.folder.iterdir())

    async def _versions(self) -> dict[str, int]:
        counted = select(graph_versions.c.dataset, func.count().label("versions")).group_by(
            graph_versions.c.dataset
        )
        async with (
            open_database(self.directory / "data", self.database) as database,
            database.reading() as connection,
        ):
            return {row.dataset: row.versions for row in await connection.execute(counted)}


def url_of(broker: process.Server) -> str:
    return next(iter(broker.settings.values()))


@asynccontextmanager
async def fleet(
    directory: Path,
    broker: process.Server,
    database: PostgreSQL | None,
    *,
    attempts: int = 3,
    lease: float = LEASE_SECONDS,
) -> AsyncIterator[Fleet]:
    broker.start()  # an earlier test may have left it dead
    queue = f"kills.{secrets.token_hex(4)}"
    variables = {
        "AGENTGUARD_JOBS_QUEUE": queue,
        "AGENTGUARD_JOB_LEASE_SECONDS": str(lease),
        "AGENTGUARD_JOB_ATTEMPTS": str(attempts),
        "AGENTGUARD_SHUTDOWN_SECONDS": "1",
    }
    if database is not None:
        variables["DATABASE_URL"] = database.url
    settings = Settings(
        data_dir=directory / "data",
        celery_broker_url=SecretStr(url_of(broker)),
        database_url=SecretStr(database.url) if database else None,
        jobs_queue=queue,
    )
    async with open_app(settings) as app:
        yield Fleet(directory, broker, database, app, variables)


@pytest.mark.matrix
async def test_a_workers_child_killed_in_the_middle_of_a_job(tmp_path: Path, broker, database):
    async with fleet(tmp_path, broker, database) as here:
        with here.serving(), here.working() as worker:
            held = await submit_held_scan(here.app, "held")
            waiting = await submit_scan(here.app, "waiting")
            await held.is_read()
            here.kills += 1
            worker.kill_children()
            await here.attempt(held.job, 2)
            await held.feed()

            await here.all_ended([held.job, waiting], attempts=[2, 1])


async def test_a_whole_worker_killed_in_the_middle_of_a_job(tmp_path: Path, broker, database):
    async with fleet(tmp_path, broker, database) as here:
        with here.serving():
            with here.working(name="first") as worker:
                held = await submit_held_scan(here.app, "held")
                waiting = await submit_scan(here.app, "waiting")
                await held.is_read()
                here.kill(worker)
            with here.working(name="second"):
                await here.attempt(held.job, 2)
                await held.feed()

                await here.all_ended([held.job, waiting], attempts=[2, 1])


@pytest.mark.matrix
async def test_the_broker_killed_with_jobs_queued_and_running(tmp_path: Path, broker, database):
    """The running job goes on without the broker and ends while it is away: nothing runs twice."""
    async with fleet(tmp_path, broker, database) as here:
        with here.serving(), here.working():
            held = await submit_held_scan(here.app, "held")
            waiting = [await submit_scan(here.app, f"waiting-{n}") for n in range(3)]
            await held.is_read()
            await here.broker_knows_the_queue()
            here.kill(broker)
            await held.feed()
            await until(lambda: _has_ended(here, held.job))
            broker.start()

            await here.all_ended([held.job, *waiting], attempts=[1] * 4)


@pytest.mark.matrix
async def test_jobs_made_while_the_broker_is_away(tmp_path: Path, broker, database):
    async with fleet(tmp_path, broker, database) as here:
        with here.serving() as server, here.working():
            await here.broker_knows_the_queue()
            here.kill(broker)
            answers = [_scan(server, f"away-{n}") for n in range(5)]
            assert [status for status, _ in answers] == [202] * 5
            broker.start()

            await here.all_ended(
                [await here.app.jobs.get(document["id"]) for _, document in answers],
                attempts=[1] * 5,
            )


@pytest.mark.matrix
async def test_everything_killed_with_jobs_queued_and_running(tmp_path: Path, broker, database):
    async with fleet(tmp_path, broker, database) as here:
        with here.serving() as server, here.working(name="first") as worker:
            held = await submit_held_scan(here.app, "held")
            waiting = [
                await here.app.jobs.get(_scan(server, f"waiting-{n}")[1]["id"]) for n in range(3)
            ]
            await held.is_read()
            await here.broker_knows_the_queue()
            here.kill(broker, worker, server)
        broker.start()
        with here.serving(), here.working(name="second"):
            await here.attempt(held.job, 2)
            await held.feed()

            await here.all_ended([held.job, *waiting], attempts=[2, 1, 1, 1])


@pytest.mark.matrix
async def test_kills_at_any_moment_while_large_scans_are_worked_on(
    tmp_path: Path, broker, database
):
    """A kill may fall between the graph's commit and the job's.

    The next attempt leaves no second graph.
    """
    chance = random.Random(5)
    async with fleet(tmp_path, broker, database, attempts=100, lease=1) as here:
        with here.serving() as server:
            jobs = [
                await here.app.jobs.get(_scan(server, f"large-{n}", spans(4000))[1]["id"])
                for n in range(8)
            ]
            for turn in range(5):
                with here.working(concurrency=2, name=f"worker-{turn}") as worker:
                    for _ in range(2):
                        await asyncio.sleep(chance.uniform(0.2, 1.2))
                        here.kills += 1
                        worker.kill_children()
                    await asyncio.sleep(chance.uniform(0.2, 1.2))
                    here.kill(worker)
            with here.working(concurrency=2, name="last"):
                await here.all_ended(jobs)


async def _has_ended(here: Fleet, job: Job) -> bool:
    return (await here.app.jobs.get(job.id)).state.final


def _scan(server: Server, dataset: str, body: bytes | None = None) -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request(
            "POST",
            f"/api/scan?dataset={dataset}",
            body or spans(),
            {"Content-Type": "application/json"},
        )
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()
