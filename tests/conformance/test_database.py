"""What every database promises: transactions, times, documents, ids, migrations.

SQLite and PostgreSQL alike.
"""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from pathlib import Path

import orjson
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    Connection,
    DateTime,
    LargeBinary,
    bindparam,
    delete,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import dialect as postgresql_dialect
from sqlalchemy.exc import IntegrityError

from agentguard.adapters.sql import migrating
from agentguard.adapters.sql.columns import ForeignText, Moment
from agentguard.adapters.sql.database import Database, open_database
from agentguard.adapters.sql.errors import DatabaseTooNewError, DatabaseUnreadableError
from agentguard.adapters.sql.migrating import HEAD, migrate_sqlite
from agentguard.adapters.sql.sqlite import FILE_NAME, WRITE, revision_of
from agentguard.adapters.sql.tables import (
    audit_logs,
    component_history,
    days_seen,
    graph_versions,
    incidents,
    jobs,
    metadata,
    playbooks,
)
from agentguard.graph.model import Graph
from agentguard.graph.storage.former_names import antiquated, modernised
from agentguard.kernel.clock import system_clock
from agentguard.kernel.stable_json import stable_json
from tests.databases import KINDS, blank_database, migrate_file
from tests.graph.handmade import shop

pytestmark = pytest.mark.anyio


@pytest.fixture(params=KINDS)
async def server(request: pytest.FixtureRequest, tmp_path: Path):
    async with blank_database(request.param) as found:
        yield found


@pytest.fixture
async def database(server, tmp_path: Path):
    async with open_database(tmp_path, server) as opened:
        yield opened


async def test_a_transaction_is_kept_whole_or_not_at_all(database: Database):
    async def fails(connection):
        await connection.execute(insert(days_seen).values(day=1))
        raise LookupError

    with pytest.raises(LookupError):
        await database.write(fails)
    assert await days(database) == []

    await database.write(
        lambda connection: connection.execute(insert(days_seen), [{"day": 2}, {"day": 3}])
    )
    assert await days(database) == [2, 3]


async def days(database: Database) -> list[int]:
    async with database.reading() as connection:
        return list(
            (await connection.execute(select(days_seen.c.day).order_by(days_seen.c.day))).scalars()
        )


async def test_readers_see_one_moment(database: Database):
    async with database.reading() as connection:
        first = (await connection.execute(select(func.count()).select_from(days_seen))).scalar()
        await database.write(lambda other: other.execute(insert(days_seen).values(day=7)))
        second = (await connection.execute(select(func.count()).select_from(days_seen))).scalar()

    assert (first, second) == (0, 0)
    assert await days(database) == [7]


async def test_read_and_written_by_many_at_once_nothing_is_lost(database: Database):
    await database.write(
        lambda connection: connection.execute(insert(component_history).values(counter(0)))
    )

    async def increment(connection):
        seen = (await connection.execute(select(component_history.c.last_seen))).scalar_one()
        await asyncio.sleep(0)
        await connection.execute(update(component_history).values(last_seen=seen + 1_000))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(12):
            tasks.create_task(database.write(increment))

    async with database.reading() as connection:
        assert (
            await connection.execute(select(component_history.c.last_seen))
        ).scalar_one() == 12_000


async def test_cancelled_writers_leave_no_lock_behind(database: Database):
    async def slow(connection, day: int):
        await connection.execute(insert(days_seen).values(day=day))
        await asyncio.sleep(0.01)

    for number in range(20):
        writing = asyncio.ensure_future(database.write(partial(slow, day=number)))
        for _ in range(number):
            await asyncio.sleep(0.001)
        writing.cancel()
        await asyncio.wait([writing])

    await database.write(lambda connection: connection.execute(insert(days_seen).values(day=99)))
    assert 99 in await days(database)


async def test_two_that_decide_on_what_the_other_changes_do_not_both_win(database: Database):
    """Write skew.

    With snapshot isolation alone both would see the other's day and delete their own.
    """
    await database.write(
        lambda connection: connection.execute(insert(days_seen), [{"day": 1}, {"day": 2}])
    )

    async def go_unless_last(connection, day: int):
        count = (await connection.execute(select(func.count()).select_from(days_seen))).scalar_one()
        await asyncio.sleep(0.01)
        if count > 1:
            await connection.execute(delete(days_seen).where(days_seen.c.day == day))

    async with asyncio.TaskGroup() as tasks:
        for day in (1, 2):
            tasks.create_task(database.write(partial(go_unless_last, day=day)))

    assert len(await days(database)) == 1


