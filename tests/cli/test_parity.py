"""The command line and the API give the same document for the same question."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from agentguard.cli.main import app
from tests.cli.traces import write_traces
from tests.web.serving import live_spans, served, until
from tests.web.systems import START, shop

pytestmark = pytest.mark.anyio

CATALOG = "agents:\n- {name: CheckoutAgent, owner: Shop}\n- {name: Gone}\n"
SINCE = "2025-12-31T00:00:00Z"

QUESTIONS: list[tuple[str, str, dict[str, Any]]] = [
    ("graph", "GET /api/graph", {}),
    ("graph --dataset shop", "GET /api/graph", {"dataset": "shop"}),
    (
        "graph --kind tool --kind agent --sort calls --top 2",
        "GET /api/graph",
        {"kind": ["tool", "agent"], "sort": "calls", "top": 2},
    ),
    ("graph --errors --sort p95", "GET /api/graph", {"errors": True, "sort": "p95"}),
    ("graph --shadow", "GET /api/graph", {"shadow": True}),
    ("graph --owner shop", "GET /api/graph", {"owner": "shop"}),
    ("graph --level service", "GET /api/graph", {"level": "service"}),
    ("analyze --level service", "GET /api/analysis", {"level": "service"}),
    ("graph --lookback 0s", "GET /api/graph", {"lookback": "0s"}),
    ("graph --lookback 1h", "GET /api/graph", {"lookback": "1h"}),
    ("graph --version nope", "GET /api/graph", {"version": "nope"}),
    ("graph --version nope --since 1h", "GET /api/graph", {"version": "nope", "since": "1h"}),
    ("analyze", "GET /api/analysis", {}),
    ("analyze --kind model --top 1", "GET /api/analysis", {"kind": "model", "top": 1}),
    ("analyze --sort name --errors", "GET /api/analysis", {"sort": "name", "errors": True}),
    (
        "component PaymentAgent --history",
        "GET /api/risk-history/PaymentAgent",
        {"limit": 100},
    ),
    ("component nobody --history", "GET /api/risk-history/nobody", {"limit": 100}),
    ("evidence component:PaymentAgent", "GET /api/evidence/component:PaymentAgent", {}),
    ("evidence nonsense", "GET /api/evidence/nonsense", {}),
    (f"trace {1:032x}", f"GET /api/traces/{1:032x}", {}),
    (f"trace {1:032x} --dataset shop", f"GET /api/traces/{1:032x}", {"dataset": "shop"}),
    ("trace unknown", "GET /api/traces/unknown", {}),
    ("jobs cancel nope", "POST /api/jobs/nope/cancel", {}),
    ("notifications list", "GET /api/notifications", {}),
    (
        "notifications list --state given_up --receiver slack --incident x --limit 3",
        "GET /api/notifications",
        {"state": "given_up", "receiver": "slack", "incident": "x", "limit": 3},
    ),
    ("notifications list --before x", "GET /api/notifications", {"before": "x"}),
    ("catalog check", "GET /api/catalog", {}),
    ("catalog check --ghost-days 3", "GET /api/catalog", {"ghost_days": 3}),
    ("simulate PaymentAgent", "POST /api/simulate", {"agent_id": "PaymentAgent"}),
    ("simulate payment_agent", "POST /api/simulate", {"agent_id": "payment_agent"}),
    (
        "simulate gpt-4o charge_card --seed 5 --method structural",
        "POST /api/simulate",
        {"agent_ids": ["gpt-4o", "charge_card"], "seed": 5, "method": "structural"},
    ),
    ("simulate service:shop", "POST /api/simulate", {"agent_id": "service:shop"}),
    (
        "simulate --group service:shop --mode outage",
        "POST /api/simulate",
        {"groups": ["service:shop"], "modes": ["outage"]},
    ),
    (
        "simulate PaymentAgent --mode errors:0.2",
        "POST /api/simulate",
        {"agent_id": "PaymentAgent", "modes": ["errors:0.2"]},
    ),
    (
        "simulate --mode PaymentAgent=wrong_output:0.5 --method monte_carlo",
        "POST /api/simulate",
        {"modes": ["PaymentAgent=wrong_output:0.5"], "method": "monte_carlo"},
    ),
    ("simulate provider:nobody", "POST /api/simulate", {"agent_id": "provider:nobody"}),
    ("simulate Nobody", "POST /api/simulate", {"agent_id": "Nobody"}),
    (
        "simulate gpt-4o --dataset shop --lookback 1h",
        "POST /api/simulate",
        {"agent_id": "gpt-4o", "dataset": "shop", "lookback": "1h"},
    ),
    (
        "simulate PaymentAgent --preview",
        "POST /api/simulate",
        {"agent_id": "PaymentAgent", "preview": True},
    ),
    ("simulations --component x --limit 1", "GET /api/simulations", {"component": "x", "limit": 1}),
    ("simulations --before x", "GET /api/simulations", {"before": "x"}),
    ("simulations show nope", "GET /api/simulations/nope", {}),
    ("simulate --compare nope no", "GET /api/simulations/compare", {"a": "nope", "b": "no"}),
    ("simulate --game-days --seed 5", "GET /api/game-days", {"seed": 5}),
    ("simulate --game-days --dataset nope", "GET /api/game-days", {"dataset": "nope"}),
    ("incidents measure nope", "POST /api/incidents/nope/measure", {}),
    ("incidents list --owner x --limit 1", "GET /api/incidents", {"owner": "x", "limit": 1}),
    ("incidents list --before x", "GET /api/incidents", {"before": "x"}),
    ("incidents show nope", "GET /api/incidents/nope", {}),
    ("incidents timeline nope", "GET /api/incidents/nope/events", {}),
    ("playbook PaymentAgent", "POST /api/playbook", {"agent_id": "PaymentAgent"}),
    ("component PaymentAgent", "GET /api/components/PaymentAgent", {}),
    ("component gpt-4o --dataset shop", "GET /api/components/gpt-4o", {"dataset": "shop"}),
    ("component Nobody", "GET /api/components/Nobody", {}),
    ("diff shop shop", "GET /api/graph/diff", {"a": "shop", "b": "shop"}),
    ("diff shop nope", "GET /api/graph/diff", {"a": "shop", "b": "nope"}),
    ("jobs show nope", "GET /api/jobs/nope", {}),
    ("playbook service:shop", "POST /api/playbook", {"agent_id": "service:shop"}),
]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has a data directory and a catalog of its own."""
    for name in [n for n in os.environ if n.startswith("AGENTGUARD_")]:
        monkeypatch.delenv(name)
    (tmp_path / "catalog.yaml").write_text(CATALOG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTGUARD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("AGENTGUARD_CATALOG", str(tmp_path / "catalog.yaml"))


async def of_command(line: str) -> Any:
    """Return what the command prints, the problem where it fails."""
    arguments = [*line.split(), "--format", "json"]
    done = await asyncio.to_thread(CliRunner().invoke, app, arguments, prog_name="agentguard")
    return json.loads(done.stdout)


async def of_api(client: Any, request: str, parameters: dict[str, Any]) -> Any:
    method, path = request.split()
    how = {"params": parameters} if method == "GET" else {"json": parameters}
    return (await client.request(method, path, **how)).json()


@pytest.mark.parametrize(("line", "request_", "parameters"), QUESTIONS, ids=lambda v: str(v)[:40])
async def test_equal_questions_have_equal_answers(tmp_path, line, request_, parameters):
    await of_command(f"scan {write_traces(tmp_path / 'traces.jsonl')} --dataset shop")

    printed = await of_command(line)
    async with served(tmp_path, catalog=tmp_path / "catalog.yaml") as client:
        answered = await of_api(client, request_, parameters)

    assert printed == answered
    assert printed


async def test_a_scan_of_a_file_is_the_same_document(tmp_path):
    path = write_traces(tmp_path / "traces.jsonl")
    printed = await of_command(f"scan {path} --dataset shop")
    async with served(tmp_path, catalog=tmp_path / "catalog.yaml") as client:
        answered = (
            await client.post(
                "/api/scan",
                params={"dataset": "shop"},
                files={"file": (str(path), path.read_bytes())},
            )
        ).json()

    assert printed | {"graph_version": None} == answered | {"graph_version": None}
    assert printed["graph_version"] != answered["graph_version"]


async def test_background_scans_from_both_are_jobs_with_the_same_result(tmp_path):
    path = write_traces(tmp_path / "traces.jsonl")
    submitted = await of_command(f"scan {path} --dataset shop --background")
    async with served(tmp_path, catalog=tmp_path / "catalog.yaml") as client:
        sent = await client.post(
            "/api/scan",
            params={"dataset": "shop", "background": True},
            files={"file": (str(path), path.read_bytes())},
        )
        results = [await result_of(client, job["id"]) for job in (submitted, sent.json())]
        listed = (await client.get("/api/jobs")).json()
        printed = await of_command("jobs")

    assert sent.status_code == 202
    assert results[0] | {"graph_version": None} == results[1] | {"graph_version": None}
    assert listed == {name: printed[name] for name in listed}
    assert [job["kind"] for job in listed["jobs"]] == ["scan", "scan"]


@pytest.mark.parametrize("more", ["--no-store", "{path}", "."])
async def test_a_background_scan_takes_one_file(tmp_path, more):
    path = write_traces(tmp_path / "traces.jsonl")

    line = f"scan {path} --background {more}".format(path=path)
    done = await asyncio.to_thread(CliRunner().invoke, app, line.split())

    assert done.exit_code == 2
    assert not (tmp_path / "data").exists()


async def result_of(client: Any, job_id: str) -> Any:
    """Return the result of a job when it has ended."""

    async def finished():
        found = (await client.get(f"/api/jobs/{job_id}")).json()
        return found if found["state"] in ("succeeded", "failed") else None

    return (await until(finished))["result"]


async def test_a_window_of_the_live_spans_is_the_same_beside_a_running_server(tmp_path):
    async with served(tmp_path, catalog=tmp_path / "catalog.yaml") as client:
        await client.post(
            "/v1/traces", content=orjson.dumps(shop()), headers={"Content-Type": "application/json"}
        )
        await until(lambda: live_spans(client))
        await of_command(f"scan {write_traces(tmp_path / 'traces.jsonl')} --dataset shop")
        pairs = [
            (await of_command(f"{line} --since {SINCE}"), await of_api(client, request, given))
            for line, request, given in [
                ("graph", "GET /api/graph", {"since": SINCE}),
                ("analyze", "GET /api/analysis", {"since": SINCE}),
                ("catalog check", "GET /api/catalog", {"since": SINCE}),
                (
                    "simulate PaymentAgent",
                    "POST /api/simulate",
                    {"agent_id": "PaymentAgent", "since": SINCE},
                ),
                (
                    "playbook PaymentAgent",
                    "POST /api/playbook",
                    {"agent_id": "PaymentAgent", "since": SINCE},
                ),
            ]
        ]
        newest = await of_command("graph")

    for printed, answered in pairs:
        assert printed == answered
        assert (printed["dataset"], printed["graph_version"]) == ("live", None)
        assert printed["window"]["from"].startswith("2026-01-01T00:00")
    assert START > 0
    assert newest["dataset"] == "live"


async def test_a_draft_of_the_catalog_is_the_same_text(tmp_path):
    await of_command(f"scan {write_traces(tmp_path / 'traces.jsonl')} --dataset shop")

    printed = await asyncio.to_thread(CliRunner().invoke, app, ["catalog", "init"])
    one = await asyncio.to_thread(
        CliRunner().invoke, app, ["catalog", "init", "--component", "PaymentAgent"]
    )
    async with served(tmp_path) as client:
        answered = await client.get("/api/catalog/draft")
        alone = await client.get("/api/catalog/draft?component=PaymentAgent")
        unknown = await client.get("/api/catalog/draft?component=nobody")

    assert printed.stdout == answered.text
    assert answered.headers["content-type"].startswith("application/yaml")
    assert one.stdout == alone.text
    assert unknown.status_code == 404


async def test_a_background_simulation_from_the_command_line_is_run_by_a_server(tmp_path):
    await of_command(f"scan {write_traces(tmp_path / 'traces.jsonl')} --dataset shop")
    submitted = [
        await of_command(f"{command} PaymentAgent --background")
        for command in ("simulate", "playbook")
    ]
    async with served(tmp_path, catalog=tmp_path / "catalog.yaml") as client:
        for job, command in zip(submitted, ("simulate", "playbook"), strict=True):

            async def finished(job=job):
                found = (await client.get(f"/api/jobs/{job['id']}")).json()
                return found if found["state"] in ("succeeded", "failed") else None

            done = await until(finished)
            direct = await of_command(f"{command} PaymentAgent")

            assert job["progress"] == {"done": 0, "total": 1, "unit": None}
            assert done["progress"] == {"done": 1, "total": 1, "unit": None}
            assert done["result"] == direct


@pytest.mark.parametrize(
    "line",
    [
        "graph",
        "analyze",
        "component x",
        "simulate x",
        "simulate x --background",
        "playbook x",
        "catalog check",
        "catalog init",
        "jobs",
        "jobs show 1",
    ],
)
@pytest.mark.parametrize("exists", [False, True])
async def test_reading_a_directory_without_data_is_an_error_and_creates_nothing(
    tmp_path, line, exists
):
    if exists:
        (tmp_path / "data").mkdir()

    command, *rest = line.split()
    arguments = [command, *rest, "--format", "json"]
    done = await asyncio.to_thread(CliRunner().invoke, app, arguments)

    assert done.exit_code == 1
    assert json.loads(done.stdout)["code"] == "no-data"
    assert "agentguard scan" in done.stderr
    assert (tmp_path / "data").exists() is exists
    assert not exists or list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize(
    "line",
    [
        "graph",
        "analyze",
        "component gpt-4o",
        "simulate gpt-4o",
        "playbook gpt-4o",
        "catalog check",
    ],
)
async def test_every_table_names_its_dataset_and_window(tmp_path, line):
    await of_command(f"scan {write_traces(tmp_path / 'traces.jsonl')} --dataset shop")

    done = await asyncio.to_thread(CliRunner().invoke, app, line.split())

    assert done.stdout.startswith("Dataset shop; graph ")
    assert "traces 2023-11-14 22:13:20 to " in done.stdout.splitlines()[0]
