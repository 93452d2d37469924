"""Payloads of audit entries are removed after their time; leaves and proofs stay."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from pydantic import SecretStr

from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.audit.documents import entry_document
from agentguard.audit.entries import Entry
from agentguard.audit.recording import AuditTrail
from agentguard.audit.sequencing import Sequencer
from agentguard.audit.verification import CheckName, Outcome, Trust, verify_bundle
from agentguard.bootstrap.app import App
from agentguard.bootstrap.opening import open_app
from agentguard.kernel.clock import NS_PER_DAY
from agentguard.settings import Settings
from tests.acting import TESTER
from tests.audit.test_javascript import in_javascript
from tests.conformance.audit_logs import KEY
from tests.databases import KINDS, empty_database

pytestmark = pytest.mark.anyio


class Clock:
    def __init__(self) -> None:
        self.now = 20_000 * NS_PER_DAY

    def __call__(self) -> int:
        self.now += 1_000_000
        return self.now


@pytest.fixture(params=KINDS)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[PostgreSQL | None]:
    async with empty_database(request.param) as found:
        yield found


@asynccontextmanager
async def opened(
    folder: Path, server: PostgreSQL | None, clock: Clock, days: float | None = 10
) -> AsyncIterator[App]:
    settings = Settings(
        data_dir=folder,
        database_url=SecretStr(server.url) if server else None,
        audit_payload_days=days,
        audit_key=SecretStr(KEY.encode()),
    )
    async with open_app(settings, clock=clock) as app:
        yield app


async def enter(app: App, clock: Clock, number: int) -> None:
    async def work(stores) -> None:
        for each in range(number):
            await AuditTrail(clock).record(
                stores.audit, TESTER, "x.done", object_id=str(each), payload={"name": "ada"}
            )

    await app.audit.unit_of_work.run(work)
    await Sequencer(app.audit.unit_of_work, KEY, clock).run_once()


async def later(app: App, clock: Clock, days: float) -> int:
    """Let days pass, and return how many payloads housekeeping removes."""
    removed = 0
    for _ in range(int(days * 4)):
        clock.now += NS_PER_DAY // 4
        removed += (await app.retention.kept.expire(clock()))["audit_payloads"]
    await Sequencer(app.audit.unit_of_work, KEY, clock).run_once()
    return removed


async def test_payloads_go_with_their_salts_and_everything_else_goes_on(tmp_path, server):
    clock = Clock()
    async with opened(tmp_path, server, clock) as app:
        await enter(app, clock, 3)
        kept = await later(app, clock, 5)
        await enter(app, clock, 2)
        removed = await later(app, clock, 6.5)

        entry = await app.audit.entry(0)
        assert (kept, removed) == (0, 3)
        assert (entry.payload, entry.salt) == (None, None)
        assert entry_document(entry)["payload_removed"]
        assert (await app.audit.entry(3)).payload is not None
        last = await app.audit.entry(5)
        told = Entry.parse(last.leaf)
        assert (told.action, told.object_id) == ("data.expired", "audit_payloads")
        assert orjson.loads(last.payload or b"") == {"ids": ["0", "1", "2"], "number": 3}
        progress = []
        assert await app.audit.check(KEY.verifier, progress.append) == (6, ())
        assert progress[-1].removed == 3
        await check_bundle(app)


async def check_bundle(app: App) -> None:
    """Check that an entry without payload is verified, and that its payload is said to be gone."""
    raw, trust = (await app.audit.bundle(0, KEY.verifier)).encode(), Trust(keys=(KEY.verifier,))
    report = verify_bundle(raw, trust)
    (payload,) = [check for check in report.checks if check.name is CheckName.PAYLOAD]
    assert (report.outcome, payload.outcome) == (Outcome.VERIFIED, Outcome.NOT_CHECKABLE)
    assert "removed" in payload.detail
    assert [found["outcome"] for found in in_javascript([(raw, trust)])] == ["verified"]


async def test_removing_payloads_does_not_make_the_log_grow_for_ever(tmp_path, server):
    clock = Clock()
    async with opened(tmp_path, server, clock, days=1) as app:
        await enter(app, clock, 1)
        for _ in range(10 * 4):
            clock.now += NS_PER_DAY // 4
            await app.retention.kept.expire(clock())
            await Sequencer(app.audit.unit_of_work, KEY, clock).run_once()

        size, found = await app.audit.check()
        assert found == ()
        assert 2 <= size <= 11


async def test_without_the_setting_payloads_stay(tmp_path, server):
    clock = Clock()
    async with opened(tmp_path, server, clock, days=None) as app:
        await enter(app, clock, 1)
        clock.now += 10_000 * NS_PER_DAY
        assert "audit_payloads" not in await app.retention.kept.expire(clock())
        assert (await app.audit.entry(0)).payload is not None


async def test_purging_all_data_keeps_what_the_log_tells_of_it(tmp_path, server):
    clock = Clock()
    async with opened(tmp_path, server, clock) as app:
        await enter(app, clock, 1)
        deleted = await app.retention.purge(TESTER, clock())
        assert deleted["audit_payloads"] == 0
        assert (await app.audit.entry(0)).payload is not None
        assert (await app.retention.usage())["audit_payloads"].count == 2
