from __future__ import annotations

import gzip
import re

import orjson
import pytest

from agentguard.web.problems import MEDIA_TYPE
from tests.traces.spans import protobuf
from tests.web.serving import served, until
from tests.web.systems import shop

pytestmark = pytest.mark.anyio

PLAIN = [
    {
        "traceId": "abc123",
        "spans": [
            {"spanId": "span1", "serviceName": "PricingAgent", "attributes": {"type": "llm"}}
        ],
    }
]
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def client(tmp_path):
    async with served(tmp_path) as client:
        yield client


def names(document) -> set[str]:
    return {agent["name"] for agent in document["agents"]}


async def test_the_plain_form_finds_an_agent_and_says_how_weak_that_is(client):
    answer = await client.post("/api/scan", json=PLAIN)

    agent = answer.json()["agents"][0]
    assert answer.status_code == 200
    assert agent["name"] == "PricingAgent"
    assert agent["confidence"] < 0.5
    assert "name" in agent["basis"]["rule"]


async def test_a_scan_becomes_the_newest_graph(client):
    await client.post("/api/scan", json=PLAIN)
    scanned = (await client.post("/api/scan", json=shop(), params={"dataset": "shop"})).json()

    graph = (await client.get("/api/graph")).json()
    assert graph["dataset"] == "shop"
    assert graph["graph_version"] == scanned["graph_version"]
    assert {
        ("agent:checkoutagent", "agent:paymentagent"),
        ("agent:paymentagent", "agent:fraudagent"),
    } <= {(edge["source"], edge["target"]) for edge in graph["edges"]}
    assert graph["analysis"].keys() >= {
        "spof_agents",
        "circular_dependencies",
        "risk_scores",
        "overall_risk",
    }
    assert names((await client.get("/api/agents")).json()) == {
        "CheckoutAgent",
        "PaymentAgent",
        "FraudAgent",
    }


async def test_datasets_are_listed_last_written_first_and_named_where_one_is_missing(client):
    await client.post("/api/scan", json=PLAIN, params={"dataset": "plain"})
    await client.post("/api/scan", json=PLAIN, params={"dataset": "shop"})
    newest = (await client.post("/api/scan", json=shop(), params={"dataset": "shop"})).json()

    listed = (await client.get("/api/datasets")).json()["datasets"]
    missing = (await client.get("/api/graph", params={"dataset": "nope"})).json()

    assert [dataset["name"] for dataset in listed] == ["shop", "plain"]
    assert listed[0]["graph_version"] == newest["graph_version"]
    assert listed[0]["total_components"] == newest["total_components"]
    assert "/api/datasets" in missing["detail"]


async def test_a_dataset_is_deleted_unless_it_is_unknown_or_live(client):
    for name in ("plain", "shop"):
        await client.post("/api/scan", json=PLAIN, params={"dataset": name})

    deleted = await client.delete("/api/datasets/plain")
    unknown = await client.delete("/api/datasets/plain")
    live = await client.delete("/api/datasets/live")
    (left,) = (await client.get("/api/datasets")).json()["datasets"]

    assert (deleted.status_code, deleted.json()) == (
        200,
        {"dataset": "plain", "deleted_versions": 1},
    )
    assert (unknown.status_code, live.status_code) == (404, 409)
    assert live.json()["code"] == "live-dataset"
    assert (left["name"], left["versions"]) == ("shop", 1)
    assert left["bytes"] > 0


@pytest.mark.parametrize(
    "filename",
    ["spans.json", "spans.jsonl", "spans.json.gz", "spans.pb", "spans.pb.gz", "whatever"],
)
async def test_uploads_of_every_form_give_the_same_graph(client, filename):
    body = orjson.dumps(shop())
    if ".pb" in filename:
        body = protobuf(range(1, 5), service="WorkerAgent").body
    if filename.endswith(".gz"):
        body = gzip.compress(body)

    answer = await client.post("/api/scan", files={"file": (filename, body)})

    assert answer.status_code == 200
    assert names(answer.json()) == (
        {"WorkerAgent"} if ".pb" in filename else {"CheckoutAgent", "PaymentAgent", "FraudAgent"}
    )


