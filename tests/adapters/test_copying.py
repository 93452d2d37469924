"""Moving from SQLite to PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update

from agentguard.adapters.sql.copying import copy
from agentguard.adapters.sql.database import Database, open_database
from agentguard.adapters.sql.errors import DatabaseNotEmptyError
from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.adapters.sql.tables import (
    api_keys,
    audit_anchors,
    audit_checkpoints,
    audit_entries,
    audit_handovers,
    audit_logs,
    audit_tiles,
    component_history,
    days_seen,
    graph_citations,
    graph_versions,
    incident_events,
    incident_subjects,
    incidents,
    jobs,
    metadata,
    notifications,
    playbooks,
    set_up_links,
    sign_in_attempts,
    simulated_components,
    simulation_catalogs,
    simulations,
    user_sessions,
    users,
)
from agentguard.kernel.clock import system_clock
from tests.databases import blank_database, empty_database

pytestmark = pytest.mark.anyio

NOW = system_clock()
MICROSECONDS = NOW // 1000 * 1000
"""NOW, as a database keeps it."""
ODD = "a\0b\\ ü 🤖"
GRAPH = {
    "id": "v1",
    "dataset": "d",
    "created_at": NOW,
    "components": 1,
    "dependencies": 0,
    "graph": bytes(range(256)),
}
WAITING = {
    "kind": "scan",
    "state": "queued",
    "request": b"{}",
    "attempts": 0,
    "fence": 0,
    "due_at": NOW,
    "done": 0,
    "created_at": NOW,
}
ENTRY = {
    "time": NOW,
    "actor": ODD,
    "action": "scan.stored",
    "object": ODD,
    "leaf": b"1",
    "payload": b"{}",
    "salt": bytes(32),
}
EVENT = {
    "number": 1,
    "time": NOW,
    "actor": ODD,
    "actor_kind": "user",
    "kind": "opened",
    "details": b"{}",
}
ROWS = {
    users: [
        {
            "id": "u",
            "name": ODD,
            "name_key": ODD,
            "role": "admin",
            "created_at": NOW,
            "created_by": ODD,
            "generation": 0,
            "password_hash": "$argon2id$",
            "issuer": None,
            "subject": None,
            "signed_in_at": NOW,
        }
    ],
    user_sessions: [
        {"hash": "h", "user_id": "u", "generation": 0, "created_at": NOW, "seen_at": NOW}
    ],
    sign_in_attempts: [{"source": "account:x", "failed": 2, "last_at": NOW}],
    set_up_links: [{"hash": "h", "made_at": NOW}],
    api_keys: [
        {
            "id": "0123456789ab",
            "name": ODD,
            "scopes": "read",
            "hash": bytes(32),
            "created_at": NOW,
            "created_by": ODD,
        }
    ],
    audit_handovers: [{"number": 0, "note": b"note", "time": NOW}],
    graph_versions: [GRAPH, {**GRAPH, "id": "v2"}],
    jobs: [{**WAITING, "id": "j"}],
    graph_citations: [{"graph_version": "v2", "cited_by_kind": "job", "cited_by_id": "j"}],
    simulation_catalogs: [{"sha256": "c", "document": b"{}"}],
    simulations: [
        {
            "id": "s",
            "created_at": NOW,
            "created_by": ODD,
            "agentguard_version": "1",
            "dataset": "d",
            "graph_version": "v0",
            "catalog": "c",
            "inputs": b"{}",
            "summary": b"{}",
            "document": bytes(range(256)),
        }
    ],
    simulated_components: [{"simulation": "s", "component": ODD}],
    component_history: [
        {
            "id": ODD,
            "kind": "agent",
            "name": ODD,
            "environment": None,
            "spellings": b"[]",
            "first_seen": NOW - 10_000,
            "last_seen": NOW,
        }
    ],
    days_seen: [{"day": n} for n in range(250)],
    audit_entries: [ENTRY | {"log_index": 0}, ENTRY | {"log_index": None, "leaf": b"2"}],
    audit_tiles: [{"level": 0, "number": 0, "hashes": b"1" * 32}],
    audit_checkpoints: [{"size": 1, "note": b"note", "time": NOW}],
    audit_anchors: [
        {
            "size": 1,
            "note": b"note",
            "state": "submitted",
            "chain_id": 80002,
            "attempts": [{"nonce": 2**60}],
            "told": [],
            "created_at": NOW,
            "changed_at": NOW,
            "version": 2,
        }
    ],
    notifications: [
        {
            "message": "m-1",
            "receiver": "webhook",
            "incident": "i",
            "created_at": NOW,
            "payload": b"{}",
            "state": "waiting",
            "attempts": 1,
            "due_at": NOW,
            "ended_at": None,
            "reason": ODD,
        }
    ],
    incidents: [
        {
            "agent_id": "a",
            "incident_type": "outage",
            "severity": "LOW",
            "impacted_agents": [ODD.replace("\0", "")],
        }
    ],
}


@pytest.fixture
async def source(tmp_path: Path):
    async with open_database(tmp_path) as database:
        await database.write(fill)
        yield database


async def fill(connection) -> None:
    for table, rows in ROWS.items():
        await connection.execute(insert(table), rows)
    incident = (await connection.execute(select(incidents.c.id))).scalar_one()
    await connection.execute(
        insert(playbooks).values(incident_id=incident, title="t", steps=[{"n": 1}])
    )
    await connection.execute(insert(audit_logs).values(incident_id=incident, log_type="opened"))
    subject = {"incident": incident, "kind": "component", "subject": ODD.replace("\0", "")}
    await connection.execute(insert(incident_subjects).values(subject))
    await connection.execute(insert(incident_events).values(EVENT | {"incident": incident}))


@asynccontextmanager
async def target(tmp_path: Path):
    async with (
        empty_database("postgresql") as server,
        open_database(tmp_path, server, hurried=False) as database,
    ):
        yield database


async def content(database: Database) -> dict[str, list[tuple[object, ...]]]:
    async with database.reading() as connection:
        return {
            table.name: [
                tuple(row)
                for row in await connection.execute(select(table).order_by(*table.primary_key))
            ]
            for table in metadata.sorted_tables
        }


async def without_playbook(database: Database) -> int:
    """As people ask: NULL is not JSON's null."""
    async with database.reading() as connection:
        return (
            await connection.execute(text("SELECT count(*) FROM incidents WHERE playbook IS NULL"))
        ).scalar_one()


