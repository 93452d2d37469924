"""Jobs of an earlier version live on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from agentguard.adapters.sql.database import open_database
from agentguard.bootstrap.opening import open_app
from agentguard.jobs.attempts import Ended
from agentguard.jobs.model import JobState
from agentguard.settings import Settings
from tests.conformance.job_stores import job_transactions
from tests.jobs.uploads import spans

pytestmark = pytest.mark.anyio

ROW = (
    "INSERT INTO jobs VALUES (?, 'scan', ?, X'7b7d', ?, 0, NULL, NULL, NULL, NULL, 1000000,"
    " 2000000, NULL)"
)


def migrated(path: Path, revision: str, *, down: bool = False) -> None:
    config = Config()
    config.set_main_option("script_location", "agentguard.adapters.sql:migrations")
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        (command.downgrade if down else command.upgrade)(config, revision)
        connection.commit()
    engine.dispose()


async def test_what_waited_or_ran_is_due_at_once_and_what_had_ended_stays(tmp_path: Path):
    file = tmp_path / "agentguard.db"
    migrated(file, "0002")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executemany(
            ROW, [("a", "queued", 0), ("b", "running", 1), ("c", "succeeded", 2)]
        )

    async with open_database(tmp_path) as database:
        store = job_transactions(database)
        assert [job.id for job in await store.undelivered(1000000)] == ["a", "b"]
        taken_up = await store.claim("b", now=1000000, until=9000000)
        assert taken_up is not None
        assert (taken_up.attempts, taken_up.fence) == (2, 2)
        ended = await store.get("c")
        assert (ended.state, ended.attempts, ended.deliver_at) == (JobState.SUCCEEDED, 2, None)


async def test_a_scan_job_of_an_earlier_version_is_run(tmp_path: Path):
    file = tmp_path / "agentguard.db"
    migrated(file, "0002")
    request = {"file": "upload", "origin": "old.json", "dataset": "old"}
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(ROW.replace("X'7b7d'", "?"), ("a", "queued", orjson.dumps(request), 0))
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / "upload").write_bytes(spans())

    async with open_app(Settings(data_dir=tmp_path)) as app:
        assert await app.attempts.run("a") == Ended()

        done = await app.jobs.get("a")
        assert (done.state, done.submitted_by) == (JobState.SUCCEEDED, None)
        assert (await app.graphs.newest("old")).id == "a-1"


def test_it_can_be_undone_and_done_again(tmp_path: Path):
    file = tmp_path / "agentguard.db"
    migrated(file, "0003")
    migrated(file, "0002", down=True)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(ROW, ("a", "queued", 0))
        columns = [row[1] for row in connection.execute("PRAGMA table_info(jobs)")]
    migrated(file, "0003")

    assert not {"fence", "due_at", "deliver_at"} & set(columns)
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT fence, due_at, deliver_at FROM jobs").fetchall() == [
            (0, 1000000, 1000000)
        ]