async def test_a_gzipped_body_is_unpacked(client):
    body = gzip.compress(orjson.dumps(shop()))

    answer = await client.post(
        "/api/scan", content=body, headers=JSON | {"Content-Encoding": "gzip"}
    )

    assert answer.json()["total_agents"] == 3


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"not json", JSON, 400),
        (b"", JSON, 400),
        (b"[]", JSON, 400),
        (b"{}", JSON, 400),
        (b"[" * 100_000, JSON, 400),
        (b'{"a":' * 50_000, JSON, 400),
        (b"\xff\xfe\x00", JSON, 400),
        (gzip.compress(orjson.dumps(PLAIN))[:-9], JSON | {"Content-Encoding": "gzip"}, 400),
        (b"[]", JSON | {"Content-Encoding": "gzip"}, 400),
        (b"[]", JSON | {"Content-Encoding": "br"}, 415),
        (b"[]", {"Content-Type": "text/plain"}, 415),
        (b"[]", {}, 415),
        (b"", {"Content-Type": "multipart/form-data"}, 400),
        (b"garbage", {"Content-Type": "multipart/form-data; boundary=x"}, 400),
        (
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
            {"Content-Type": "multipart/form-data; boundary=x"},
            400,
        ),
    ],
    ids=[f"case {n}" for n in range(15)],
)
async def test_unusable_scans_are_problems_and_store_nothing(client, body, headers, status):
    answer = await client.post("/api/scan", content=body, headers=headers)

    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE)
    assert answer.json()["status"] == status
    assert len(answer.json()["detail"]) > 20
    assert (await client.get("/api/graph")).json()["code"] == "no-graph"


async def test_a_bad_span_is_refused_with_its_place_and_the_rest_is_kept(client):
    wanted = shop(1)
    wanted["resourceSpans"][0]["scopeSpans"][0]["spans"].append({"name": "no ids"})

    scanned = (await client.post("/api/scan", json=wanted)).json()

    assert scanned["total_agents"] == 3
    assert scanned["refusals_total"] == 1
    assert "body" in scanned["refusals"][0]["origin"]


@pytest.mark.parametrize("name", ["live", "a b", "../no-such-folder", "x" * 101, ""])
async def test_bad_dataset_names_are_refused(client, name):
    answer = await client.post("/api/scan", json=PLAIN, params={"dataset": name})

    assert answer.status_code == 400
    assert answer.json()["code"] == "bad-dataset-name"


async def test_a_large_scan_becomes_a_job(tmp_path):
    async with served(tmp_path, job_bytes=1000) as client:
        accepted = await client.post(
            "/api/scan",
            files={"file": ("big.json", orjson.dumps(shop(50)))},
            params={"dataset": "big"},
        )

        async def finished():
            job = (await client.get(accepted.headers["location"])).json()
            return job if job["state"] in ("succeeded", "failed") else None

        async def cleared():
            return not list((tmp_path / "data" / "uploads").iterdir())

        job = await until(finished)
        graph = (await client.get("/api/graph", params={"dataset": "big"})).json()
        left_nothing = await until(cleared)
    assert accepted.status_code == 202
    assert accepted.json()["state"] == "queued"
    assert job["state"] == "succeeded"
    assert job["progress"]["done"] == job["progress"]["total"] > 1000
    assert job["result"]["total_agents"] == 3
    assert job["result"]["graph_version"] == graph["graph_version"]
    assert left_nothing


async def test_a_large_scan_of_nothing_is_a_failed_job(tmp_path):
    async with served(tmp_path, job_bytes=10) as client:
        accepted = await client.post("/api/scan", content=b"nothing of any use here", headers=JSON)

        async def finished():
            job = (await client.get(accepted.headers["location"])).json()
            return job if job["state"] in ("succeeded", "failed") else None

        job = await until(finished)
    assert job["state"] == "failed"
    assert job["error"]["code"] == "no-usable-spans"


async def test_delivered_spans_show_in_the_live_graph(client):
    half = orjson.dumps(shop())
    for _ in range(2):  # delivered twice
        assert (await client.post("/v1/traces", content=half, headers=JSON)).json() == {}

    async def counted():
        graph = (await client.get("/api/graph", params={"dataset": "live"})).json()
        return graph if graph.get("coverage", {}).get("duplicates") == 16 else None

    graph = await until(counted)
    assert graph["coverage"]["spans"] == 16
    assert {node["label"] for node in graph["nodes"]} >= {
        "CheckoutAgent",
        "PaymentAgent",
        "FraudAgent",
        "charge_card",
    }


