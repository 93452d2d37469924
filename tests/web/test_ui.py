"""The pages of the web UI: where they are served, with which headers, and what stays itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agentguard.web import ui
from agentguard.web.app import create_app
from agentguard.web.pages import UI_PATHS, accepts_html
from tests.web.serving import client_of, opened
from tests.web.systems import shop

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture
async def client(tmp_path):
    """A client of a server with a key, whose UI is one page and one file."""
    built = tmp_path / "built"
    (built / "ui-files").mkdir(parents=True)
    (built / "index.html").write_text("<!doctype html><title>AgentGuard</title>")
    (built / "ui-files" / "main-1a2b.js").write_text("let a = 1")
    (built / "ui-files" / "main-1a2b.js.gz").write_bytes(b"\x1f\x8b")
    async with opened(tmp_path, api_key="open-sesame") as app:
        api = create_app(app)
        api.state.ui = built
        async with client_of(api) as found:
            yield found


@pytest.mark.parametrize("path", ["/", *sorted(UI_PATHS)])
async def test_browsers_get_the_page_without_credentials(client, path):
    answer = await client.get(path, headers=BROWSER)

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-cache"
    assert "script-src 'self';" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html;q=0, */*"])
async def test_the_root_is_json_for_who_does_not_ask_for_html(client, accept):
    key = {"Authorization": "Bearer open-sesame"}
    answer = await client.get("/", headers={"Accept": accept} | key)
    page = await client.get("/", headers=BROWSER)

    assert answer.json().keys() == {"message", "version", "docs"}
    assert "Accept" in answer.headers["vary"]
    assert "Accept" in page.headers["vary"]


async def test_data_needs_credentials_whatever_is_accepted(client):
    for path in ("/api/datasets", "/log/checkpoint", "/openapi.json", "/docs", "/metrics"):
        answer = await client.get(path, headers=BROWSER)

        assert answer.status_code == 401, path


async def test_the_documentation_keeps_its_own_policy(client):
    key = {"Authorization": "Bearer open-sesame"}
    answer = await client.get("/docs", headers=BROWSER | key)

    assert "swagger-ui" in answer.text
    assert "script-src" not in answer.headers["content-security-policy"]


async def test_files_are_kept_for_good_and_compressed_where_accepted(client):
    path = "/ui-files/main-1a2b.js"
    small = await client.send(client.build_request("GET", path), stream=True)
    plain = await client.get(path, headers={"Accept-Encoding": "identity"})

    assert "immutable" in plain.headers["cache-control"]
    assert plain.headers["content-type"].startswith("text/javascript")
    assert plain.text == "let a = 1"
    assert small.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in small.headers["vary"]


@pytest.mark.parametrize(
    "path",
    ["/ui-files/gone.js", "/ui-files/main-1a2b.js.gz", "/ui-files/..%2Findex.html", "/ui-files/x"],
)
async def test_missing_files_are_404_and_never_a_page(client, path):
    answer = await client.get(path, headers=BROWSER)

    assert answer.status_code == 404
    assert "text/html" not in answer.headers["content-type"]


async def test_unknown_paths_below_the_api_are_problems(client):
    headers = BROWSER | {"Authorization": "Bearer open-sesame"}
    answer = await client.get("/api/nope", headers=headers)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_without_the_ui_a_page_says_how_to_get_it(tmp_path):
    async with opened(tmp_path) as app:
        api = create_app(app)
        api.state.ui = tmp_path / "nothing"
        async with client_of(api) as client:
            page = await client.get("/", headers=BROWSER)
            data = await client.get("/")

    assert page.status_code == 503
    assert "scripts/setup.sh" in page.text
    assert data.status_code == 200
    assert not ui.installed(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/html", True),
        ("application/json, Text/HTML ; q=0.5", True),
        ("text/html;q=0", False),
        ("text/html;q=0.000", False),
        ("*/*", False),
        ("text/*", False),
        ("", False),
    ],
)
def test_html_counts_where_it_is_named(accept, expected):
    scope = {"headers": [(b"accept", accept.encode())]}

    assert accepts_html(scope) is expected


def test_the_server_knows_the_pages_that_the_ui_has():
    navigation = (ROOT / "ui/src/app/pages.ts").read_text()
    routes = (ROOT / "ui/src/app/App.tsx").read_text()

    linked = set(re.findall(r"path: '([^']+)'", navigation))
    routed = {"/", *re.findall(r"'(/[a-z-]+)': lazy", routes)}
    assert routed == UI_PATHS | {"/"}
    assert linked <= routed


async def test_columns_say_what_the_graph_says(tmp_path):
    async with opened(tmp_path) as app, client_of(create_app(app)) as client:
        await client.post("/api/scan", json=shop())
        graph = (await client.get("/api/graph")).json()
        answer = await client.get("/api/graph/columns")
        columns = answer.json()
        same = await client.get(
            "/api/graph/columns", headers={"If-None-Match": f'"x", W/{answer.headers["etag"]}'}
        )
        other = await client.get("/api/graph/columns", headers={"If-None-Match": '"x"'})

    ids = columns["components"]["id"]
    dependencies = columns["dependencies"]
    scores = graph["analysis"]["risk_scores"] | graph["analysis"]["component_risk_scores"]
    assert ids == [node["id"] for node in graph["nodes"]]
    assert [
        (ids[source], ids[target], calls)
        for source, target, calls in zip(
            dependencies["source"], dependencies["target"], dependencies["calls"], strict=True
        )
    ] == [(each["source"], each["target"], each["calls"]) for each in graph["edges"]]
    latencies = [each["client_latency_ms"] or each["latency_ms"] for each in graph["edges"]]
    assert any(latencies)
    assert dependencies["p95_ms"] == [each and each["p95"] for each in latencies]
    assert dict(zip(ids, columns["components"]["risk"], strict=True)) == {
        id_: scores.get(id_) for id_ in ids
    }
    assert [ids[at] for at in columns["by_risk"]] == [
        each["id"] for each in graph["analysis"]["risks"]
    ]
    assert {
        id_ for id_, n in zip(ids, columns["components"]["spof_workflows"], strict=True) if n
    } == {each["id"] for each in graph["analysis"]["spofs"]}
    assert (same.status_code, same.content, other.status_code) == (304, b"", 200)


async def test_the_risk_of_one_component_is_that_of_the_analysis(tmp_path):
    async with opened(tmp_path) as app, client_of(create_app(app)) as client:
        await client.post("/api/scan", json=shop())
        analysis = (await client.get("/api/analysis")).json()
        wanted = analysis["risks"][0]
        found = (await client.get(f"/api/risks/{wanted['id']}")).json()
        unknown = await client.get("/api/risks/nobody")

    assert found["risk"] == wanted
    assert found["risk"]["score"] == pytest.approx(
        sum(each["contribution"] for each in found["risk"]["factors"]), abs=0.01
    )
    assert unknown.status_code == 404


async def test_the_history_of_a_risk_has_each_kept_version_and_what_changed(tmp_path):
    before, after = shop(), shop()
    for group in before["resourceSpans"]:
        for scope in group["scopeSpans"]:
            scope["spans"] = [s for s in scope["spans"] if "charge_card" not in s["name"]]
    async with opened(tmp_path) as app, client_of(create_app(app)) as client:
        for each in (before, after):
            await client.post("/api/scan", params={"dataset": "shop"}, json=each)
        analysis = (await client.get("/api/analysis")).json()
        found = (await client.get("/api/risk-history/charge_card")).json()
        newest = (await client.get("/api/risk-history/charge_card?limit=1")).json()
        agent = (await client.get("/api/risk-history/PaymentAgent?dataset=shop")).json()
        refused = await client.get("/api/risk-history/charge_card?limit=101")

    first, last = found["points"]
    [risk] = [each for each in analysis["risks"] if each["name"] == "charge_card"]
    assert (first["present"], first["score"]) == (False, None)
    assert last["score"] == risk["score"]
    assert (last["score_low"], last["score_high"]) == (risk["score_low"], risk["score_high"])
    assert last["appeared"]["total"] == 1
    assert last["appeared"]["first"][0]["target"] == found["id"] == risk["id"]
    assert newest["points"] == [last | {"appeared": {"total": 0, "first": []}}]
    assert [each["gone"]["total"] for each in agent["points"]] == [0, 0]
    assert agent["points"][1]["appeared"]["first"] == last["appeared"]["first"]
    assert refused.status_code == 422
