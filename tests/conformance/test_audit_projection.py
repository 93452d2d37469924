"""Entries of the log are rows of audit_logs, those of earlier versions too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import insert, select

from agentguard.adapters.sql.database import Database, open_database
from agentguard.adapters.sql.tables import audit_logs
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.audit.keys import SigningKey
from agentguard.audit.recording import AuditTrail
from agentguard.audit.sequencing import Sequencer
from agentguard.kernel.clock import system_clock
from tests.acting import TESTER
from tests.conformance.test_database import migrated
from tests.databases import KINDS, empty_database

pytestmark = pytest.mark.anyio

KEY = SigningKey("example.com/log", bytes(range(32)))
ODD = "a\0b ü 🤖 \\u0000 \ufffd"


@pytest.fixture(params=KINDS)
async def database(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    async with (
        empty_database(request.param) as server,
        open_database(tmp_path, server, hurried=False) as opened,
    ):
        yield opened


async def log(database: Database, *objects: str) -> None:
    unit_of_work = SqlUnitOfWork(database, system_clock)

    async def work(stores) -> None:
        for each in objects:
            await AuditTrail().record(
                stores.audit, TESTER, "dataset.deleted", object_id=each, payload={"secret": each}
            )

    await unit_of_work.run(work)
    await Sequencer(unit_of_work, KEY, system_clock).run_once()


async def rows(database: Database) -> list[dict]:
    columns = (audit_logs.c[name] for name in ("id", "log_type", "evidence", "created_at"))
    wanted = select(*columns, audit_logs.c.log_index).order_by(audit_logs.c.log_index)
    async with database.reading() as connection:
        return [dict(row) for row in (await connection.execute(wanted)).mappings()]


async def test_each_entry_is_a_row_without_its_payload(database: Database):
    await log(database, "one", ODD)
    await log(database, "three")
    found = await rows(database)

    assert [row["log_index"] for row in found] == [0, 1, 2]
    assert {row["log_type"] for row in found} == {"dataset.deleted"}
    evidence = found[1]["evidence"]
    assert evidence.keys() == {
        "index",
        "time",
        "actor",
        "action",
        "object",
        "graph_version",
        "trace_ids",
    }
    assert evidence["object"] == ODD.replace("\0", "\ufffd")
    assert evidence["actor"]["id"] == TESTER.id


async def test_entries_of_an_earlier_version_become_the_same_rows(database: Database):
    await log(database, "one", ODD)
    before = await rows(database)
    await database.write(lambda c: c.execute(insert(audit_logs).values(log_type="of a person")))
    await migrated(database, command.downgrade, "0010")
    await migrated(database, command.upgrade, "head")

    found = await rows(database)
    assert [row for row in found if row["log_index"] is not None] == before
    assert [row["log_type"] for row in found if row["log_index"] is None] == ["of a person"]