async def test_partial_success_names_what_was_refused(client):
    wanted = shop(1)
    wanted["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["spanId"] = "12"

    partial = (await client.post("/v1/traces", json=wanted)).json()["partialSuccess"]

    assert partial["rejectedSpans"] == "1"
    assert "span id" in partial["errorMessage"]


@pytest.mark.parametrize("component", ["PaymentAgent", "paymentagent", "agent:paymentagent"])
async def test_failure_hits_callers_and_not_callees(client, component):
    await client.post("/api/scan", json=shop())

    hit = (await client.post("/api/simulate", json={"agent_id": component})).json()

    assert hit["failed_agent"] == "agent:paymentagent"
    assert hit["impacted_agents"] == ["agent:checkoutagent"]
    assert hit["impact_estimate"]["severity"] == "CRITICAL"
    assert hit["impact_estimate"]["revenue_risk"] is None


async def test_a_group_fails_with_all_its_members_in_any_mode(client):
    await client.post("/api/scan", json=shop())
    services = {
        name
        for c in (await client.get("/api/graph")).json()["nodes"]
        for name in c.get("services", [])
    }
    group = f"service:{min(services)}"

    hit = await client.post("/api/simulate", json={"groups": [group], "modes": ["outage"]})
    unknown = await client.post("/api/simulate", json={"groups": ["provider:nobody"]})
    errors = {"groups": [group], "modes": ["errors:0.5", f"{group}=errors:0.25"]}
    some = await client.post("/api/simulate", json=errors)
    replayed = await client.post(
        "/api/simulate", json={"groups": [group], "modes": ["latency:3"], "method": "replay"}
    )

    assert hit.status_code == 200
    assert some.json()["method"] == "monte_carlo"
    assert {f["mode"] for f in some.json()["monte_carlo"]["faults"]} == {"errors:0.25"}
    assert (replayed.status_code, replayed.json()["code"]) == (400, "mode-not-supported")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown-group")
    assert group in unknown.json()["groups"]


async def test_a_playbook_has_three_phases_of_steps(client):
    await client.post("/api/scan", json=shop())

    playbook = (await client.post("/api/playbook", json={"agent_id": "PaymentAgent"})).json()

    assert playbook.keys() >= {"incident", "estimated_recovery_time", "steps"}
    assert len({step["timeframe"] for step in playbook["steps"]}) == 3
    assert all(step["actions"] and step["verifications"] for step in playbook["steps"])


@pytest.mark.parametrize("path", ["/api/simulate", "/api/playbook"])
async def test_an_unknown_agent_is_a_problem_with_near_matches(client, path):
    await client.post("/api/scan", json=shop())

    answer = await client.post(path, json={"agent_id": "PaymentAgnt"})

    assert (answer.status_code, answer.headers["content-type"]) == (404, MEDIA_TYPE)
    assert answer.json()["near_matches"][0] == "agent:paymentagent"


async def test_an_ambiguous_name_is_a_problem_with_the_candidates(client):
    both = shop(1)
    spans = both["resourceSpans"][0]["scopeSpans"][0]["spans"]
    tool = dict(
        spans[0],
        spanId="00000001000000ff",
        parentSpanId=spans[0]["spanId"],
        name="execute_tool PaymentAgent",
    )
    tool["attributes"] = [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "execute_tool"}},
        {"key": "gen_ai.tool.name", "value": {"stringValue": "PaymentAgent"}},
    ]
    spans.append(tool)
    await client.post("/api/scan", json=both)

    answer = await client.post("/api/simulate", json={"agent_id": "PaymentAgent"})

    assert answer.status_code == 409
    assert "agent:paymentagent" in answer.json()["candidates"]
    assert len(answer.json()["candidates"]) == 2


