"""Bringing jobs to those who run them: in the server's process, by RabbitMQ, by Redis.

With real brokers and real worker processes.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from agentguard.bootstrap.app import App
from agentguard.bootstrap.broker import dispatcher_of
from agentguard.bootstrap.opening import open_app
from agentguard.compute.tasks import task_group
from agentguard.jobs.dispatch import (
    BrokerUnavailableError,
    DeadLetter,
    JobDispatcher,
    NoDeadLettersError,
)
from agentguard.jobs.embedded import EmbeddedRunner
from agentguard.jobs.model import Job, JobEndedError, JobState
from agentguard.jobs.sweep import Sweep
from agentguard.kernel.clock import NS_PER_SECOND, system_clock
from agentguard.settings import Settings
from scripts.services.process import free_port
from tests.acting import TESTER
from tests.conformance.job_stores import add_job
from tests.jobs.opening import until
from tests.jobs.uploads import submit_held_scan, submit_scan, submit_troubled_scan
from tests.jobs.worker_process import working
from tests.services import server

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("job_delivery")]

LEASE_SECONDS = 2.0
ATTEMPTS = 2

GAPS: dict[tuple[str, str], type[Exception]] = {
    (
        "embedded",
        "dead letters",
    ): NoDeadLettersError,  # there is no broker to keep them: the jobs table says what failed
    ("redis", "dead letters"): NoDeadLettersError,  # Redis has no dead-letter queue: likewise
    ("rabbitmq", "nobody there"): BrokerUnavailableError,
    ("redis", "nobody there"): BrokerUnavailableError,
}
"""Who cannot do what, and what it raises instead."""


@dataclass(frozen=True)
class Place:
    """A data directory, and who brings its jobs to whom."""

    kind: str
    directory: Path
    broker: str | None
    queue: str

    @property
    def settings(self) -> Settings:
        return Settings(
            data_dir=self.directory / "data",
            celery_broker_url=SecretStr(self.broker) if self.broker else None,
            jobs_queue=self.queue,
            job_lease_seconds=LEASE_SECONDS,
            job_attempts=ATTEMPTS,
        )

    def working(self, **how):
        """A worker process, where there is a broker."""
        if self.broker is None:
            return nullcontext()
        variables = {
            "AGENTGUARD_JOBS_QUEUE": self.queue,
            "AGENTGUARD_JOB_LEASE_SECONDS": str(LEASE_SECONDS),
            "AGENTGUARD_JOB_ATTEMPTS": str(ATTEMPTS),
            "AGENTGUARD_SHUTDOWN_SECONDS": "1",
        }
        return working(self.directory, self.broker, **variables, **how)

    def gap(self, feature: str):
        missing = GAPS.get((self.kind, feature))
        return pytest.raises(missing) if missing else nullcontext()


def broker_of(kind: str) -> str | None:
    match kind:
        case "rabbitmq":
            return server("CELERY_BROKER_URL")
        case "redis":
            return f"redis://{urlsplit(server('REDIS_URL')).netloc}/7"
    return None


@pytest.fixture(scope="module", params=["embedded", "rabbitmq", "redis"])
def idle(request, tmp_path_factory) -> Place:
    """A place where nobody works yet."""
    queue = f"test.{secrets.token_hex(4)}"
    return Place(
        request.param, tmp_path_factory.mktemp(request.param), broker_of(request.param), queue
    )


@pytest.fixture(scope="module")
def place(idle: Place) -> Iterator[Place]:
    """A place where somebody works."""
    with idle.working():
        yield idle


class Ended:
    """A job that has ended, with times and a result that are there."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.started_at, self.finished_at, self.result = (
            job.started_at or 0,
            job.finished_at or 0,
            job.result or {},
        )

    @property
    def summary(self) -> tuple[JobState, int]:
        return self.job.state, self.job.attempts


@dataclass
class Running:
    """The jobs as a server process sees them: it sweeps and, without a broker, runs them too."""

    app: App
    dispatcher: JobDispatcher

    async def ended(self, job: Job) -> Ended:
        async def end() -> Job | None:
            now = await self.app.jobs.get(job.id)
            return now if now.state.final else None

        return Ended(await until(end, seconds=60))

    async def cleared(self) -> bool:
        return not list(self.app.uploaded.folder.iterdir())

    async def lacks(self, job: Job) -> bool:
        return not (self.app.uploaded.folder / job.request["file"]).exists()

    async def letters(self, job_id: str) -> list[DeadLetter]:
        async def found() -> list[DeadLetter]:
            return [
                letter for letter in await self.dispatcher.dead_letters() if letter.job_id == job_id
            ]

        return await until(found)


