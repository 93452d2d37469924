"""Windows of event time over HTTP: for what is sent to be scanned, and for what was delivered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from tests.web.serving import live_spans, served, until
from tests.web.systems import shop

pytestmark = pytest.mark.anyio

JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def client(tmp_path):
    async with served(tmp_path) as client:
        yield client


def starts() -> list[int]:
    return [
        int(s["startTimeUnixNano"])
        for g in shop()["resourceSpans"]
        for scoped in g["scopeSpans"]
        for s in scoped["spans"]
    ]


def day(offset: int) -> str:
    """A moment so many days after the shop's first span."""
    return (datetime.fromtimestamp(min(starts()) / 1e9, UTC) + timedelta(days=offset)).isoformat()


def calls(graph) -> list[tuple[str, str, int]]:
    return [(edge["source"], edge["target"], edge["calls"]) for edge in graph["edges"]]


@pytest.mark.parametrize("digits", [60, 400, 5000])
@pytest.mark.parametrize("name", ["lookback", "since", "until"])
async def test_a_time_with_hundreds_of_digits_is_an_invalid_request(client, name, digits):
    times = [{name: "9" * digits}, {name: "9" * digits + "d"}, {name: "0." + "9" * digits + "w"}]
    answers = [await client.get("/api/graph", params=time) for time in times]
    answers += [
        await client.post("/api/simulate", json={"agent_id": "x", **time}) for time in times
    ]
    compared = await client.get(
        "/api/graph/diff", params={"a": f"live@-{'9' * digits}h..", "b": "live"}
    )

    assert {answer.status_code for answer in answers} <= {400, 409, 404, 422}
    assert digits == 60 or {answer.status_code for answer in answers} == {422}
    assert compared.status_code in (400, 404)


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+00:00"])
async def test_every_time_of_the_calendar_is_answered(client, at):
    await client.post("/api/scan", json=shop())
    for name in ("since", "until"):
        answer = await client.get("/api/graph", params={name: at, "dataset": "live"})

        assert answer.status_code in (200, 400, 404)


async def test_a_scan_takes_the_traces_that_start_in_its_window(client):
    inside = await client.post(
        "/api/scan",
        params={"since": day(-1), "until": day(1)},
        content=orjson.dumps(shop()),
        headers=JSON,
    )
    outside = await client.post(
        "/api/scan", params={"since": day(1)}, content=orjson.dumps(shop()), headers=JSON
    )

    assert inside.json()["coverage"]["spans"] == len(starts())
    assert inside.json()["window"]["since"] is not None
    assert outside.status_code == 400
    assert "outside the window" in outside.json()["detail"]


async def test_a_large_scan_keeps_its_window_in_the_job(tmp_path):
    async with served(tmp_path, job_bytes=10) as client:
        answer = await client.post(
            "/api/scan", params={"until": day(1)}, content=orjson.dumps(shop()), headers=JSON
        )

        async def done():
            job = (await client.get(answer.headers["Location"])).json()
            return job if job["state"] in ("succeeded", "failed") else None

        job = await until(done)

    assert job["result"]["window"]["since"] is None
    assert job["result"]["window"]["until"].startswith(day(1)[:10])


async def test_the_live_graph_of_a_window_is_computed_from_stored_spans(client):
    await client.post("/v1/traces", content=orjson.dumps(shop()), headers=JSON)
    await until(lambda: live_spans(client))
    whole = (await client.get("/api/graph", params={"dataset": "live"})).json()
    same = (await client.get("/api/graph", params={"since": day(-1), "until": day(1)})).json()
    none = (await client.get("/api/graph", params={"until": day(0), "lookback": "24h"})).json()
    dot = await client.get("/api/graph", params={"since": day(-1), "format": "dot"})

    assert calls(same) == calls(whole)
    assert (same["dataset"], same["graph_version"]) == ("live", None)
    assert same["analysis"]["overall_risk"] == whole["analysis"]["overall_risk"]
    assert none["edges"] == []
    assert dot.text.startswith("digraph")


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"since": "yesterday"}, 400, "bad-time-window"),
        ({"since": "1h", "lookback": "1h"}, 400, "bad-time-window"),
        ({"lookback": "1h", "dataset": "monday"}, 409, "spans-not-kept"),
    ],
)
async def test_windows_that_cannot_be_answered_are_problems(client, asked, status, code):
    answer = await client.get("/api/graph", params=asked)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