async def test_agents_by_id_or_name_slashes_too(client):
    await client.post(
        "/api/scan",
        json=[{"traceId": "t", "spans": [{"spanId": "s", "serviceName": "team/PricingAgent"}]}],
    )
    agent_id = (await client.get("/api/agents")).json()["agents"][0]["id"]

    for wanted in (agent_id, "team/PricingAgent", "TEAM/pricingagent"):
        assert (await client.get(f"/api/agents/{wanted}")).json()["id"] == agent_id
    assert "/" in agent_id
    missing = await client.get("/api/agents/team/PricingAgnt")
    assert missing.status_code == 404
    assert missing.json()["near_matches"] == [agent_id]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"agent_id": ""},
        {"agent_id": 3},
        {"agent_id": "x", "unknown": 1},
        {"agent_id": "x", "modes": ["latency"]},
        {"agent_id": "x", "modes": ["errors:1.5"]},
        [],
        {"agent_ids": []},
    ],
)
async def test_requests_that_do_not_fit_are_problems(client, body):
    answer = await client.post("/api/simulate", json=body)

    assert (answer.status_code, answer.headers["content-type"]) == (422, MEDIA_TYPE)
    assert answer.json()["errors"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("DELETE", "/api/graph", 405),
        ("GET", "/api/jobs/x", 404),
        ("GET", "/api/graph?dataset=x", 404),
        ("POST", "/v2", 404),
    ],
)
async def test_what_is_not_there_is_a_problem(client, method, path, status):
    answer = await client.request(method, path)

    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE)
    assert answer.json()["code"]


async def test_a_fault_of_our_own_tells_nothing(client, monkeypatch):
    def broken(*_args, **_how):
        raise RuntimeError("a secret")

    monkeypatch.setattr("agentguard.graph.service.agents_document", broken)
    await client.post("/api/scan", json=PLAIN)

    answer = await client.get("/api/agents")

    assert (answer.status_code, answer.headers["content-type"]) == (500, MEDIA_TYPE)
    assert "secret" not in answer.text


@pytest.mark.parametrize("written", ["dot", "mermaid", "graphml", "cypher"])
async def test_graphs_in_other_languages(client, written):
    await client.post("/api/scan", json=shop())

    answer = await client.get("/api/graph", params={"format": written})

    assert answer.status_code == 200
    assert "CheckoutAgent" in answer.text


async def test_metrics_count_what_came(client):
    await client.post("/v1/traces", content=orjson.dumps(shop(1)), headers=JSON)
    await client.post("/v1/traces", content=b"{", headers=JSON)
    await client.post(
        "/v1/logs", json={"resourceLogs": [{"scopeLogs": [{"logRecords": [{}, {}]}]}]}
    )
    await client.post(
        "/v1/metrics", content=b"", headers={"Content-Type": "application/x-protobuf"}
    )

    async def numbers_of_window() -> dict[str, str]:
        text = (await client.get("/metrics")).text
        found = dict(re.findall(r"^(agentguard_\S+) ([0-9.e+]+)$", text, re.MULTILINE))
        return found if "agentguard_spans_in_window" in found else {}

    numbers = await until(numbers_of_window)

    assert float(numbers["agentguard_spans_received_total"]) == 4
    assert float(numbers['agentguard_spans_refused_total{reason="not-json"}']) == 1
    assert float(numbers["agentguard_acknowledgement_seconds_count"]) == 1
    assert float(numbers['agentguard_otlp_records_discarded_total{signal="logs"}']) == 2
    assert float(numbers["agentguard_spans_in_window"]) == 4
    assert "agentguard_spans_unattributed" in numbers


@pytest.mark.parametrize("signal", ["logs", "metrics"])
async def test_logs_and_metrics_are_answered_in_otlp(client, signal):
    protobuf_answer = await client.post(
        f"/v1/{signal}", content=b"", headers={"Content-Type": "application/x-protobuf"}
    )
    bad = await client.post(f"/v1/{signal}", content=b"{", headers=JSON)
    other = await client.post(
        f"/v1/{signal}", content=b"{}", headers={"Content-Type": "text/plain"}
    )

    assert (protobuf_answer.status_code, protobuf_answer.content) == (200, b"")
    assert (bad.status_code, bad.json()["code"]) == (400, 3)
    assert other.status_code == 415


async def test_the_documentation_needs_no_internet(client):
    for page in ("/docs", "/redoc"):
        text = (await client.get(page)).text
        for address in re.findall(r"""(?:src|href)=["']([^"']+)""", text):
            assert address.startswith("/")
            assert (await client.get(address)).status_code == 200


async def test_health_says_what_every_part_does(client):
    async def ready():
        return (await client.get("/health/ready")).status_code == 200

    await until(ready)
    health = (await client.get("/health")).json()
    assert health["parts"].keys() == {"database", "spans", "live_graph", "workers", "audit_log"}
    assert (await client.get("/health/live")).json()["status"] == "up"
    assert (await client.get("/")).json().keys() == {"message", "version", "docs"}
