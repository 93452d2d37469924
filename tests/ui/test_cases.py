"""Proxies, narrow windows, failures, long sessions: what happens around the web UI."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.ui.walking import Browser, Found
from tests.web.process import Server
from tests.web.systems import shop

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("ui")]

MODEL = "demo/model:gpt-4o"
HEAP_BYTES = 20e6


@pytest.fixture(scope="module")
def found(browser: Browser, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder = tmp_path_factory.mktemp("walk")
    traces = folder / "shop.json"
    traces.write_text(json.dumps(shop()))
    return browser.walk("cases.mjs", server.url, folder, traces)


def test_pages_work_behind_a_proxy_that_removes_a_path_prefix(found):
    assert len(found["prefix"]) == 6
    for page, seen in found["prefix"].items():
        assert seen == {"wrong": [], "path": "/tools/agentguard/coverage"}, page


def test_an_address_shows_the_same_in_another_browser(found):
    first, second = found["round trip"]

    assert first == second
    assert (first["filter"], first["selected"]) == ("kind:model", "gpt-4o")
    assert first["rows"]


def test_the_factors_of_a_risk_add_up_and_neighbours_are_those_of_the_api(found, server: Server):
    component = httpx.get(f"{server.url}/api/components/{MODEL}?dataset=demo", timeout=60).json()
    risk = httpx.get(f"{server.url}/api/risks/{MODEL}?dataset=demo", timeout=60).json()["risk"]
    shown = found["component"]

    assert sum(shown["factors"]) == pytest.approx(risk["score"], abs=0.06)
    assert sorted(shown["callers"]) == sorted(
        each["source_name"] for each in component["dependents"]
    )
    assert sorted(shown["callees"]) == sorted(
        each["target_name"] for each in component["dependencies"]
    )
    assert shown["callers"]


def test_nothing_is_beyond_a_narrow_window_or_moves_where_motion_is_unwanted(found):
    wrong = {
        page: seen
        for page, seen in found["narrow"].items()
        if seen != {"wrong": [], "beyond": 0, "moving": 0}
    }

    assert found["narrow"]
    assert wrong == {}


def test_failures_say_what_happened_and_retry_mends_them(found):
    assert found["failures"] == {
        "status 500": "The database is locked.",
        "a page of a proxy": "The server answered with status 502.",
        "timed out": "The server cannot be reached.",
        "offline": "The server cannot be reached.",
    }


def test_a_form_outlives_an_unreachable_server(found):
    assert found["form"] == {
        "words": "The server cannot be reached.",
        "title": "typed while the server was unreachable",
        "opened": "typed while the server was unreachable",
    }


def test_a_newer_graph_is_offered_and_moves_nothing(found):
    steady = found["steady"]

    assert len(steady["before"]["places"]) > 1
    assert steady["after"] == steady["before"]
    assert steady["wrong"] == []


def test_fifty_changes_between_pages_leave_nothing_behind(found):
    assert found["leak"]["heap"] < HEAP_BYTES
    assert found["leak"]["listeners"] < 50  # less than one for each change


def test_without_colour_levels_differ_by_how_far_marks_are_filled(found):
    assert len(found["sights"]) == 10
    for sight, levels in found["sights"].items():
        assert len(levels) == 5, sight
        assert levels == sorted(set(levels)), sight
