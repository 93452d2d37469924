"""Scans as jobs.

Whatever is run twice leaves one graph, and no upload goes before its job has ended.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.tables import graph_versions
from agentguard.bootstrap.app import App
from agentguard.bootstrap.opening import open_app
from agentguard.jobs.attempts import Ended, Work
from agentguard.jobs.lease import LeaseLostError
from agentguard.jobs.model import Job, JobState
from agentguard.jobs.store import JobFilter
from agentguard.kernel.clock import NS_PER_SECOND, system_clock
from agentguard.scan.jobs import UploadMissingError
from agentguard.scan.uploads import UploadRetention
from agentguard.settings import Settings
from tests.conformance.job_stores import add_job
from tests.jobs.uploads import submit_scan

pytestmark = pytest.mark.anyio


async def versions(directory: Path) -> int:
    async with open_database(directory) as database, database.reading() as connection:
        return (
            await connection.execute(select(func.count()).select_from(graph_versions))
        ).scalar_one()


async def claimed(app: App, job: Job) -> Job:
    """Take the job up as a process would that then dies."""
    now = max((await app.jobs.get(job.id)).due_at, system_clock())
    taken = await app.jobs.store.claim(job.id, now=now, until=now)
    assert taken is not None
    return taken


async def test_a_job_that_runs_again_after_its_graph_was_stored_leaves_one_graph(
    tmp_path: Path,
):
    async with open_app(Settings(data_dir=tmp_path)) as app:
        job = await submit_scan(app, "twice")
        first = await app.uploaded.run(await claimed(app, job), _hold)  # and then the process died
        again = await app.attempts.run(job.id)

        assert again == Ended()
        done = await app.jobs.get(job.id)
        assert (done.result, done.attempts) == (first, 2)
        assert first["graph_version"] == f"{job.id}-1" == (await app.graphs.newest("twice")).id
    assert await versions(tmp_path) == 1


async def test_a_job_that_died_between_the_runs_and_the_row_of_its_graph_stores_it(
    tmp_path: Path,
):
    async with open_app(Settings(data_dir=tmp_path)) as app:
        job = await submit_scan(app, "between")
        dying = await claimed(app, job)
        for name in ("runs.parquet", "runs.parquet.draft", "calls.parquet"):
            (tmp_path / "graphs").mkdir(exist_ok=True)
            (tmp_path / "graphs" / f"{dying.id}-1.{name}").write_bytes(b"half")
        await app.attempts.run(job.id)

        done = await app.jobs.get(job.id)
        assert (
            (done.result or {})["graph_version"]
            == f"{job.id}-2"
            == (await app.graphs.newest("between")).id
        )
        assert (await app.graphs.runs(f"{job.id}-2")).runs.num_rows == 1
    assert await versions(tmp_path) == 1


async def test_an_attempt_that_lost_its_job_while_it_scanned_stores_nothing(tmp_path: Path):
    """Its process slept, say, until after the lease: another attempt is at work, or has ended."""
    async with open_app(Settings(data_dir=tmp_path)) as app:
        job = await submit_scan(app, "lost")
        late = Late(app)
        works = {"scan": Work(late.run, app.uploaded.clear)}
        outcome = await replace(app.attempts, works=works).run(job.id)

        assert outcome == Ended()
        assert late.came_to_its_end is False
        assert ((await app.jobs.get(job.id)).result or {})["graph_version"] == f"{job.id}-2"
    assert await versions(tmp_path) == 1


async def test_an_attempt_that_lost_its_job_after_its_last_report_stores_nothing(tmp_path: Path):
    async with open_app(Settings(data_dir=tmp_path)) as app:
        stale = await claimed(app, job := await submit_scan(app, "lost"))
        await claimed(app, job)

        with pytest.raises(LeaseLostError):
            await app.uploaded.run(stale, _hold)

        assert await app.graphs.datasets() == ()
        assert not list((tmp_path / "graphs").glob("*.parquet"))


class Late:
    """Scans as an attempt whose lease runs out unseen.

    When it comes to its first report, another one has done the job.
    """

    def __init__(self, app: App) -> None:
        self._app, self.came_to_its_end = app, False

    async def run(self, job: Job, report) -> Mapping[str, Any]:
        async def after_another(done: int) -> None:
            other = await self._app.jobs.store.claim(
                job.id, now=job.due_at, until=job.due_at + NS_PER_SECOND
            )
            if other is not None:
                result = await self._app.uploaded.run(other, _hold)
                await self._app.jobs.store.release(other.succeed(result, system_clock()))
            await report(done)

        found = await self._app.uploaded.run(job, after_another)
        self.came_to_its_end = True
        return found


async def _hold(_done: int) -> None:
    return


async def test_a_later_scan_of_the_dataset_stays_the_newest_when_an_earlier_job_runs_again(
    tmp_path: Path,
):
    async with open_app(Settings(data_dir=tmp_path)) as app:
        earlier = await submit_scan(app, "same")
        await app.uploaded.run(await claimed(app, earlier), _hold)
        later = await submit_scan(app, "same")
        await app.attempts.run(later.id)
        await app.attempts.run(earlier.id)

        assert (await app.graphs.newest("same")).id == f"{later.id}-1"


async def test_a_job_without_a_dataset_has_one_name_for_all_its_attempts(tmp_path: Path):
    async with open_app(Settings(data_dir=tmp_path)) as app:
        request = app.uploaded.request(tmp_path / "x", "upload", None, None)

        assert request["dataset"].startswith("scan-")


async def test_the_upload_goes_when_the_job_has_ended_and_not_before(tmp_path: Path):
    async with open_app(Settings(data_dir=tmp_path)) as app:
        job = await submit_scan(app, "kept")
        upload = app.uploaded.folder / job.request["file"]
        await app.uploaded.run(await claimed(app, job), _hold)
        assert upload.exists()

        await app.attempts.run(job.id)

        assert list(app.uploaded.folder.iterdir()) == []


async def test_a_missing_upload_fails_the_job_and_says_what_to_do(tmp_path: Path):
    async with open_app(Settings(data_dir=tmp_path)) as app:
        job = await submit_scan(app, "gone")
        (app.uploaded.folder / job.request["file"]).unlink()
        assert await app.attempts.run(job.id) == Ended()

        failed = await app.jobs.get(job.id)
        assert (failed.state, failed.attempts, failed.error.code) == (
            JobState.FAILED,
            1,
            UploadMissingError.code,
        )
        assert "AGENTGUARD_DATA_DIR" in failed.error.message


async def test_only_old_uploads_that_no_job_waits_for_are_swept(tmp_path: Path):
    async with open_app(Settings(data_dir=tmp_path, upload_seconds=10)) as app:
        waiting = await submit_scan(app, "waiting")
        folder = app.uploaded.folder
        for name in (
            waiting.request["file"],
            f"{waiting.request['file']}.progress",
            "left",
            "left.progress",
            "left.sent",
            "receiving",
        ):
            (folder / name).touch()
            _touch(folder / name, seconds_ago=3600 + 11)
        _touch(folder / "receiving", seconds_ago=3600)

        uploads = _uploads(app)
        assert (await uploads.usage()).count == 6
        assert await uploads.expire(system_clock()) == 3

        assert {path.name for path in folder.iterdir()} == {
            waiting.request["file"],
            f"{waiting.request['file']}.progress",
            "receiving",
        }


async def test_the_upload_of_an_ended_job_whose_process_died_is_deleted_at_once(tmp_path: Path):
    async with open_app(Settings(data_dir=tmp_path)) as app:
        ended, waiting = await submit_scan(app, "ended"), await submit_scan(app, "waiting")
        now = system_clock()
        running = await app.jobs.store.claim(ended.id, now=now, until=now + NS_PER_SECOND)
        assert running is not None
        assert await app.jobs.store.release(running.succeed({}, now))
        folder = app.uploaded.folder
        for job in (ended, waiting):
            (folder / job.request["file"]).touch()

        assert await _uploads(app).expire(system_clock()) == 1

        assert [path.name for path in folder.iterdir()] == [waiting.request["file"]]


def _uploads(app: App) -> UploadRetention:
    finished = JobFilter(states=(JobState.SUCCEEDED, JobState.FAILED))
    return UploadRetention(
        app.uploaded.folder,
        app.jobs.store.unfinished,
        lambda: app.jobs.store.newest(finished, 10),
        10,
        system_clock,
    )


def _touch(path: Path, *, seconds_ago: int) -> None:
    path.touch()
    moment = system_clock() - seconds_ago * NS_PER_SECOND
    os.utime(path, ns=(moment, moment))


async def test_requests_of_an_earlier_version_are_still_done(tmp_path: Path):
    async with open_app(Settings(data_dir=tmp_path)) as app:
        job = await submit_scan(app, "old")
        old = replace(job, id=f"{job.id}-old", request={**job.request, "dataset": None})
        await add_job(app.jobs.store, old)

        assert await app.attempts.run(old.id) == Ended()
        assert (await app.jobs.get(old.id)).state is JobState.SUCCEEDED