@asynccontextmanager
async def running(place: Place) -> AsyncIterator[Running]:
    async with open_app(place.settings) as app, serving(place, app) as here:
        yield here


@asynccontextmanager
async def serving(place: Place, app: App) -> AsyncIterator[Running]:
    """What a server process does about jobs; leaving this stops it in good order."""
    embedded = EmbeddedRunner(app.attempts) if place.broker is None else None
    dispatcher = embedded or dispatcher_of(place.settings)
    sweep = Sweep(app.jobs.store, dispatcher, system_clock, LEASE_SECONDS, app.attempts.clear)
    async with task_group() as tasks:
        loops = [
            tasks.create_task(loop()) for loop in (sweep.run, *([embedded.run] if embedded else []))
        ]
        try:
            yield Running(replace(app, jobs=replace(app.jobs, wake=sweep.wake)), dispatcher)
        finally:
            for loop in loops:
                loop.cancel()


async def test_a_job_ends_and_its_result_is_in_the_table(place: Place):
    async with running(place) as here:
        done = await here.ended(await submit_scan(here.app, "done"))

        assert (*done.summary, done.result["total_agents"]) == (JobState.SUCCEEDED, 1, 1)
        assert (await here.app.graphs.newest("done")).id == done.result["graph_version"]
        await until(here.cleared, seconds=60)


async def test_jobs_of_every_kind_have_who_does_them(place: Place):
    async with running(place) as here:
        await here.ended(await submit_scan(here.app, "kinds"))
        failure = {
            "wanted": ["PricingAgent"],
            "groups": [],
            "method": None,
            "seed": 0,
            "dataset": "kinds",
        }
        asked = [
            await here.app.jobs.submit(TESTER, kind, failure) for kind in ("simulation", "playbook")
        ]

        simulation, playbook = [await here.ended(job) for job in asked]

        assert simulation.result["failed_agent"] == "agent:pricingagent"
        assert playbook.result["steps"]


async def test_a_kind_that_only_a_newer_version_knows_waits_for_it_and_holds_up_nobody(
    place: Place,
):
    async with running(place) as here:
        known = await here.app.jobs.submit(TESTER, "playbook", {})
        unknown = replace(known, id=f"{known.id}-unknown", kind="of_tomorrow")
        await add_job(here.app.jobs.store, unknown)
        await here.ended(await submit_scan(here.app, "after"))
        await here.ended(await submit_scan(here.app, "long-after"))

        waiting = await here.app.jobs.get(unknown.id)
        assert (waiting.state.final, waiting.error, waiting.result) == (False, None, None)


async def test_no_job_runs_before_its_time(place: Place):
    async with running(place) as here:
        job = await here.app.jobs.submit(TESTER, "playbook", {})
        later = replace(job, id=f"{job.id}-later", due_at=system_clock() + 2 * NS_PER_SECOND)
        await add_job(here.app.jobs.store, later)

        ended = await here.ended(later)

        assert ended.started_at >= later.due_at


async def test_a_job_that_is_delivered_many_times_runs_once(place: Place):
    async with running(place) as here:
        job = await submit_scan(here.app, "many")
        for _ in range(5):
            await here.dispatcher.deliver(job)
        after = await submit_scan(here.app, "after")

        assert (await here.ended(job)).summary == (JobState.SUCCEEDED, 1)
        assert (await here.ended(after)).summary == (JobState.SUCCEEDED, 1)
        assert (await here.app.jobs.get(job.id)).attempts == 1


async def test_a_job_whose_holder_vanished_goes_to_another_when_the_lease_has_run_out(place: Place):
    async with open_app(place.settings) as app:
        job = await submit_scan(app, "vanished")
        now = system_clock()
        held = await app.jobs.store.claim(job.id, now=now, until=now + NS_PER_SECOND)
    async with running(place) as here:
        await here.dispatcher.deliver(job)  # a broker would, at once
        ended = await here.ended(job)

        assert ended.summary == (JobState.SUCCEEDED, 2)
        assert held is not None
        assert ended.started_at >= held.due_at


async def test_a_cancelled_job_never_starts_and_its_delivery_clears_the_upload(place: Place):
    async with open_app(place.settings) as app:
        job = await submit_scan(app, "cancelled")
        cancelled = await app.jobs.cancel(TESTER, job.id)
        again = await app.jobs.cancel(TESTER, job.id)
    async with running(place) as here:
        await here.dispatcher.deliver(job)  # a broker that had it before
        after = await here.ended(await submit_scan(here.app, "after"))
        seen = await here.app.jobs.get(job.id)

        assert (cancelled.state, again.state) == (JobState.CANCELLED, JobState.CANCELLED)
        assert (seen.state, seen.attempts, seen.started_at) == (JobState.CANCELLED, 0, None)
        assert after.summary == (JobState.SUCCEEDED, 1)
        assert "cancelled" not in {d.name for d in await here.app.graphs.datasets()}
        await until(lambda: here.lacks(job), seconds=60)


