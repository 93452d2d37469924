"""Entries about what processes find and refuse: catalogue, settings, strangers, live refreshes."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from agentguard.adapters.sql.database import Database
from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.audit.entries import ENTRY_LIMIT_BYTES, Entry
from agentguard.audit.refused_access import MOST_SOURCES, RefusalLoop, RefusedAccess
from agentguard.audit.startup_facts import StartupFact, StartupFacts
from agentguard.audit.store import AuditLog, StoredEntry
from agentguard.bootstrap.app import App
from agentguard.bootstrap.opening import open_app
from agentguard.bootstrap.startup_facts import seen_settings
from agentguard.compute.tasks import task_group
from agentguard.kernel.clock import NS_PER_HOUR, NS_PER_SECOND, system_clock
from agentguard.kernel.errors import UnavailableError
from agentguard.scan.live_summary import LiveSummary
from agentguard.settings import Settings
from agentguard.web.app import create_app
from tests.acting import TESTER
from tests.conformance.graphs import version
from tests.databases import KINDS, empty_database
from tests.web.serving import client_of

pytestmark = pytest.mark.anyio

MINUTE = 60 * NS_PER_SECOND
CATALOG = "agents:\n  - name: planner\n  - name: writer\n"


class Clock:
    def __init__(self) -> None:
        self.now = system_clock()

    def __call__(self) -> int:
        return self.now


@pytest.fixture(params=KINDS)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[PostgreSQL | None]:
    async with empty_database(request.param) as found:
        yield found


class Home:
    """A data directory that processes open one after another."""

    def __init__(self, folder: Path, server: PostgreSQL | None) -> None:
        self.folder, self._url = folder, SecretStr(server.url) if server else None

    @asynccontextmanager
    async def opened(self, kind: str = "command", **settings: Any) -> AsyncIterator[App]:
        more: dict[str, Any] = {"otlp_port": 0, "otlp_grpc_port": 0, **settings}
        chosen = Settings(data_dir=self.folder, database_url=self._url, **more)
        serving, worker = kind == "server", kind == "worker"
        async with open_app(chosen, serving=serving, in_processes=False, worker=worker) as app:
            yield app

    async def start(self, kind: str, **settings: Any) -> None:
        async with self.opened(kind, **settings):
            pass

    async def told(self, action: str) -> list[tuple[Entry, Any]]:
        async with self.opened() as app:
            return await told(app, action)


@pytest.fixture
def home(server: PostgreSQL | None, tmp_path: Path) -> Home:
    return Home(tmp_path / "data", server)


async def told(app: App, action: str) -> list[tuple[Entry, Any]]:
    """Return the entries of an action, in the order of appending, with their payloads."""

    async def every(stores: Any) -> tuple[StoredEntry, ...]:
        log: AuditLog = stores.audit
        return (*await log.range(0, await log.size()), *await log.unsequenced(1000))

    stored = await app.audit.unit_of_work.read(every)
    found = [(Entry.parse(each.leaf), orjson.loads(each.payload or b"null")) for each in stored]
    return [pair for pair in found if pair[0].action == action]


async def test_settings_are_entered_when_they_differ_from_those_seen_last(home: Home):
    for limit in (10, 10, 20, 20, 10):
        await home.start("server", rate_limit=limit, api_key=SecretStr("k" * 20))
    await home.start("worker", rate_limit=10)
    await home.start("command", rate_limit=99)

    found = await home.told("settings.seen")
    assert [
        (entry.actor.id, payload["settings"]["AGENTGUARD_RATE_LIMIT"]) for entry, payload in found
    ] == [
        ("system:server", "10"),
        ("system:server", "20"),
        ("system:server", "10"),
        ("system:worker", "10"),
    ]
    assert [payload["settings"]["AGENTGUARD_API_KEY"] for _, payload in found] == (
        ["set"] * 3 + ["not set"]
    )


async def test_no_settings_are_too_long_or_show_a_key(home: Home):
    keyed = "https://ada:planted@jaeger.example:16686/planted/{trace_id}?key=planted"
    many = tuple(Path("/" + "\x01" * 50 + str(n)) for n in range(10_000))
    seen = seen_settings(Settings(data_dir=home.folder, trace_url=keyed, dialects=many))

    assert seen["AGENTGUARD_TRACE_URL"] == "https://jaeger.example:16686"
    assert "planted" not in str(seen)
    assert len(orjson.dumps(seen)) < ENTRY_LIMIT_BYTES / 2


async def test_a_catalogue_is_entered_when_its_content_differs(home: Home, tmp_path: Path):
    file = tmp_path / "catalog.yaml"
    for content in (CATALOG, CATALOG, CATALOG + "  - name: third\n"):
        file.write_text(content)
        await home.start("command", catalog=(file,))
    await home.start("server", catalog=(file,))
    await home.start("command")
    await home.start("server")
    await home.start("server")

    found = await home.told("catalog.changed")
    assert [(entry.actor.id, payload["agents"]) for entry, payload in found] == [
        ("system:command", 2),
        ("system:command", 3),
        ("system:server", 0),
    ]
    assert found[2][1] == {"sha256": None, "agents": 0}
    assert all(entry.object_id == payload["sha256"] for entry, payload in found)
    assert "planner" not in str(found)


async def test_a_server_without_catalogue_says_nothing_of_one(home: Home):
    await home.start("server")

    assert await home.told("catalog.changed") == []


async def test_many_processes_that_start_at_once_leave_one_entry(home: Home):
    await home.start("command")
    async with task_group() as tasks:
        for _ in range(4):
            tasks.create_task(home.start("worker"))

    assert len(await home.told("settings.seen")) == 1


async def test_refusals_are_one_entry_per_source_and_minute(home: Home):
    clock = Clock()
    refused = RefusedAccess(clock)
    async with home.opened() as app:
        loop = RefusalLoop(refused, app.audit.unit_of_work)
        for _ in range(3):
            refused.note("10.0.0.1", "authentication-required", "api")
        refused.note("10.0.0.1", "loopback-only", "otlp")
        refused.note("10.0.0.2", "authentication-required", "api")
        assert await loop.enter() == 0
        clock.now += MINUTE
        assert await loop.enter() == 2
        refused.note("10.0.0.1", "authentication-required", "api")
        assert await loop.enter(unfinished=True) == 1
        assert await loop.enter(unfinished=True) == 0

        found = await told(app, "access.refused")
    first, _, last = [payload for _, payload in found]
    assert (first["source"], first["number"]) == ("10.0.0.1", 4)
    assert first["reasons"] == {"authentication-required": 3, "loopback-only": 1}
    assert first["routes"] == {"api": 3, "otlp": 1}
    assert last["number"] == 1
    assert "10.0.0.1" not in str([entry for entry, _ in found])


async def test_many_sources_fill_neither_log_nor_memory(home: Home):
    clock = Clock()
    refused = RefusedAccess(clock)
    for minute in range(200):
        for source in range(100):
            refused.note(f"10.{minute}.0.{source}", "authentication-required", "api")
        clock.now += MINUTE
    async with home.opened() as app:
        entered = await RefusalLoop(refused, app.audit.unit_of_work).enter()
        found = [payload for _, payload in await told(app, "access.refused")]

    assert entered == len(found) <= 510
    assert sum(payload["number"] for payload in found) == 20_000
    of_first = [payload for payload in found if payload["source"].startswith("10.0.")]
    assert len(of_first) == MOST_SOURCES
    assert next(p["number"] for p in found if p["source"] == "others") == 100 - MOST_SOURCES


async def test_refusals_that_could_not_be_stored_are_stored_later(
    home: Home, monkeypatch: pytest.MonkeyPatch
):
    refused = RefusedAccess(system_clock)
    refused.note("10.0.0.1", "authentication-required", "api")
    async with home.opened() as app:
        loop = RefusalLoop(refused, app.audit.unit_of_work)

        async def failing(self: Database, work: Any) -> Any:
            raise UnavailableError("The database is unreachable.")

        monkeypatch.setattr(Database, "write", failing)
        with pytest.raises(UnavailableError):
            await loop.enter(unfinished=True)
        monkeypatch.undo()

        assert await loop.enter(unfinished=True) == 1


def test_counts_that_are_put_back_add_to_newer_ones():
    clock = Clock()
    clock.now -= clock.now % MINUTE
    refused = RefusedAccess(clock)
    refused.note("10.0.0.1", "authentication-required", "api")
    taken = refused.take(unfinished=True)
    clock.now += NS_PER_SECOND
    refused.note("10.0.0.1", "loopback-only", "otlp")
    refused.put_back(taken)

    (count,) = refused.take(unfinished=True).values()
    assert count.reasons == {"authentication-required": 1, "loopback-only": 1}
    assert count.routes == {"api": 1, "otlp": 1}
    assert count.last - count.first == NS_PER_SECOND


async def test_a_request_without_the_key_is_entered_without_what_was_sent(home: Home):
    async with home.opened("server", api_key=SecretStr("k" * 20)) as app:
        peer = ("10.0.0.7", 1)
        async with client_of(create_app(app), peer=peer) as client:
            sent = {"Authorization": "Bearer planted"}
            for path in ("/api/graph", "/api/graph?planted=planted", "/v1/traces", "/health"):
                await client.get(path, headers=sent)

    found = await home.told("access.refused")
    assert {payload["source"] for _, payload in found} == {"10.0.0.7"}
    assert sum((Counter(p["routes"]) for _, p in found), Counter()) == {"api": 2, "otlp": 1}
    assert sum(p["reasons"]["authentication-required"] for _, p in found) == 3
    assert "planted" not in str(found)


async def test_live_refreshes_are_one_entry_an_hour(home: Home):
    clock = Clock()
    async with home.opened() as app:
        summary = LiveSummary(app.audit.unit_of_work, clock)
        versions = [version("live", system_clock) for _ in range(3)]
        for each in versions:
            summary.count(each)
            clock.now += NS_PER_HOUR // 4
        due = [summary.due]
        clock.now += NS_PER_HOUR // 4
        due.append(summary.due)
        assert await summary.enter()
        assert not await summary.enter()

        ((entry, payload),) = await told(app, "live.summarised")
    assert due == [False, True]
    assert entry.graph_version == versions[-1].id
    assert payload["refreshes"] == 3
    assert int(payload["spans"]) == versions[-1].graph.coverage.spans


@pytest.mark.parametrize("entering", ["refusals", "summary", "settings"])
async def test_what_fails_at_the_end_leaves_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch, entering: str
):
    clock = Clock()
    async with home.opened() as app:
        refused, summary = RefusedAccess(clock), LiveSummary(app.audit.unit_of_work, clock)
        refused.note("10.0.0.1", "x", "api")
        summary.count(version("live", system_clock))
        loop = RefusalLoop(refused, app.audit.unit_of_work)
        observer = StartupFacts(app.audit.unit_of_work)
        found = StartupFact(TESTER, "settings.seen", None, {"a": 1}, of_all=False)
        attempt = {
            "refusals": lambda: loop.enter(unfinished=True),
            "summary": summary.enter,
            "settings": lambda: observer.enter(found),
        }[entering]
        write = Database.write

        async def failing(self: Database, work: Any) -> Any:
            async def and_fail(connection: Any) -> Any:
                await work(connection)
                raise UnavailableError("The last statement failed.")

            return await write(self, and_fail)

        monkeypatch.setattr(Database, "write", failing)
        with pytest.raises(UnavailableError):
            await attempt()
        monkeypatch.undo()
        waiting = app.audit.unit_of_work.read(lambda stores: stores.audit.waiting())
        assert await waiting == 0
        assert await attempt()
        assert await app.audit.unit_of_work.read(lambda stores: stores.audit.waiting()) == 1
