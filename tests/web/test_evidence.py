"""GET /api/evidence/{claim}: the spans behind each kind of claim."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.cli.traces import trace
from tests.web.serving import live_spans, served, until

pytestmark = pytest.mark.anyio

JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def client(tmp_path: Path):
    async with served(tmp_path, trace_url="https://t.example/{trace_id}") as client:
        for number in range(8):
            await client.post("/v1/traces", content=json.dumps(trace(number)), headers=JSON)
        await until(lambda: _has_spans(client, 32))
        yield client


async def _has_spans(client, number: int) -> bool:
    return await live_spans(client) == number


async def evidence(client, claim: str, **selection: str) -> dict[str, Any]:
    answer = await client.get(f"/api/evidence/{quote(claim, safe='')}", params=selection)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_every_component_and_dependency_has_its_spans(client):
    graph = (await client.get("/api/graph")).json()
    for node in graph["nodes"]:
        found = await evidence(client, f"component:{node['id']}")
        assert {s["trace_id"] for s in found["spans"]} == {e["trace_id"] for e in node["evidence"]}
    for edge in graph["edges"]:
        found = await evidence(client, f"dependency:{edge['source']}~{edge['target']}")
        assert (found["total"], found["counted"]) == (edge["calls"], "calls")
        assert all(s["stored"] == "spans" for s in found["spans"])


async def test_a_span_has_its_name_status_service_and_link(client):
    found = await evidence(client, "dependency:PaymentAgent~charge_card~uses_tool")
    failed = next(s for s in found["spans"] if s["reason"] == "failed")

    assert found["statement"] == "PaymentAgent depends on charge_card: 8 calls, 2 failed."
    assert (failed["name"], failed["failed"], failed["service"], failed["url"]) == (
        "execute_tool charge_card",
        True,
        "shop",
        f"https://t.example/{failed['trace_id']}",
    )
    assert found["notes"] == []
    assert "a sample of at most 3" in found["chosen"]


async def test_a_single_point_of_failure_has_the_spans_of_the_analysis(client):
    spof = (await client.get("/api/analysis")).json()["spofs"][0]

    found = await evidence(client, f"spof:{spof['id']}")

    assert {s["span_id"] for s in found["spans"]} == {e["span_id"] for e in spof["evidence"]}
    assert found["total"] is None


async def test_figures_of_a_stored_simulation_have_the_spans_of_their_paths(client):
    answer = (await client.post("/api/simulate", json={"agent_id": "charge_card"})).json()
    workflow = answer["impacted_workflows"][0]
    paths = [e["span_id"] for step in workflow["path"] for e in step["evidence"]]

    found = await evidence(client, f"simulation:{answer['id']}~workflow~{workflow['id']}")
    whole = await evidence(client, f"simulation:{answer['id']}")

    assert [s["span_id"] for s in found["spans"]] == list(dict.fromkeys(paths))
    assert found["graph_version"] == answer["graph_version"]
    assert whole["statement"] == answer["answer"]


async def test_a_step_of_a_playbook_has_its_spans(client):
    job = await client.post("/api/playbook", json={"agent_id": "charge_card", "background": True})
    job_id = job.json()["id"]

    async def result():
        return (await client.get(f"/api/jobs/{job_id}")).json()["result"]

    playbook = await until(result)
    step = next(s for s in playbook["steps"] if s["evidence"])

    found = await evidence(client, f"playbook:{job_id}~{step['id']}")

    assert found["statement"] == step["title"]
    assert [s["span_id"] for s in found["spans"]] == list(
        dict.fromkeys(e["span_id"] for e in step["evidence"])
    )


async def test_an_incident_and_its_events_have_the_spans_of_their_simulation(client):
    answer = (await client.post("/api/simulate", json={"agent_id": "charge_card"})).json()
    simulated = await evidence(client, f"simulation:{answer['id']}")
    opened = await client.post("/api/incidents", json={"simulation": answer["id"]})
    incident = opened.json()
    await client.post(f"/api/incidents/{incident['id']}/events", json={"note": "Looking"})

    whole = await evidence(client, f"incident:{incident['id']}")
    first = await evidence(client, f"incident:{incident['id']}~1")
    note = await evidence(client, f"incident:{incident['id']}~2")

    assert whole["statement"] == f"{incident['title']}: open, severity {incident['severity']}."
    assert whole["spans"] == first["spans"] == simulated["spans"] != []
    assert whole["graph_version"] == answer["graph_version"]
    assert first["statement"] == f"Opened as {incident['severity']} from simulation {answer['id']}."
    assert (note["statement"], note["spans"]) == ("Note.", [])
    assert f"agentguard audit export --incident {incident['id']}" in note["notes"][0]
    unknown = await client.get(f"/api/evidence/incident:{incident['id']}~3")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown-claim")


@pytest.mark.parametrize(
    ("claim", "status", "code"),
    [
        ("component:nobody", 404, "unknown-component"),
        ("dependency:CheckoutAgent~gpt-4o", 404, "unknown-claim"),
        ("workflow:nope", 404, "unknown-claim"),
        ("simulation:nope", 404, "unknown-simulation"),
        ("spof:nobody", 404, "unknown-component"),
        ("incident:nope", 404, "unknown-incident"),
        ("nonsense", 400, "bad-claim"),
    ],
)
async def test_what_nothing_claims_is_refused(client, claim: str, status: int, code: str):
    answer = await client.get(f"/api/evidence/{claim}")

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_of_a_scan_the_calls_are_known(client):
    body = "\n".join(json.dumps(trace(100 + number)) for number in range(4))
    await client.post("/api/scan", params={"dataset": "shop"}, files={"file": ("t.jsonl", body)})

    found = await evidence(client, "component:charge_card", dataset="shop")

    assert {s["stored"] for s in found["spans"]} == {"runs"}
    assert "only the call is stored" in found["notes"][0]
