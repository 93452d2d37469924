"""Jobs over HTTP: asked for, listed, followed."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from agentguard.audit.recording import traces_in
from agentguard.audit.store import EntryFilter
from agentguard.bootstrap.app import PERMISSIONS, WORKS, App
from agentguard.bootstrap.opening import open_app
from agentguard.jobs.model import Job, JobError, JobKind
from agentguard.kernel.clock import NS_PER_SECOND, system_clock
from agentguard.settings import Settings
from scripts.services.process import free_port
from tests.acting import TESTER
from tests.jobs.uploads import submit_held_scan
from tests.web.serving import opened, served, until
from tests.web.streaming import events, following, streaming
from tests.web.systems import shop

pytestmark = pytest.mark.anyio

FAILURE = {"agent_id": "PaymentAgent", "dataset": "shop", "method": "replay"}


def nowhere() -> SecretStr:
    """A broker that is away: then the server keeps jobs and runs none."""
    return SecretStr(f"amqp://127.0.0.1:{free_port()}//")


@asynccontextmanager
async def kept(directory: Path) -> AsyncIterator[tuple[App, httpx.AsyncClient]]:
    """A server that runs no jobs, and a process beside it."""
    beside = open_app(Settings(data_dir=directory / "data"))
    async with (
        opened(directory, celery_broker_url=nowhere()) as app,
        streaming(app) as (client, _),
        beside as process,
    ):
        yield process, client


async def ended(client: httpx.AsyncClient, place: str) -> Any:
    async def end() -> Any:
        job = (await client.get(place)).json()
        return job if job["state"] in ("succeeded", "failed") else None

    return await until(end)


async def claimed(app: App, job_id: str) -> Job:
    now = system_clock()
    job = await app.jobs.store.claim(job_id, now=now, until=now + 60 * NS_PER_SECOND)
    assert job is not None
    return job


@pytest.mark.parametrize("path", ["/api/simulate", "/api/playbook"])
async def test_in_the_background_the_document_is_a_jobs_result(tmp_path: Path, path: str):
    async with served(tmp_path) as client:
        await client.post("/api/scan", json=shop(), params={"dataset": "shop"})
        waited_for = (await client.post(path, json=FAILURE)).json()
        accepted = await client.post(path, json=FAILURE | {"background": True})
        job = await ended(client, accepted.headers["location"])

    assert accepted.status_code == 202
    assert accepted.json().items() >= {"state": "queued", "attempts": 0, "result": None}.items()
    assert (job["state"], job["attempts"], job["progress"]) == (
        "succeeded",
        1,
        {"done": 1, "total": 1, "unit": None},
    )
    assert job["result"] == waited_for


async def test_the_audit_log_pins_a_stored_result_its_graph_and_their_traces(tmp_path: Path):
    async with opened(tmp_path) as app, streaming(app) as (client, _):
        await client.post("/api/scan", json=shop(), params={"dataset": "shop"})
        accepted = await client.post("/api/playbook", json=FAILURE | {"background": True})
        job = await ended(client, accepted.headers["location"])

        async def entered(action: str) -> Any:
            return (await app.audit.entries(EntryFilter(action=action), 1)).entries

        (playbook,) = await until(partial(entered, "playbook.stored"))
        (scan,) = await entered("scan.stored")

    database = sqlite3.connect(tmp_path / "data" / "agentguard.db")
    (document,) = database.execute("SELECT graph FROM graph_versions").fetchone()
    graph = hashlib.sha256(document).hexdigest()
    text = json.dumps(job["result"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    leaf = json.loads(playbook.leaf)
    assert json.loads(scan.payload)["graph_sha256"] == graph
    assert json.loads(playbook.payload) == {
        "graph_sha256": graph,
        "result_sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    assert (leaf["object"], leaf["graph_version"]) == (job["id"], job["result"]["graph_version"])
    traces = json.loads(scan.leaf)["evidence"]
    assert traces
    assert traces == list(traces_in(json.loads(document)))
    assert leaf["evidence"]
    assert set(leaf["evidence"]) == set(re.findall(r'"trace_id": "(\w+)"', json.dumps(job)))


async def test_a_cited_graph_or_result_that_was_changed_is_found(tmp_path: Path):
    async with opened(tmp_path) as app, streaming(app) as (client, _):
        await client.post("/api/scan", json=shop(), params={"dataset": "shop"})
        accepted = await client.post("/api/simulate", json=FAILURE | {"background": True})
        await ended(client, accepted.headers["location"])

        async def sequenced() -> Any:
            found = await app.audit.entries(EntryFilter(action="simulation.stored"), 2)
            return len(found.entries) == 2

        await until(sequenced)
        before = await app.audit.check()
    with sqlite3.connect(tmp_path / "data" / "agentguard.db") as database:
        for table, column in (
            ("graph_versions", "graph"),
            ("jobs", "result"),
            ("simulations", "document"),
        ):
            changed = f"CAST(replace(CAST({column} AS TEXT), 'agent', 'agemt') AS BLOB)"
            database.execute(f"UPDATE {table} SET {column} = {changed}")  # noqa: S608 - of this test
    async with opened(tmp_path) as app:
        _, found = await app.audit.check()

    assert before[1] == ()
    assert sorted(each.problem.split("'")[0] for each in found) == [
        *["the stored graph "] * 3,
        *["the stored result "] * 2,
    ]


async def test_what_is_not_there_is_said_at_once_also_in_the_background(tmp_path: Path):
    async with served(tmp_path) as client:
        none_yet = await client.post("/api/simulate", json={"agent_id": "x", "background": True})
        await client.post("/api/scan", json=shop())
        unknown = await client.post(
            "/api/playbook", json={"agent_id": "PaymentAgnt", "background": True}
        )
        jobs = (await client.get("/api/jobs")).json()

    assert (none_yet.status_code, unknown.status_code) == (404, 404)
    assert "agent:paymentagent" in unknown.text
    assert jobs == {"jobs": [], "next": None}


async def test_jobs_are_listed_newest_first_in_pages_filtered_and_without_results(tmp_path: Path):
    async with kept(tmp_path) as (beside, client):
        made = [
            await beside.jobs.submit(TESTER, ("scan", "simulation")[n % 2], {}) for n in range(5)
        ]
        await beside.jobs.store.release(
            (await claimed(beside, made[0].id)).succeed({"large": "…"}, system_clock())
        )
        first = (await client.get("/api/jobs", params={"limit": 2})).json()
        second = (
            await client.get("/api/jobs", params={"limit": 2, "before": first["next"]})
        ).json()
        last = (await client.get("/api/jobs", params={"limit": 2, "before": second["next"]})).json()
        scans = (
            await client.get("/api/jobs", params={"kind": "scan", "state": ["queued", "running"]})
        ).json()

    shown = [job["id"] for page in (first, second, last) for job in page["jobs"]]
    assert shown == [job.id for job in reversed(made)]
    assert last["next"] is None
    assert [job["id"] for job in scans["jobs"]] == [made[4].id, made[2].id]
    assert last["jobs"][0]["state"] == "succeeded"
    assert "result" not in last["jobs"][0]


@pytest.mark.parametrize("wrong", [{"state": "lost"}, {"limit": 0}, {"limit": 1000}])
async def test_a_list_that_cannot_be_is_refused(tmp_path: Path, wrong: dict[str, Any]):
    async with served(tmp_path) as client:
        assert (await client.get("/api/jobs", params=wrong)).status_code == 422


async def test_a_job_asked_for_while_the_broker_is_away_is_kept(tmp_path: Path):
    async with kept(tmp_path) as (_, client):
        await client.post("/api/scan", json=shop(), params={"dataset": "shop"})
        accepted = await client.post("/api/simulate", json=FAILURE | {"background": True})

        assert accepted.status_code == 202
        assert (await client.get(accepted.headers["location"])).json()["state"] == "queued"


async def test_events_tell_of_a_scans_way_to_its_end(tmp_path: Path):
    async with opened(tmp_path) as app, streaming(app) as (client, _):
        held = await submit_held_scan(app, "held")
        async with events(client, f"/api/jobs/{held.job.id}/events") as stream:
            told = [await following(stream)]
            await held.is_read()
            while told[-1][1]["state"] != "running":
                told.append(await following(stream))
            await held.feed()
            told += [event async for event in stream]

    assert [name for name, _ in told] == ["progress"] * (len(told) - 1) + ["end"]
    assert (told[-1][1]["state"], told[-1][1]["attempts"]) == ("succeeded", 1)
    assert told[-1][1]["progress"]["done"] == told[-1][1]["progress"]["total"]
    assert all("result" not in job for _, job in told)


async def test_events_tell_of_what_happens_in_another_process(tmp_path: Path):
    async with kept(tmp_path) as (beside, client):
        job = await beside.jobs.submit(TESTER, "scan", {}, total=10)
        async with events(client, f"/api/jobs/{job.id}/events") as stream:
            told = [await following(stream)]
            running = await claimed(beside, job.id)
            told.append(await following(stream))
            await beside.jobs.store.extend(
                running, until=system_clock() + 60 * NS_PER_SECOND, done=4
            )
            told.append(await following(stream))
            await beside.jobs.store.release(running.fail(JobError("code", "Why."), system_clock()))
            told += [event async for event in stream]

    assert [(name, shown["state"], shown["progress"]["done"]) for name, shown in told] == [
        ("progress", "queued", 0),
        ("progress", "running", 0),
        ("progress", "running", 4),
        ("end", "failed", 0),
    ]
    assert told[-1][1]["error"] == {"code": "code", "message": "Why."}


async def test_events_of_an_ended_job_are_its_end_alone(tmp_path: Path):
    async with kept(tmp_path) as (beside, client):
        job = await beside.jobs.submit(TESTER, "scan", {})
        await beside.jobs.store.release((await claimed(beside, job.id)).succeed({}, system_clock()))
        async with events(client, f"/api/jobs/{job.id}/events") as stream:
            told = [event async for event in stream]

    assert [(name, shown["state"]) for name, shown in told] == [("end", "succeeded")]


async def test_events_of_no_job_are_a_problem(tmp_path: Path):
    async with served(tmp_path) as client:
        answer = await client.get("/api/jobs/x/events")

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-job")


async def test_events_end_when_the_server_stops(tmp_path: Path):
    async with (
        opened(tmp_path, celery_broker_url=nowhere()) as app,
        streaming(app) as (client, state),
    ):
        job = await app.jobs.submit(TESTER, "scan", {})
        async with events(client, f"/api/jobs/{job.id}/events") as stream:
            first = await following(stream)
            state.streams.end()
            rest = [event async for event in stream]

    assert (first[0], rest) == ("progress", [])


def test_every_kind_of_job_has_its_work_and_its_permission():
    assert set(JobKind) == set(WORKS) == set(PERMISSIONS)
