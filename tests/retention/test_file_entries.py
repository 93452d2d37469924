"""No file with received data is deleted without an entry, and there is none for nothing."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import orjson
import pyarrow as pa
import pytest

from agentguard.adapters.files import retention
from agentguard.adapters.files.locks import shared
from agentguard.adapters.files.quarantine import Quarantine, damaged_file
from agentguard.adapters.files.retention import READ_LOCK, SpansInUseError
from agentguard.adapters.files.spans import open_span_store
from agentguard.audit.entries import Entry
from agentguard.bootstrap.app import App
from agentguard.bootstrap.opening import open_app
from agentguard.kernel.clock import NS_PER_HOUR, system_clock, timestamp
from agentguard.retention.expiries import ExpiryLog
from agentguard.settings import Settings
from agentguard.traces.store import Delivery
from agentguard.traces.validation import make_decoder, validate
from tests.acting import TESTER
from tests.traces.spans import NOTHING_WANTED, batch, protobuf

pytestmark = pytest.mark.anyio

NOW = system_clock()
LATER = NOW + 400 * NS_PER_HOUR
FILE_KINDS = ("spans", "bodies", "quarantine", "receive_log")


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    """An installation with one file of each kind."""
    async with open_span_store(tmp_path, decode, lambda: NOW, keep_bodies=True) as store:
        await store.append(batch(protobuf([1])))
        await store.compact()
    (body,) = (tmp_path / "bodies").iterdir()
    (tmp_path / "log").mkdir(exist_ok=True)
    left = tmp_path / "log" / f"{NOW:016x}.log"
    left.write_bytes(body.read_bytes())
    damaged = tmp_path / "spans" / "damaged.parquet"
    damaged.write_bytes(b"?")
    found = damaged_file(tmp_path, damaged, "unreadable")
    Quarantine(tmp_path).add(replace(found, found_at=NOW))
    async with open_app(Settings(data_dir=tmp_path)) as opened:
        yield opened


async def decode(deliveries: Sequence[Delivery]) -> pa.Table:
    return validate(make_decoder(NOTHING_WANTED), deliveries).spans


async def told(app: App, action: str) -> dict[str, dict]:
    """Return the payloads of the entries of one action, by object."""

    async def work(stores):
        return (*await stores.audit.range(0, 999), *await stores.audit.unsequenced(999))

    stored = await app.audit.unit_of_work.read(work)
    entries = [(Entry.parse(each.leaf), orjson.loads(each.payload or b"{}")) for each in stored]
    return {entry.object_id or "": facts for entry, facts in entries if entry.action == action}


@pytest.mark.parametrize("kind", ["spans", "bodies", "quarantine"])
async def test_files_that_expire_are_entered_with_their_number_and_times(app: App, kind: str):
    deleted = await app.retention.expire(LATER)

    facts = (await told(app, "data.expired"))[kind]
    assert deleted[kind] == 1
    assert facts == {"number": 1, "oldest": timestamp(NOW), "newest": timestamp(NOW)}
    assert (await app.retention.usage())[kind].count == 0


async def test_where_nothing_expires_nothing_is_entered(app: App):
    await app.retention.expire(NOW)

    usage = await app.retention.usage()
    assert {kind: usage[kind].count for kind in FILE_KINDS} == dict.fromkeys(FILE_KINDS, 1)
    assert await told(app, "data.expired") == {}


@pytest.mark.parametrize("kind", ["spans", "bodies", "quarantine"])
async def test_files_that_cannot_be_entered_stay(app: App, kind: str, monkeypatch):
    def fails(*_args: object, **_facts: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(type(app.retention.kept), "_record", fails)
    deleted = await app.retention.expire(LATER)

    assert deleted.get(kind, 0) == 0
    assert (await app.retention.usage())[kind].count == 1


@pytest.mark.parametrize("kind", FILE_KINDS)
async def test_a_purge_enters_the_number_of_files_of_each_kind(app: App, kind: str):
    deleted = await app.retention.purge(TESTER, LATER)

    assert deleted[kind] == 1
    assert (await told(app, "data.purged"))[""][kind] == 1
    assert (await app.retention.usage())[kind].count == 0


async def test_a_purge_that_cannot_delete_spans_deletes_and_enters_nothing(
    app: App, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr(retention, "_PURGE_SECONDS", 0)
    async with shared(tmp_path / READ_LOCK):
        with pytest.raises(SpansInUseError):
            await app.retention.purge(TESTER, LATER)

    assert await told(app, "data.purged") == {}
    assert (await app.retention.usage())["spans"].count == 1
    assert (await app.retention.usage())["bodies"].count == 1


async def test_spans_in_use_are_neither_deleted_nor_entered(app: App, tmp_path: Path):
    async with shared(tmp_path / READ_LOCK):
        deleted = await app.retention.expire(LATER)

    assert deleted["spans"] == 0
    assert "spans" not in await told(app, "data.expired")


async def test_uploads_that_no_job_needs_go_without_an_entry(app: App, tmp_path: Path):
    left = tmp_path / "uploads" / "left.json"
    left.parent.mkdir(exist_ok=True)
    left.touch()
    os.utime(left, ns=(NOW - 99 * NS_PER_HOUR,) * 2)

    deleted = await app.retention.expire(NOW)

    assert (deleted["uploads"], left.exists()) == (1, False)
    assert await told(app, "data.expired") == {}


@pytest.mark.parametrize("purged", [False, True])
async def test_deletions_of_spans_can_be_read_from_the_log(app: App, purged: bool, tmp_path: Path):
    if purged:
        await app.retention.purge(TESTER, LATER)
    else:
        await app.retention.expire(LATER)
    async with open_app(Settings(data_dir=tmp_path)) as later:  # signs what is pending
        pass
    async with open_app(Settings(data_dir=tmp_path)) as later:
        (found,) = await ExpiryLog(later.audit).expiries()

    assert found.received_until == (LATER if purged else NOW)
    assert found.at >= NOW