def nothing(_table: str, _rows: int) -> None:
    return None


async def test_a_copy_is_equal_row_by_row_and_can_be_repeated(source: Database, tmp_path: Path):
    async with target(tmp_path) as copied:
        counts = await copy(source, copied, nothing)
        assert await content(copied) == await content(source)
        assert await without_playbook(copied) == await without_playbook(source) == 1
        assert counts["days_seen"] == 250
        assert all(counts.values())

        await source.write(lambda c: c.execute(update(jobs).values(state="succeeded")))
        await source.write(
            lambda c: c.execute(insert(graph_versions).values({**GRAPH, "id": "v3"}))
        )
        await copy(source, copied, nothing)
        assert await content(copied) == await content(source)


async def test_what_the_copy_knows_better_by_now_stays(source: Database, tmp_path: Path):
    async with target(tmp_path) as copied:
        await source.write(lambda c: c.execute(insert(jobs).values({**WAITING, "id": "k"})))
        await copy(source, copied, nothing)
        await copied.write(
            lambda c: c.execute(
                update(jobs)
                .where(jobs.c.id == "j")
                .values(state="succeeded", fence=1, finished_at=NOW)
            )
        )
        await copied.write(
            lambda c: c.execute(
                update(jobs).where(jobs.c.id == "k").values(state="running", fence=1)
            )
        )
        await copied.write(
            lambda c: c.execute(
                update(component_history).values(first_seen=NOW, last_seen=NOW + 5_000)
            )
        )
        await copied.write(lambda c: c.execute(update(incidents).values(resolved_at=NOW)))
        await copied.write(lambda c: c.execute(update(playbooks).values(effectiveness_score=0.5)))
        await copied.write(lambda c: c.execute(update(audit_logs).values(blockchain_tx_hash="0x1")))
        await copied.write(lambda c: c.execute(update(audit_anchors).values(version=3)))

        await copy(source, copied, nothing)

        async with copied.reading() as connection:
            states = (
                await connection.execute(select(jobs.c.id, jobs.c.state).order_by(jobs.c.id))
            ).all()
            seen = (
                await connection.execute(
                    select(component_history.c.first_seen, component_history.c.last_seen)
                )
            ).one()
            kept = [
                (await connection.execute(select(column))).scalar_one()
                for column in (
                    incidents.c.resolved_at,
                    playbooks.c.effectiveness_score,
                    audit_logs.c.blockchain_tx_hash,
                    audit_anchors.c.version,
                )
            ]
        assert [tuple(row) for row in states] == [("j", "succeeded"), ("k", "running")]
        assert tuple(seen) == (MICROSECONDS - 10_000, MICROSECONDS + 5_000)
        assert kept == [MICROSECONDS, 0.5, "0x1", 3]


