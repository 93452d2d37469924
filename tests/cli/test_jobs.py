"""`agentguard jobs` and `agentguard worker`."""

from __future__ import annotations

import asyncio
import json
import secrets
from pathlib import Path
from typing import Any

import amqp
import pytest
from typer.testing import CliRunner, Result

from agentguard.adapters.celery.broker import Broker
from agentguard.adapters.celery.dispatcher import CeleryDispatcher
from agentguard.bootstrap.opening import open_app
from agentguard.cli.main import app
from agentguard.jobs.model import Job, JobError
from agentguard.kernel.clock import NS_PER_SECOND, system_clock
from agentguard.settings import Settings
from scripts.services.process import free_port
from tests.acting import TESTER
from tests.services import server


@pytest.fixture(autouse=True)
def _apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTGUARD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "140")


def agentguard(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), prog_name="agentguard")


def document(done: Result) -> dict:
    assert done.exit_code == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    """One that waits, one that was done, one that failed; oldest first."""

    async def make() -> list[Job]:
        async with open_app(Settings(data_dir=tmp_path / "data")) as opened:
            made = [
                await opened.jobs.submit(TESTER, kind, {}, total=10)
                for kind in ("scan", "simulation", "scan")
            ]
            now = system_clock()
            done, failed = [
                await opened.jobs.store.claim(job.id, now=now, until=now + NS_PER_SECOND)
                for job in made[1:]
            ]
            assert done
            assert failed
            await opened.jobs.store.release(done.succeed({"answer": 42}, now))
            await opened.jobs.store.release(
                failed.fail(JobError("no-usable-spans", "No span could be used."), now)
            )
            return made

    return asyncio.run(make())


@pytest.fixture
def dead_letter(monkeypatch, jobs: list[Job]) -> Job:
    """A job whose delivery RabbitMQ keeps as a dead letter."""
    broker = Broker(server("CELERY_BROKER_URL"), f"test.{secrets.token_hex(4)}")
    monkeypatch.setenv("CELERY_BROKER_URL", broker.url)
    monkeypatch.setenv("AGENTGUARD_JOBS_QUEUE", broker.queue)
    asyncio.run(CeleryDispatcher(broker, system_clock).deliver(jobs[2]))
    place = broker.url.partition("@")[2].rstrip("/")
    with amqp.Connection(place) as connection:
        channel: Any = connection.channel()
        channel.basic_reject(channel.basic_get(broker.queue).delivery_tag, requeue=False)
    return jobs[2]


@pytest.mark.usefixtures("jobs")
def test_without_a_matching_job_it_says_so():
    done = agentguard("jobs", "--kind", "playbook")

    assert done.exit_code == 0
    assert "No job matches." in done.stdout


def test_without_data_it_fails_and_creates_nothing(tmp_path: Path):
    done = agentguard("jobs", "--format", "json")

    assert done.exit_code == 1
    assert json.loads(done.stdout)["code"] == "no-data"
    assert not (tmp_path / "data").exists()


def test_jobs_are_shown_newest_first(jobs: list[Job]):
    listed = document(agentguard("jobs", "--format", "json"))
    table = agentguard("jobs").stdout

    assert [(job["id"], job["state"]) for job in listed["jobs"]] == [
        (jobs[2].id, "failed"),
        (jobs[1].id, "succeeded"),
        (jobs[0].id, "queued"),
    ]
    assert listed["next"] is None
    assert table.index(jobs[2].id) < table.index(jobs[0].id)
    assert "no-usable-spans: No span could be used." in " ".join(table.split())
    assert (listed["dead_letters"], "CELERY_BROKER_URL" in listed["dead_letters_note"]) == (
        None,
        True,
    )


def test_they_can_be_filtered_and_paged(jobs: list[Job]):
    scans = document(agentguard("jobs", "--kind", "scan", "--state", "failed", "--format", "json"))
    page = document(agentguard("jobs", "--limit", "2", "--format", "json"))
    rest = document(agentguard("jobs", "--before", page["next"], "--format", "json"))

    assert [job["id"] for job in scans["jobs"]] == [jobs[2].id]
    assert [job["id"] for job in rest["jobs"]] == [jobs[0].id]
    assert f"agentguard jobs --before {page['next']}" in agentguard("jobs", "--limit", "2").stdout


def test_one_job_is_shown_with_its_result(jobs: list[Job]):
    assert document(agentguard("jobs", "show", jobs[1].id, "--format", "json"))["result"] == {
        "answer": 42
    }
    shown = agentguard("jobs", "show", jobs[2].id).stdout
    assert "failed" in shown
    assert "no-usable-spans" in shown


@pytest.mark.usefixtures("jobs")
def test_an_unknown_job_is_a_problem():
    done = agentguard("jobs", "show", "x", "--format", "json")

    assert done.exit_code == 1
    assert json.loads(done.stdout)["code"] == "unknown-job"
    assert "There is no job 'x'." in done.stderr


def test_without_a_broker_there_are_no_dead_letters():
    done = agentguard("jobs", "dead", "--format", "json")

    assert done.exit_code == 1
    assert json.loads(done.stdout)["code"] == "no-dead-letters"


def test_dead_letters_are_shown_beside_the_jobs_and_alone(dead_letter: Job):
    listed = document(agentguard("jobs", "--format", "json"))
    alone = document(agentguard("jobs", "dead", "--format", "json"))

    (letter,) = alone["dead_letters"]
    assert (letter["job_id"], letter["task"], letter["reason"]) == (
        dead_letter.id,
        "agentguard.scan_task",
        "rejected",
    )
    assert letter["died_at"] is not None
    assert (listed["dead_letters"], listed["dead_letters_note"]) == (alone["dead_letters"], None)
    assert "1 dead letter" in agentguard("jobs").stdout
    assert dead_letter.id in agentguard("jobs", "dead").stdout


def test_jobs_are_shown_while_the_broker_is_away(jobs: list[Job], monkeypatch):
    monkeypatch.setenv("CELERY_BROKER_URL", f"amqp://127.0.0.1:{free_port()}//")
    listed = document(agentguard("jobs", "--format", "json"))
    dead = agentguard("jobs", "dead")

    assert len(listed["jobs"]) == 3
    assert "is unreachable" in listed["dead_letters_note"]
    assert (dead.exit_code, "is unreachable" in dead.stderr) == (1, True)


def test_a_worker_that_the_broker_refuses_says_so_and_ends(monkeypatch):
    monkeypatch.setenv(
        "CELERY_BROKER_URL", server("CELERY_BROKER_URL").replace("guest:guest", "guest:s3cret")
    )
    done = agentguard("worker")

    assert done.exit_code == 1
    assert "Correct user and password in CELERY_BROKER_URL" in done.stderr
    assert "s3cret" not in done.stderr


def test_a_worker_needs_a_broker():
    done = agentguard("worker")

    assert done.exit_code == 1
    assert "CELERY_BROKER_URL is not set" in done.stderr
