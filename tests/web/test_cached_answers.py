"""Answers from cached bytes: computed once, found without the graph, sent in parts."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from agentguard.graph.service import GraphService
from agentguard.graph.storage.versions import Graphs
from agentguard.simulation import service
from agentguard.simulation.service import SimulationService
from agentguard.web.app import create_app
from agentguard.web.state import DocumentBytes
from benchmarks import http
from tests.web.counted import counting
from tests.web.serving import client_of, opened
from tests.web.systems import shop

pytestmark = pytest.mark.anyio

SIMULATION = {"agent_id": "CheckoutAgent"}


@pytest.fixture
async def shop_client(tmp_path):
    async with opened(tmp_path) as app, client_of(create_app(app)) as client:
        await client.post("/api/scan", json=shop())
        yield client


async def test_agents_are_computed_once_per_version(shop_client, monkeypatch):
    calls = counting(monkeypatch, GraphService, "agents")
    first, second = [await shop_client.get("/api/agents") for _ in range(2)]
    await shop_client.post("/api/scan", json=shop(2))
    third = await shop_client.get("/api/agents")

    assert first.content == second.content
    assert first.json()["graph_version"] != third.json()["graph_version"]
    assert calls["agents"] == 2


async def test_an_equal_simulation_is_neither_resolved_nor_computed_again(shop_client, monkeypatch):
    calls = [
        counting(monkeypatch, service, "resolve"),
        counting(monkeypatch, SimulationService, "simulate"),
    ]
    first = await shop_client.post("/api/simulate", json=SIMULATION)
    once = [sum(each.values()) for each in calls]
    second = await shop_client.post("/api/simulate", json=SIMULATION)

    assert first.content == second.content
    assert once[1] == 1
    assert [sum(each.values()) for each in calls] == once


async def test_requests_at_once_share_the_read_of_the_newest_version(shop_client, monkeypatch):
    await shop_client.get("/api/agents")
    calls = counting(monkeypatch, Graphs, "_newest")
    answers = await asyncio.gather(*[shop_client.get("/api/agents") for _ in range(50)])

    assert {answer.status_code for answer in answers} == {200}
    assert calls["_newest"] < 25


@pytest.mark.parametrize("size", [0, 1, 256 * 1024, 256 * 1024 + 1, 1024 * 1024])
async def test_a_large_document_is_sent_in_parts(size: int):
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        raise AssertionError("nothing to receive")

    document = orjson.dumps("x" * max(size - 2, 0)) if size > 1 else b"7" * size
    await DocumentBytes(document)({"type": "http"}, receive, send)

    parts = [message["body"] for message in sent[1:]]
    assert b"".join(parts) == document
    assert max(map(len, parts)) <= 256 * 1024
    assert [message.get("more_body", False) for message in sent[1:]] == [True] * (
        len(parts) - 1
    ) + [False]
    assert (b"content-length", str(size).encode()) in sent[0]["headers"]


@pytest.mark.matrix
def test_the_benchmark_measures_both_servers():
    for size, ours, bare in http.compared(20).values():
        assert size > 1000
        assert ours > 0 < bare


@pytest.mark.parametrize(("ours", "code"), [(4.9, 0), (5.1, 1)])
def test_the_benchmark_fails_where_answers_are_slow(monkeypatch, ours: float, code: int):
    monkeypatch.setattr(http, "compared", lambda _components: {"GET /": (100, ours, 1.0)})

    assert http.main() == code
