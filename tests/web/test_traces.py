"""GET /api/traces/{trace_id}: a delivered trace, a scanned one, an expired one, an unknown one."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from agentguard.compute.pools import ThreadPool
from agentguard.discovery.dialects.loading import load_dialects
from agentguard.graph.evidence_links import NO_LINKS
from agentguard.graph.runs import CALL_SCHEMA, calls_of_trace
from agentguard.graph.storage.store import Dataset, GraphVersion
from agentguard.ingest.payloads import DocumentPayload
from agentguard.kernel.clock import timestamp
from agentguard.retention.expiries import Expiry
from agentguard.scan.pipeline import Scan, scan
from agentguard.scan.trace_service import TraceExpiredError, TraceNotStoredError, TraceService
from agentguard.traces.store import SpanReader
from tests.cli.traces import trace
from tests.traces.readers import NoSpans
from tests.web.serving import live_spans, served, until

pytestmark = pytest.mark.anyio

JSON = {"Content-Type": "application/json"}
FAILED, FINE, UNKNOWN = f"{1:032x}", f"{2:032x}", f"{99:032x}"


@pytest.fixture
async def client(tmp_path: Path):
    async with served(tmp_path, trace_url="https://t.example/{trace_id}") as client:
        yield client


async def deliver(client) -> None:
    for number in range(4):
        answer = await client.post("/v1/traces", content=json.dumps(trace(number)), headers=JSON)
        assert answer.status_code == 200
    await until(lambda: _has_spans(client, 16))


async def _has_spans(client, number: int) -> bool:
    return await live_spans(client) == number


async def test_a_delivered_trace_is_shown_from_its_spans(client):
    await deliver(client)

    found = (await client.get(f"/api/traces/{FAILED}")).json()

    assert (found["source"], found["dataset"], found["graph_version"]) == ("spans", "live", None)
    assert found["url"] == f"https://t.example/{FAILED}"
    assert [s["component"]["name"] for s in found["failing_path"]] == [
        "CheckoutAgent",
        "PaymentAgent",
        "charge_card",
    ]
    assert found["first_cause"]["owner"]["component"]["name"] == "PaymentAgent"
    assert found["spans_total"] == found["spans_shown"] == 4


async def test_components_of_a_trace_are_those_of_the_graph(client):
    await deliver(client)

    found = (await client.get(f"/api/traces/{FINE}")).json()
    nodes = {n["id"] for n in (await client.get("/api/graph")).json()["nodes"]}

    assert found["outcome"] == "succeeded"
    assert {s["component"]["id"] for s in found["spans"]} <= nodes


async def test_a_scanned_trace_is_shown_from_the_recorded_runs(client):
    body = "\n".join(json.dumps(trace(number)) for number in range(4))
    scanned = await client.post(
        "/api/scan", params={"dataset": "shop"}, files={"file": ("t.jsonl", body)}
    )
    assert scanned.status_code == 200
    version = scanned.json()["graph_version"]

    found = [
        (await client.get(f"/api/traces/{FAILED}", params=which)).json()
        for which in ({}, {"dataset": "shop"}, {"version": version})
    ]

    assert found[0] == found[1] == found[2]
    assert (found[0]["source"], found[0]["graph_version"]) == ("runs", version)
    assert found[0]["first_cause"]["component"]["name"] == "charge_card"
    assert "The spans of this trace are not stored." in found[0]["notes"][0]


async def test_the_limit_bounds_the_answer(client):
    await deliver(client)

    found = (await client.get(f"/api/traces/{FAILED}", params={"limit": 3})).json()
    refused = await client.get(f"/api/traces/{FAILED}", params={"limit": 5_001})

    assert (found["spans_shown"], found["spans_total"], len(found["spans"])) == (3, 4, 3)
    assert refused.status_code == 422


async def test_an_unknown_trace_is_not_stored(client):
    await deliver(client)

    answers = [await client.get(f"/api/traces/{each}") for each in (UNKNOWN, "not/hex", "x" * 900)]

    assert [a.status_code for a in answers] == [404, 404, 404]
    assert {a.json()["code"] for a in answers} == {"trace-not-stored"}
    assert "neither among the stored spans" in answers[0].json()["detail"]


class Graphs:
    """One dataset whose graph outlived its runs, if `calls` is None."""

    def __init__(self, found: Scan, calls: pa.Table) -> None:
        self._calls = calls
        self._version = GraphVersion("v1", "shop", 1, found.graph)

    async def datasets(self) -> tuple[Dataset, ...]:
        return (Dataset("shop", "v1", 1, 0, 0, 1, 0),)

    async def newest(self, dataset: str | None = None) -> GraphVersion:
        assert dataset == "shop"
        return self._version

    async def get(self, version_id: str) -> GraphVersion:
        assert version_id == "v1"
        return self._version

    async def calls_of_trace(self, version_id: str, trace_id: str) -> pa.Table:
        assert version_id == "v1"
        return calls_of_trace([self._calls], trace_id)


class Expiries:
    def __init__(self, *found: Expiry) -> None:
        self._found = found

    async def expiries(self) -> tuple[Expiry, ...]:
        return self._found


def service(*expiries: Expiry, spans: SpanReader | None = None) -> TraceService:
    found = scan([DocumentPayload("t", trace(0))], load_dialects())
    return TraceService(
        spans or NoSpans(),
        Graphs(found, CALL_SCHEMA.empty_table()),
        Expiries(*expiries),
        ThreadPool(load_dialects),
        NO_LINKS,
    )


RECORDED = 1_700_000_000_000_000_000


async def test_a_cited_trace_whose_data_is_deleted_expired_then():
    later, last = Expiry(RECORDED + 20, RECORDED + 10**9), Expiry(RECORDED + 30, RECORDED + 10**10)
    earlier = Expiry(RECORDED + 10, RECORDED - 1)

    with pytest.raises(TraceExpiredError) as found:
        await service(last, later, earlier).trace(FAILED)

    assert found.value.extensions["expired_at"] == timestamp(later.at)
    assert f"its data expired on {timestamp(later.at)}" in str(found.value)


async def test_where_no_deletion_is_recorded_its_time_is_not_known():
    with pytest.raises(TraceExpiredError, match="when it was deleted is not known"):
        await service().trace(FAILED)


async def test_an_uncited_trace_is_not_stored_and_the_last_expiry_is_named():
    last = Expiry(RECORDED + 30, RECORDED + 10)

    with pytest.raises(TraceNotStoredError) as found:
        await service(last).trace(UNKNOWN)

    assert f"Spans received until {timestamp(last.received_until)} expired on" in str(found.value)
