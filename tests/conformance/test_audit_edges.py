"""Edge cases of the audit log: clocks, sizes, secrets, read-only data."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.audit.entries import Entry
from agentguard.audit.errors import EntryTooLargeError
from agentguard.audit.recording import AuditTrail
from agentguard.audit.store import AuditStores, StoredEntry
from agentguard.bootstrap.opening import open_app
from agentguard.cli.main import app as command_line
from agentguard.kernel.clock import NS_PER_HOUR, system_clock
from agentguard.settings import Settings
from tests.acting import TESTER
from tests.cli.traces import write_traces
from tests.conformance.audit_logs import KEY, Log

pytestmark = pytest.mark.anyio

SECRETS = ("planted-key", "planted-password", "planted-prompt", "planted-answer")
ENTERED = {
    *("audit-key.rotated", "catalog.changed", "data.purged", "dataset.deleted"),
    *("incident.acknowledged", "incident.opened", "key.created", "key.rotated", "scan.stored"),
    *("settings.seen", "simulation.stored", "user.created", "user.password_changed"),
}


async def enter_at(log: Log, moment: int, name: str) -> None:
    async def work(stores: AuditStores) -> None:
        await AuditTrail(lambda: moment).record(stores.audit, TESTER, "x.done", object_id=name)

    await log.unit_of_work.run(work)


async def test_a_clock_that_is_set_back_changes_times_but_not_the_order(log: Log):
    now = system_clock()
    for step, name in ((0, "a"), (-NS_PER_HOUR, "b"), (NS_PER_HOUR, "c")):
        await enter_at(log, now + step, name)
        await log.sequencer.run_once()

    told = [Entry.parse((await log.service.entry(index)).leaf) for index in range(3)]
    assert [entry.object_id for entry in told] == ["a", "b", "c"]
    assert [entry.time_ns - now for entry in told] == [0, -NS_PER_HOUR, NS_PER_HOUR]
    assert await log.problems(KEY.verifier) == []


async def test_an_entry_that_is_too_large_is_refused_with_its_whole_change(log: Log):
    async def work(stores: AuditStores) -> None:
        await AuditTrail().record(stores.audit, TESTER, "x.done", object_id="small")
        await AuditTrail().record(stores.audit, TESTER, "x.done", payload="x" * 65_536)

    with pytest.raises(EntryTooLargeError, match="allowed 65536"):
        await log.unit_of_work.run(work)
    await log.append("next")

    assert await log.sequencer.run_once() == 1
    assert Entry.parse((await log.service.entry(0)).leaf).object_id == "next"


def test_all_that_commands_do_leaves_no_secret_or_prompt_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTGUARD_DATA_DIR", "data")
    monkeypatch.setenv("AGENTGUARD_TRACE_URL", "https://ada:planted-password@j.example/{trace_id}")
    (tmp_path / "catalog.yaml").write_text("agents:\n  - name: planted-prompt\n")
    monkeypatch.setenv("AGENTGUARD_CATALOG", "catalog.yaml")
    write_traces(tmp_path / "traces.jsonl")
    plant_prompts(tmp_path / "traces.jsonl")

    succeed("scan traces.jsonl --dataset one")
    succeed("scan traces.jsonl --dataset two")
    succeed("datasets delete one")
    succeed("purge --before 2020-01-01 --yes")
    succeed("simulate PaymentAgent --dataset two")
    incident = succeed(
        "incidents open Payments --severity HIGH --component PaymentAgent --dataset two"
    )
    succeed(f"incidents ack {incident['id']}")
    succeed("users create ada --role admin", typed="planted-password\n")
    succeed("users password ada", typed="planted-password-2\n")
    made = succeed("keys create collector --scope ingest")
    rotated = succeed(f"keys rotate {made['id']}")
    succeed("audit keys rotate")

    stored = asyncio.run(all_entries(tmp_path / "data"))
    assert {Entry.parse(each.leaf).action for each in stored} >= ENTERED
    for each in stored:
        for secret in (*SECRETS, made["key"], rotated["key"]):
            assert secret.encode() not in each.leaf + (each.payload or b"")


def plant_prompts(traces: Path) -> None:
    """Give every span a prompt and an answer."""
    planted = traces.read_text().replace(" ", "")
    prompts = '"attributes":[{"key":"gen_ai.prompt","value":{"stringValue":"planted-prompt"}},'
    prompts += '{"key":"gen_ai.completion","value":{"stringValue":"planted-answer"}},'
    assert '"attributes":[' in planted
    traces.write_text(planted.replace('"attributes":[', prompts))


def succeed(command: str, typed: str | None = None) -> Any:
    """Run a command; return the document that it prints, if it prints one."""
    words = command.split()
    printing = [] if words[0] in ("datasets", "purge", "audit") else ["--format", "json"]
    done = CliRunner().invoke(command_line, [*words, *printing], input=typed)
    assert done.exit_code == 0, (command, done.output)
    return json.loads(done.stdout) if printing else None


async def all_entries(folder: Path) -> tuple[StoredEntry, ...]:
    """Return what a server finds in the log once it has entered its settings."""
    settings = Settings(data_dir=folder, api_key=SecretStr("planted-key"))

    async def every(stores: AuditStores) -> tuple[StoredEntry, ...]:
        return *await stores.audit.range(0, 1000), *await stores.audit.unsequenced(1000)

    async with open_app(settings, serving=True, in_processes=False) as app:
        return await app.audit.unit_of_work.read(every)


@contextmanager
def read_only(folder: Path) -> Iterator[Path]:
    """Yield a copy of a data directory that this process can only read, whoever it is."""
    with tempfile.TemporaryDirectory() as parent:
        copy = Path(parent) / "data"
        shutil.copytree(folder, copy)
        Path(parent).chmod(0o755)
        others = 65_534
        for path in (copy, *copy.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
            if os.geteuid() == 0:
                os.chown(path, others, others)
        before = os.geteuid()
        if before == 0:
            os.seteuid(others)
        try:
            yield copy
        finally:
            os.seteuid(before)
            for path in (copy, *copy.rglob("*")):
                path.chmod(0o755)


def test_commands_that_read_need_only_read_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_traces(tmp_path / "traces.jsonl")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(command_line, ["scan", "traces.jsonl", "--data-dir", "data"])
    assert done.exit_code == 0, done.output
    append_without_sequencing(Path("data"))
    before = contents(tmp_path / "data")
    for words in READING:  # also imports what they need, which others may not read
        assert told(words, Path("data"))[0] == 0
    assert contents(tmp_path / "data") == before
    with read_only(tmp_path / "data") as data:
        monkeypatch.chdir("/")
        found = {words: told(words, data) for words in READING}
        code, output = told("audit keys rotate", data)

    assert {words: result for words, result in found.items() if result[0]} == {}
    assert code == 1
    assert "readonly" in output
    assert "AGENTGUARD_DATA_DIR" in output


READING = (
    "audit",
    "audit log --since 1h",
    "audit show 0",
    "audit proof 0",
    "audit consistency 1",
    "audit anchor",
    "audit costs",
    "audit fsck",
    "audit export 0",
    "audit keys",
)


def append_without_sequencing(folder: Path) -> None:
    """Leave a pending entry, as a server does that is killed."""

    async def appended() -> None:
        async with open_database(folder, None) as database:
            unit = SqlUnitOfWork(database, system_clock)
            await unit.run(lambda stores: AuditTrail().record(stores.audit, TESTER, "x.done"))

    asyncio.run(appended())


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of the folder, without SQLite's index of its log."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if not path.name.endswith("-shm")
    }


def test_a_lost_key_is_not_replaced_by_a_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_traces(tmp_path / "traces.jsonl")
    monkeypatch.chdir(tmp_path)
    scan = ["scan", "traces.jsonl", "--data-dir", "data"]
    assert CliRunner().invoke(command_line, scan).exit_code == 0
    key = tmp_path / "data" / "audit" / "signing-key"
    kept = key.rename(tmp_path / "kept")

    assert CliRunner().invoke(command_line, scan).exit_code == 0
    assert not key.exists()
    assert told("audit fsck", Path("data"))[0] == 3

    kept.rename(key)
    assert CliRunner().invoke(command_line, scan).exit_code == 0
    assert told("audit fsck", Path("data"))[0] == 0


def told(words: str, folder: Path) -> tuple[int, str]:
    done = CliRunner().invoke(command_line, [*words.split(), "--data-dir", str(folder)])
    return done.exit_code, done.output
