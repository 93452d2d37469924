"""Scans as jobs: whatever is run twice leaves one graph, and no upload goes before its job has ended."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from agentguard.adapters.files.runs import FileRunStore
from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.tables import graph_versions
from agentguard.bootstrap.opening import open_app
from agentguard.graph.runs import no_runs
from agentguard.graph.scan_jobs import UploadGoneError
from agentguard.jobs.attempts import Ended
from agentguard.jobs.model import JobState
from agentguard.kernel.clock import NS_PER_SECOND, system_clock
from agentguard.settings import Settings
from tests.jobs.uploads import submit_scan

pytestmark = pytest.mark.anyio


async def report(_done: int) -> None:
    return


async def versions(directory: Path) -> int:
    async with open_database(directory) as database, database.reading() as connection:
        return (await connection.execute(select(func.count()).select_from(graph_versions))).scalar_one()


async def test_a_job_that_runs_again_after_its_graph_was_stored_leaves_one_graph_and_the_same_answer(tmp_path: Path):
    async with open_app(Settings(data_dir=tmp_path)) as app:
        job = await submit_scan(app, "twice")
        first = await app.uploaded.run(job, report)  # and then the process died
        again = await app.attempts.run(job.id)

        assert again == Ended()
        assert (await app.jobs.get(job.id)).result == first
        assert first["graph_version"] == job.id
        assert (await app.graphs.runs(job.id)).runs.num_rows == 1
    assert await versions(tmp_path) == 1


async def test_two_attempts_at_one_time_leave_one_whole_graph(tmp_path: Path):
    """The lease of the first ran out while it still worked."""
    async with open_app(Settings(data_dir=tmp_path)) as one, open_app(Settings(data_dir=tmp_path)) as two:
        job = await submit_scan(one, "both")
        answers = await asyncio.gather(*[app.uploaded.run(job, report) for app in (one, two, one, two)])

        assert answers == [answers[0]] * 4
        assert (await two.graphs.newest("both")).id == job.id
        assert (await two.graphs.runs(job.id)).runs.num_rows == 1
    assert await versions(tmp_path) == 1


async def test_a_later_scan_of_the_dataset_stays_the_newest_when_an_earlier_job_runs_again(tmp_path: Path):
    async with open_app(Settings(data_dir=tmp_path)) as app:
        earlier = await submit_scan(app, "same")
        await app.uploaded.run(earlier, report)
        later = await submit_scan(app, "same")
        await app.attempts.run(later.id)
        await app.attempts.run(earlier.id)

        assert (await app.graphs.newest("same")).id == later.id


async def test_a_job_without_a_dataset_has_one_name_for_all_its_attempts(tmp_path: Path):
    async with open_app(Settings(data_dir=tmp_path)) as app:
        request = app.uploaded.request(tmp_path / "x", "upload", None, None)

        assert request["dataset"].startswith("scan-")


async def test_the_upload_goes_when_the_job_has_ended_and_not_before(tmp_path: Path):
    async with open_app(Settings(data_dir=tmp_path)) as app:
        job = await submit_scan(app, "kept")
        upload = app.uploaded.folder / job.request["file"]
        await app.uploaded.run(job, report)
        assert upload.exists()

        await app.attempts.run(job.id)

        assert list(app.uploaded.folder.iterdir()) == []


async def test_a_missing_upload_fails_the_job_and_says_what_to_do(tmp_path: Path):
    async with open_app(Settings(data_dir=tmp_path)) as app:
        job = await submit_scan(app, "gone")
        (app.uploaded.folder / job.request["file"]).unlink()
        assert await app.attempts.run(job.id) == Ended()

        failed = await app.jobs.get(job.id)
        assert (failed.state, failed.attempts, failed.error.code) == (JobState.FAILED, 1, UploadGoneError.code)
        assert "AGENTGUARD_DATA_DIR" in failed.error.message


async def test_only_old_uploads_that_no_job_waits_for_are_swept(tmp_path: Path):
    async with open_app(Settings(data_dir=tmp_path, upload_seconds=10)) as app:
        waiting = await submit_scan(app, "waiting")
        folder = app.uploaded.folder
        for name in (waiting.request["file"], f"{waiting.request['file']}.progress", "left", "left.progress", "left.sent", "receiving"):
            (folder / name).touch()
            _touch(folder / name, seconds_ago=3600 + 11)
        _touch(folder / "receiving", seconds_ago=3600)

        app.uploaded.sweep(await app.jobs.store.unfinished())

        assert {path.name for path in folder.iterdir()} == {waiting.request["file"], f"{waiting.request['file']}.progress", "receiving"}


def _touch(path: Path, *, seconds_ago: int) -> None:
    path.touch()
    moment = system_clock() - seconds_ago * NS_PER_SECOND
    os.utime(path, ns=(moment, moment))


async def test_an_attempt_that_died_between_runs_and_graph_is_made_up_for(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("agentguard.graph.scans._OTHER_RUN_SECONDS", 0.2)
    async with open_app(Settings(data_dir=tmp_path)) as app:
        job = await submit_scan(app, "again")
        await FileRunStore(tmp_path / "graphs", system_clock).put(job.id, no_runs())  # and then it was killed

        result = await app.uploaded.run(job, report)
        newest = await app.graphs.newest("again")

        assert newest.id == result["graph_version"]
        assert (await app.graphs.runs(newest.id)).runs.num_rows == 1


async def test_requests_of_an_earlier_version_are_still_done(tmp_path: Path):
    async with open_app(Settings(data_dir=tmp_path)) as app:
        job = await submit_scan(app, "old")
        old = replace(job, id=f"{job.id}-old", request={**job.request, "dataset": None})
        await app.jobs.store.add(old, most_unfinished=9)

        assert await app.attempts.run(old.id) == Ended()
        assert (await app.jobs.get(old.id)).state is JobState.SUCCEEDED