async def test_a_running_job_that_is_cancelled_stops_and_stores_nothing(
    idle: Place, tmp_path: Path
):
    place = replace(idle, directory=tmp_path, queue=f"{idle.queue}.cancel")
    async with open_app(place.settings) as app:
        held = await submit_held_scan(app, "stopped")
        with place.working():
            async with serving(place, app) as here:
                await held.is_read()
                cancelled = await app.jobs.cancel(TESTER, held.job.id)
                await held.feed()  # what is read from now on does not count
                after = await here.ended(await submit_scan(here.app, "after"))
                await until(lambda: here.lacks(held.job), seconds=60)
        seen = await app.jobs.get(held.job.id)
        with pytest.raises(JobEndedError):
            await app.jobs.cancel(TESTER, after.job.id)

        assert (cancelled.state, cancelled.attempts) == (JobState.CANCELLED, 1)
        assert (seen.state, seen.result, seen.error) == (JobState.CANCELLED, None, None)
        assert after.summary == (JobState.SUCCEEDED, 1)
        assert {d.name for d in await app.graphs.datasets()} == {"after"}


async def test_trouble_is_tried_again_later_and_ends_as_a_failure_and_a_dead_letter(place: Place):
    async with running(place) as here:
        job = await submit_troubled_scan(here.app)
        failed = await here.ended(job)

        assert (*failed.summary, failed.job.error.code) == (JobState.FAILED, ATTEMPTS, "internal")
        assert failed.finished_at - failed.job.created_at >= NS_PER_SECOND
        with place.gap("dead letters"):
            (letter,) = await here.letters(job.id)
            assert (letter.task, letter.reason) == ("agentguard.scan_task", "rejected")
            assert abs((letter.died_at or 0) - failed.finished_at) < 60 * NS_PER_SECOND
            assert await here.letters(job.id) == [letter]  # looking takes nothing away


async def test_a_delivery_of_no_job_is_set_aside_and_the_next_one_goes_on(place: Place):
    async with running(place) as here:
        now = system_clock()
        await here.dispatcher.deliver(Job("no-such-job", "scan", {}, now, now, now))
        done = await here.ended(await submit_scan(here.app, "next"))

        assert done.summary == (JobState.SUCCEEDED, 1)
        with place.gap("dead letters"):
            (letter,) = await here.letters("no-such-job")
            assert letter.reason == "rejected"


async def test_whether_the_broker_answers_is_known(idle: Place):
    async with open_app(idle.settings) as app:
        await (dispatcher_of(idle.settings) if idle.broker else EmbeddedRunner(app.attempts)).ping()
        nowhere = idle.settings.model_copy(update={"celery_broker_url": _elsewhere(idle)})
        with idle.gap("nobody there"):
            await (dispatcher_of(nowhere) if idle.broker else EmbeddedRunner(app.attempts)).ping()
        with idle.gap("nobody there"):
            now = system_clock()
            await (dispatcher_of(nowhere) if idle.broker else EmbeddedRunner(app.attempts)).deliver(
                Job("x", "scan", {}, now, now, now)
            )


def _elsewhere(place: Place):
    known = place.settings.celery_broker_url
    return known and type(known)(
        f"{urlsplit(known.get_secret_value()).scheme}://127.0.0.1:{free_port()}/"
    )


async def test_who_is_told_to_stop_gives_its_job_back_uncounted(idle: Place, tmp_path: Path):
    place = replace(idle, directory=tmp_path, queue=f"{idle.queue}.stop")
    async with open_app(place.settings) as app:
        held = await submit_held_scan(app, "stopped")
        with place.working(name="first") as worker:
            async with serving(place, app) as here:
                await held.is_read()
                if worker is not None:
                    assert await asyncio.to_thread(worker.stop) == 0
        given_back = await app.jobs.get(held.job.id)
        assert (given_back.state, given_back.attempts, given_back.fence) == (JobState.QUEUED, 0, 1)
        if worker is None:
            await (
                held.feed()
            )  # the thread that read it goes on until now; what it finds does not count
            await app.scans.large_workers.run(lambda _dialects: None)

        with place.working(name="second"):
            async with serving(place, app) as here, asyncio.TaskGroup() as tasks:
                tasks.create_task(held.feed())
                done = await here.ended(held.job)

        assert done.summary == (JobState.SUCCEEDED, 1)
