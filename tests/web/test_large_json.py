"""JSON bodies made to cost much: bounded before they are validated, and in what is answered."""

from __future__ import annotations

import orjson
import pytest

from agentguard.web.bodies import MOST_JSON_BYTES
from agentguard.web.validation import MOST_SHOWN
from tests.web.serving import served

pytestmark = pytest.mark.anyio

JSON = {"Content-Type": "application/json"}
PATHS = ["/api/simulate", "/api/playbook"]


def members(count: int) -> bytes:
    return b"{" + b",".join(b'"%d":1' % number for number in range(count)) + b"}"


@pytest.mark.parametrize("path", PATHS)
async def test_a_million_unknown_members_are_not_read(tmp_path, path):
    async with served(tmp_path) as client:
        answer = await client.post(path, content=members(1_000_000), headers=JSON)

    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
    assert len(answer.content) < 1000


@pytest.mark.parametrize("path", PATHS)
async def test_many_unknown_members_are_one_error(tmp_path, path):
    body = members(100_000)
    async with served(tmp_path) as client:
        answer = await client.post(path, content=body, headers=JSON)

    assert len(body) < MOST_JSON_BYTES
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 1
    assert "got 100,000" in answer.json()["detail"]
    assert len(answer.content) < 1000


async def test_a_few_unknown_members_are_named(tmp_path):
    async with served(tmp_path) as client:
        answer = await client.post("/api/simulate", json={"agent": "x", "sed": 1})

    assert [fault["location"][-1] for fault in answer.json()["errors"]] == ["agent", "sed"]


async def test_at_most_a_hundred_errors_are_listed(tmp_path):
    query = "&".join(["kind=nonsense"] * 1000)
    async with served(tmp_path) as client:
        answer = await client.get(f"/api/graph?{query}")

    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == MOST_SHOWN
    assert answer.json()["total_errors"] == 1000


async def test_the_longest_request_for_a_simulation_fits(tmp_path):
    """Components and groups at most, their names as long as may be, each character escaped."""
    name = "\\u0001" * 1000
    names = "[" + ",".join([f'"{name}"'] * 100) + "]"
    body = f'{{"agent_id":"{name}","agent_ids":{names},"groups":{names}}}'.encode()
    async with served(tmp_path) as client:
        answer = await client.post("/api/simulate", content=body, headers=JSON)

    assert len(body) < MOST_JSON_BYTES
    assert orjson.loads(body)["agent_id"] == "\u0001" * 1000
    assert answer.json()["code"] == "no-graph"