def counter(value: int) -> dict[str, object]:
    return {
        "id": "a",
        "kind": "agent",
        "name": "a",
        "environment": None,
        "spellings": b"[]",
        "first_seen": 0,
        "last_seen": value,
    }


@given(ns=st.integers(0, 2**62))
def test_a_time_comes_back_to_the_microsecond(ns: int):
    bound = Moment().process_bind_param(ns, postgresql_dialect())

    assert Moment().process_result_value(bound, postgresql_dialect()) == ns // 1000 * 1000
    assert (
        Moment().process_result_value(bound.replace(tzinfo=None), postgresql_dialect())
        == ns // 1000 * 1000
    )


@given(text=st.text(st.characters() | st.sampled_from("\0\\\ud800" + "0dx")))
def test_foreign_text_becomes_storable_and_comes_back_whole(text: str):
    column = ForeignText()
    stored = str(column.process_bind_param(text, postgresql_dialect()))

    assert "\0" not in stored
    stored.encode()
    assert column.process_result_value(stored, postgresql_dialect()) == text


async def test_times_and_foreign_text_come_back_from_the_database(database: Database):
    now, odd = system_clock(), "a\0b\\0 \\ ü 🤖 '\""
    await database.write(
        lambda c: c.execute(
            insert(component_history).values({**counter(now), "id": odd, "name": odd})
        )
    )

    async with database.reading() as connection:
        row = (
            (
                await connection.execute(
                    select(component_history).where(component_history.c.id == odd)
                )
            )
            .mappings()
            .one()
        )
        later = (
            await connection.execute(
                select(func.count()).where(component_history.c.last_seen > now - 1_000)
            )
        ).scalar()

    assert (row["name"], row["last_seen"], later) == (odd, now, 1)


async def test_an_incident_has_an_id_a_time_and_documents(database: Database):
    document = {"steps": [{"id": 1, "title": "é 🤖", "share": 0.1}], "none": None, "big": 2**53}

    async def write(connection):
        values = {
            "agent_id": "agent:a",
            "incident_type": "outage",
            "severity": "HIGH",
            "playbook": document,
            "impacted_agents": ["x"],
        }
        made = [
            (
                await connection.execute(insert(incidents).values(values).returning(incidents.c.id))
            ).scalar_one()
            for _ in range(50)
        ]
        await connection.execute(
            insert(playbooks).values(incident_id=made[0], title="t", steps=[document])
        )
        await connection.execute(
            insert(audit_logs).values(incident_id=made[0], log_type="opened", evidence=document)
        )
        return made

    before = system_clock()
    ids = await database.write(write)
    async with database.reading() as connection:
        found = (
            (await connection.execute(select(incidents).where(incidents.c.id == ids[0])))
            .mappings()
            .one()
        )
        steps = (
            await connection.execute(
                select(playbooks.c.steps).where(playbooks.c.incident_id == ids[0])
            )
        ).scalar_one()
        evidence = (
            await connection.execute(
                select(audit_logs.c.evidence).where(audit_logs.c.incident_id == ids[0])
            )
        ).scalar_one()

    assert {(one.version, one.variant) for one in ids} == {(4, uuid.RFC_4122)}
    assert all(isinstance(one, uuid.UUID) for one in ids)
    assert len(set(ids)) == 50
    assert (found["playbook"], found["impacted_agents"], found["resolved_at"]) == (
        document,
        ["x"],
        None,
    )
    assert (steps, evidence) == ([document], document)
    assert abs(found["created_at"] - before) < 60 * 10**9


async def test_what_belongs_to_no_incident_is_refused(database: Database):
    stranger = insert(playbooks).values(incident_id=uuid.uuid4(), title="t", steps=[])

    with pytest.raises(IntegrityError):
        await database.write(lambda connection: connection.execute(stranger))


async def test_the_tables_and_indexes_that_people_query_are_named_as_documented(database: Database):
    async with database.reading() as connection:
        indexes = await connection.run_sync(
            lambda c: {
                i["name"]
                for table in ("incidents", "audit_logs")
                for i in inspect(c).get_indexes(table)
            }
        )
        columns = await connection.run_sync(
            lambda c: {t: [x["name"] for x in inspect(c).get_columns(t)] for t in NAMED}
        )

    assert {"idx_incidents_agent", "idx_incidents_created", "idx_audit_logs_incident"} <= indexes
    for table, promised in NAMED.items():
        assert set(promised) <= set(columns[table])


