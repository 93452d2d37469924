"""GET /api/graph/diff, /api/components/{id}, and the media types of exports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from agentguard.graph.export.formats import MEDIA_TYPES, ExportFormat
from tests.web.serving import served
from tests.web.systems import shop

pytestmark = pytest.mark.anyio

SMALL = [
    {"traceId": "abc", "spans": [{"spanId": "1", "serviceName": "PricingAgent", "attributes": {}}]}
]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with served(tmp_path) as client:
        await client.post("/api/scan", json=SMALL, params={"dataset": "small"})
        await client.post("/api/scan", json=shop(), params={"dataset": "shop"})
        yield client


async def test_two_datasets_are_compared(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/graph/diff", params={"a": "small", "b": "shop"})

    document = answer.json()
    assert (answer.status_code, document["same"]) == (200, False)
    assert {c["name"] for c in document["components"]["gone"]} >= {"PricingAgent"}


async def test_a_dataset_is_the_same_as_its_newest_version(client: httpx.AsyncClient) -> None:
    version = (await client.get("/api/graph", params={"dataset": "shop"})).json()["graph_version"]

    answer = await client.get("/api/graph/diff", params={"a": "shop", "b": version})

    assert answer.json()["same"]


async def test_markdown_has_its_media_type(client: httpx.AsyncClient) -> None:
    query = {"a": "small", "b": "shop", "format": "markdown"}

    answer = await client.get("/api/graph/diff", params=query)

    assert answer.headers["content-type"].startswith("text/markdown")
    assert answer.text.startswith("# Changes between two graphs")


@pytest.mark.parametrize(
    ("reference", "status", "code"),
    [
        ("nothing", 404, "unknown-graph-reference"),
        ("live@..", 400, "bad-graph-reference"),
        ("shop@-1h..", 409, "spans-not-kept"),
    ],
)
async def test_a_wrong_reference_is_a_problem(
    client: httpx.AsyncClient, reference: str, status: int, code: str
) -> None:
    answer = await client.get("/api/graph/diff", params={"a": "shop", "b": reference})

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_windows_without_spans_are_not_called_the_same(client: httpx.AsyncClient) -> None:
    windows = {"a": "live@-2h..-90m", "b": "live@-90m..-1h"}
    answer = await client.get("/api/graph/diff", params=windows)

    assert (answer.status_code, answer.json()["code"]) == (404, "empty-graph")
    assert "live@-2h..-90m" in answer.json()["detail"]


async def test_a_component_of_any_kind_by_id_or_name(client: httpx.AsyncClient) -> None:
    nodes = (await client.get("/api/graph", params={"dataset": "shop"})).json()["nodes"]

    for node in nodes:
        document = (await client.get(f"/api/components/{node['id']}")).json()
        assert {key: document[key] for key in node} == node


async def test_what_is_no_agent_is_told_where_it_is(client: httpx.AsyncClient) -> None:
    nodes = (await client.get("/api/graph", params={"dataset": "shop"})).json()["nodes"]
    other = next(node for node in nodes if node["type"] != "agent")

    answer = await client.get(f"/api/agents/{other['id']}")

    assert (answer.status_code, answer.json()["code"]) == (404, "not-an-agent")
    assert answer.json()["detail"].endswith(f" GET /api/components/{other['id']}.")


@pytest.mark.parametrize("language", list(MEDIA_TYPES))
async def test_exports_have_their_media_types(
    client: httpx.AsyncClient, language: ExportFormat
) -> None:
    answer = await client.get("/api/graph", params={"dataset": "shop", "format": language})

    assert answer.headers["content-type"].split(";")[0] == MEDIA_TYPES[language]
    assert language == "cypher" or "spof" in answer.text
