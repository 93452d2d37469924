"""Comparing scenarios, the history of a risk, and declaring shadow agents, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.ui.conftest import demo_server
from tests.ui.walking import Browser, Found
from tests.web.process import Server

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("ui")]

ROOT = Path(__file__).parents[2]
RECORDINGS = ROOT / "tests" / "data" / "traces"
THEMES = ("dark", "light")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    catalog = str(ROOT / "demo" / "catalog.yaml")
    with demo_server(tmp_path_factory.mktemp("ui"), AGENTGUARD_CATALOG=catalog) as server:
        for name in ("mastra", "agno"):
            traces = (RECORDINGS / name / "traces.jsonl.gz").read_bytes()
            answer = httpx.post(
                f"{server.url}/api/scan",
                params={"dataset": "twice"},
                files={"file": ("traces.jsonl.gz", traces)},
                timeout=60,
            )
            assert answer.status_code == 200, answer.text
        yield server


@pytest.fixture(scope="module")
def found(browser: Browser, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Found:
    return browser.walk("scenarios.mjs", server.url, tmp_path_factory.mktemp("walk"))


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("page", ["comparison", "history", "entries"])
def test_pages_open_without_errors_and_violations_of_accessibility(found, page, theme):
    assert found[f"{page} {theme}"] == {"wrong": [], "axe": [], "theme": theme}


def simulated(server: Server, component: str) -> dict:
    body = {"agent_ids": [component], "dataset": "demo", "preview": True}
    return httpx.post(f"{server.url}/api/simulate", json=body, timeout=60).json()


def test_scenarios_are_compared_with_the_numbers_of_the_api(found, server: Server):
    compared = found["compared"]
    answers = {
        "gpt-4o": simulated(server, "demo/model:gpt-4o"),
        "PaymentAgent": simulated(server, "demo/agent:paymentagent"),
    }

    assert compared["wrong"] == []
    assert [row[0] for row in compared["both"]] == sorted(
        answers, key=lambda name: -answers[name]["blast_radius"]["runs_lost"]
    )
    for name, _, lost, cases, severity, _ in compared["both"]:
        radius, ends = answers[name]["blast_radius"], answers[name]["cases"]
        assert lost == f"{radius['runs_lost']:.3g} of {radius['runs_seen']}"
        assert cases == f"{ends['best']['runs_lost']:.3g} to {ends['worst']['runs_lost']:.3g}"
        assert severity == answers[name]["impact_estimate"]["severity"].lower()
    assert compared["selected"].startswith("PaymentAgent")


def test_the_address_holds_the_comparison_and_a_row_leads_to_its_scenario(found):
    compared = found["compared"]

    assert compared["again"] == compared["both"]
    assert compared["switched"] == {
        "fail": ["demo/model:gpt-4o"],
        "vs": [["PaymentAgent"]],
    }
    assert compared["printed"] == {"nav": False, "answer": True}


def test_scenarios_that_an_address_cannot_hold_are_left_out(found):
    assert found["cut"] == {"wrong": [], "rows": 0}


def test_shadow_agents_are_declared_by_the_entries_that_the_api_drafts(found, server: Server):
    catalog = httpx.get(f"{server.url}/api/catalog?dataset=demo", timeout=60).json()
    entries = httpx.get(
        f"{server.url}/api/catalog/draft",
        params={"dataset": "demo", "component": catalog["shadow_agents"]},
        timeout=60,
    ).text

    assert found["declared"] == {"wrong": [], "text": entries}
    assert "DiscountBot" in entries


def test_the_history_of_a_risk_shows_versions_without_the_component(found, server: Server):
    changed = found["changed"]
    points = httpx.get(
        f"{server.url}/api/risk-history/model:gpt-4o?dataset=twice", timeout=60
    ).json()["points"]

    assert changed["wrong"] == []
    assert [row[1] for row in changed["rows"]] == [
        f"{p['score']:.1f}" if p["present"] else "not there" for p in reversed(points)
    ]
    assert [p["present"] for p in points] == [False, True]
    assert changed["words"].startswith(f"Risk {points[1]['score']:.1f} at ")
    assert "+ agent:" in changed["rows"][0][3]