NAMED = {
    "incidents": [
        "id",
        "agent_id",
        "incident_type",
        "severity",
        "blast_radius_score",
        "impacted_agents",
        "playbook",
        "audit_trail",
        "blockchain_proof",
        "created_at",
        "resolved_at",
    ],
    "playbooks": ["id", "incident_id", "title", "steps", "effectiveness_score", "created_at"],
    "audit_logs": ["id", "incident_id", "log_type", "evidence", "blockchain_tx_hash", "created_at"],
}


def test_head_is_the_newest_migration():
    scripts = ScriptDirectory(str(files("agentguard.adapters.sql").joinpath("migrations")))

    assert scripts.get_heads() == [HEAD]


async def test_migrations_make_what_the_code_uses(database: Database):
    """The drift check: Alembic finds nothing to do."""
    async with database.reading() as connection:
        drift = await connection.run_sync(
            lambda c: compare_metadata(
                MigrationContext.configure(c, opts={"compare_type": True}), metadata
            )
        )

    assert [change for change in drift if not is_own_business(change)] == []


def is_own_business(change: object) -> bool:
    """The version table is Alembic's.

    SQLite tells of no types that the comparison could know as ours.
    """
    return (
        isinstance(change, tuple)
        and change[0] == "remove_table"
        and change[1].name == "alembic_version"
    )


def config(connection: Connection) -> Config:
    made = Config()
    made.set_main_option("script_location", "agentguard.adapters.sql:migrations")
    made.attributes["connection"] = connection
    return made


async def migrated(database: Database, direction, revision: str) -> None:
    async with database.engine.connect() as connection:
        await connection.execution_options(**{WRITE: True})
        async with connection.begin():
            await connection.run_sync(lambda c: direction(config(c), revision))


async def test_every_migration_can_be_undone_and_done_again_with_what_is_in_the_tables(
    database: Database,
):
    now = system_clock()
    values = {
        "id": "j",
        "kind": "scan",
        "state": "queued",
        "request": b"{}",
        "attempts": 0,
        "fence": 0,
        "due_at": now,
        "done": 0,
        "created_at": now,
    }
    await database.write(lambda c: c.execute(insert(jobs).values(values)))
    version = {
        "id": "v",
        "dataset": "d",
        "created_at": now,
        "components": 1,
        "dependencies": 1,
        "graph": b"{}",
    }
    await database.write(lambda c: c.execute(insert(graph_versions).values(version)))
    await database.write(
        lambda c: c.execute(insert(component_history).values({**counter(now), "name": "C:\\dead"}))
    )

    await migrated(database, command.downgrade, "0002")
    async with database.reading() as connection:
        path = (await connection.execute(text("SELECT name FROM sightings"))).scalar_one()
        old = (await connection.execute(text("SELECT created_at FROM graph_versions"))).scalar_one()
    await migrated(database, command.upgrade, "head")
    async with database.reading() as connection:
        name = (await connection.execute(select(component_history.c.name))).scalar_one()
        times = [(await connection.execute(select(column))).scalar_one() for column in TIMES]
    await migrated(database, command.downgrade, "base")
    async with database.reading() as connection:
        left = await connection.run_sync(lambda c: inspect(c).get_table_names())
    await migrated(database, command.upgrade, "head")

    assert old == now
    assert path == name == "C:\\dead"
    assert times == [now, None, now, now]
    assert left == ["alembic_version"]
    assert await days(database) == []


TIMES = (
    jobs.c.created_at,
    jobs.c.started_at,
    graph_versions.c.created_at,
    component_history.c.last_seen,
)


FORMER = {
    "components": [
        {"id": "model:m", "answered": ["m-1"], "basis": {"rule": "folded-names", "confidence": 1}},
        {"id": "agent:a", "answered": [], "basis": {"rule": "invoke_agent", "confidence": 1}},
    ],
    "dependencies": [
        {"source": "a", "waited": [[1, 2]], "delay": [], "basis": {"rule": "parent"}, "calls": 1}
    ],
    "fallbacks": [{"owner": "a", "recourse": "same_run"}],
    "workflows": [{"id": "w", "entry": "workflow:w", "first": "agent:a", "runs": 1}],
    "coverage": {"circles": 1, "folded": {"tool": 2}, "nameless": 3, "spans": 4},
    "asked": None,
}
"""A graph as it was stored before revision 0006."""