async def test_a_log_that_grew_in_the_copy_stays(source: Database, tmp_path: Path):
    async with target(tmp_path) as copied:
        await copy(source, copied, nothing)
        second = update(audit_entries).where(audit_entries.c.id == 2).values(log_index=1)
        await copied.write(lambda c: c.execute(second))
        wider = update(audit_tiles).values(hashes=b"1" * 64)
        await copied.write(lambda c: c.execute(wider))
        before = await content(copied)

        await copy(source, copied, nothing)
        assert await content(copied) == before


async def test_another_log_is_refused_and_left_as_it_was(source: Database, tmp_path: Path):
    async with target(tmp_path) as own:
        await own.write(lambda c: c.execute(insert(audit_entries).values(ENTRY | {"leaf": b"x"})))
        before = await content(own)

        with pytest.raises(DatabaseNotEmptyError, match="empty database"):
            await copy(source, own, nothing)
        assert await content(own) == before


async def test_what_is_written_afterwards_comes_after_what_was_copied(
    source: Database, tmp_path: Path
):
    async with target(tmp_path) as copied:
        await copy(source, copied, nothing)
        await copied.write(
            lambda c: c.execute(insert(graph_versions).values({**GRAPH, "id": "own"}))
        )

        assert [row[1] for row in (await content(copied))["graph_versions"]] == ["v1", "v2", "own"]


async def test_a_database_with_graphs_of_its_own_is_refused_and_left_as_it_was(
    source: Database, tmp_path: Path
):
    async with target(tmp_path) as own:
        await own.write(lambda c: c.execute(insert(graph_versions).values({**GRAPH, "id": "own"})))
        before = await content(own)

        with pytest.raises(DatabaseNotEmptyError, match="empty database"):
            await copy(source, own, nothing)
        assert await content(own) == before


async def test_a_copy_that_fails_on_the_way_leaves_nothing(source: Database, tmp_path: Path):
    def full(table: str, _rows: int) -> None:
        if table == "component_history":
            raise OSError("the line broke")

    async with target(tmp_path) as copied:
        with pytest.raises(OSError, match="the line broke"):
            await copy(source, copied, full)

        assert not any((await content(copied)).values())


def agentguard(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agentguard.cli", *arguments],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_the_command_migrates_and_copies_and_says_what_it_did(
    source: Database, tmp_path: Path
):
    async with blank_database("postgresql") as server:
        made = agentguard("migrate", "--format", "json", DATABASE_URL=server.url)
        again = agentguard("migrate", DATABASE_URL=server.url)
        copied = agentguard(
            "migrate", "--to", server.url, "--data-dir", str(tmp_path), "--format", "json"
        )
        (tmp_path / "target").write_text(server.url)
        table = agentguard(
            "migrate",
            "--data-dir",
            str(tmp_path),
            AGENTGUARD_MIGRATE_TO_FILE=str(tmp_path / "target"),
        )

    assert json.loads(made.stdout)["revision_before"] is None
    assert "up to date" in again.stdout
    assert json.loads(copied.stdout)["copied"]["days_seen"] == 250
    assert "component_history" in table.stdout


async def test_graphs_that_were_copied_can_still_be_replayed_and_the_old_ones_too(tmp_path: Path):
    recording = Path(__file__).parents[1] / "data" / "traces" / "langgraph-openllmetry"
    made = agentguard("scan", str(recording), "--data-dir", str(tmp_path), "--format", "json")
    wanted = json.loads(made.stdout)["agents"][0]["id"]
    question = (
        "simulate",
        wanted,
        "--method",
        "replay",
        "--data-dir",
        str(tmp_path),
        "--format",
        "json",
    )
    async with empty_database("postgresql") as server:
        agentguard("migrate", "--to", server.url, "--data-dir", str(tmp_path))
        there = agentguard(*question, DATABASE_URL=server.url)
    here = agentguard(*question)

    assert there.returncode == 0, there.stderr
    assert json.loads(there.stdout) == json.loads(here.stdout)


async def test_the_command_says_what_cannot_be_copied_where(tmp_path: Path):
    nowhere = "postgresql://u:s3cret@127.0.0.1:1/x"
    nothing_there = agentguard("migrate", "--to", nowhere, "--data-dir", str(tmp_path))
    no_url = agentguard("migrate", "--to", "sqlite:///x", "--data-dir", str(tmp_path))
    away = agentguard("migrate", DATABASE_URL=nowhere)

    assert (nothing_there.returncode, no_url.returncode, away.returncode) == (1, 1, 1)
    assert "There is no database" in nothing_there.stderr
    assert "postgresql://user" in no_url.stderr
    assert "cannot be used" in away.stderr
    assert "s3cret" not in away.stderr + nothing_there.stderr
    assert PostgreSQL(nowhere).place == "postgresql://127.0.0.1:1/x"