async def test_a_graph_stored_under_the_former_names_is_renamed_and_back_again(database: Database):
    await migrated(database, command.downgrade, "0005")
    former = text(
        "INSERT INTO sightings VALUES ('a', 'agent', 'a', NULL, :no, :at, :at)"
    ).bindparams(bindparam("no", type_=LargeBinary), bindparam("at", type_=DateTime(timezone=True)))
    values = {
        "id": "v",
        "dataset": "d",
        "created_at": 0,
        "components": 2,
        "dependencies": 1,
        "graph": orjson.dumps(FORMER),
    }
    await database.write(lambda c: c.execute(insert(graph_versions).values(values)))
    await database.write(lambda c: c.execute(former, {"no": b"[]", "at": datetime.now(tz=UTC)}))

    await migrated(database, command.upgrade, "head")
    async with database.reading() as connection:
        graph = orjson.loads(
            (await connection.execute(select(graph_versions.c.graph))).scalar_one()
        )
        names = list((await connection.execute(select(component_history.c.name))).scalars())
    await migrated(database, command.downgrade, "0005")
    async with database.reading() as connection:
        back = (await connection.execute(select(graph_versions.c.graph))).scalar_one()
        left = (await connection.execute(text("SELECT name FROM sightings"))).scalar_one()
    await migrated(database, command.upgrade, "head")

    assert names == ["a"]
    assert left == "a"
    assert orjson.loads(back) == FORMER
    component, plain = graph["components"]
    assert (component["response_models"], component["basis"]["rule"]) == (
        ["m-1"],
        "cardinality-limit",
    )
    assert plain["basis"]["rule"] == "invoke_agent"
    assert graph["dependencies"] == [
        {
            "source": "a",
            "client_latency": [[1, 2]],
            "queue_delay": [],
            "basis": {"rule": "parent"},
            "calls": 1,
        }
    ]
    assert graph["fallbacks"] == [{"owner": "a", "fallback_mode": "same_run"}]
    assert graph["workflows"] == [
        {"id": "w", "root_component": "workflow:w", "entry": "agent:a", "runs": 1}
    ]
    assert graph["coverage"] == {
        "parent_cycles": 1,
        "cardinality_limited": {"tool": 2},
        "unnamed_model_calls": 3,
        "spans": 4,
    }


def test_a_graph_of_today_survives_its_former_names():
    for graph in (shop(), Graph()):
        document = stable_json(graph)
        assert modernised(document) == document
        assert orjson.loads(modernised(antiquated(document))) == orjson.loads(document)


@pytest.fixture
def _new_files_are_migrated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrating, "_migrate_file", migrate_file)


@pytest.mark.usefixtures("_new_files_are_migrated")
async def test_many_processes_may_open_an_empty_database_at_once(server, tmp_path: Path):
    async def once() -> None:
        async with open_database(tmp_path, server) as opened:
            await opened.ping()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(once())


async def test_a_newer_database_is_refused(server, tmp_path: Path):
    async with open_database(tmp_path, server) as opened:
        await opened.write(
            lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        )

    with pytest.raises(DatabaseTooNewError, match="9999"):
        async with open_database(tmp_path, server):
            pass


async def test_a_damaged_file_is_refused(tmp_path: Path):
    (tmp_path / FILE_NAME).write_bytes(
        b"this is no database at all, of that everybody is sure" * 100
    )

    with pytest.raises(DatabaseUnreadableError, match="Restore it"):
        async with open_database(tmp_path):
            pass


@pytest.mark.usefixtures("_new_files_are_migrated")
def test_an_interrupted_migration_is_done_again(tmp_path: Path, monkeypatch):
    def dies(*_args):
        raise KeyboardInterrupt

    path = tmp_path / FILE_NAME
    with monkeypatch.context() as patched:
        patched.setattr("alembic.runtime.migration.MigrationContext._ensure_version_table", dies)
        with pytest.raises(KeyboardInterrupt):
            migrate_sqlite(path)
    migrate_sqlite(path)

    assert revision_of(path) == HEAD
