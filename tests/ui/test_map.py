"""The fleet in a real browser: what is around a component, on a server with the recorded demo."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.ui.walking import Browser, Found
from tests.web.process import Server

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("ui")]

THEMES = ("dark", "light")
WRITER = "demo/agent:writeragent"


@pytest.fixture(scope="module")
def found(browser: Browser, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Found:
    return browser.walk("map.mjs", server.url, tmp_path_factory.mktemp("walk"))


@pytest.fixture(scope="module")
def columns(server: Server) -> dict[str, Any]:
    answer = httpx.get(f"{server.url}/api/graph/columns?dataset=demo&level=agent", timeout=60)
    return dict(answer.json())


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("page", ["focus"])
def test_pages_open_without_errors_and_violations_of_accessibility(found, page, theme):
    assert found[f"{page} {theme}"] == {"wrong": [], "axe": [], "theme": theme}


def test_the_keyboard_leads_from_the_map_to_what_is_around_a_component_and_back(found):
    keys = found["keys"]
    selected = keys["inside"].pop("sel")

    assert keys["wrong"] == []
    assert keys["inside"] == {"dataset": "demo", "view": "focus"}
    assert keys["back"] == {"dataset": "demo", "view": "map", "sel": selected}
    assert keys["out"] == {"dataset": "demo", "view": "map"}
    assert keys["focus"]["inside"].split()[-1] == "selected"  # the keyboard stays in the picture
    assert keys["focus"]["back"] == "drawing mosaic"


def test_what_is_drawn_around_a_component_is_what_the_api_knows(found, columns):
    around = found["around"]

    assert around["wrong"] == []
    for name, drawn in around["around"].items():
        direction, depth = name.split()
        assert set(drawn) == names_around(columns, WRITER, direction, int(depth)), name


def test_the_address_holds_depth_direction_and_labels(found):
    around = found["around"]

    assert around["address"] == {
        "dataset": "demo",
        "view": "focus",
        "sel": WRITER,
        "dir": "dependencies",
        "labels": "calls",
    }
    assert around["words"] == "WriterAgent has 3 dependencies within 1 call: 3 drawn."


def test_every_line_has_its_calls_as_label_and_in_words(found, columns):
    around, dependencies = found["around"], columns["dependencies"]
    drawn = around["around"]["Dependencies 1"]
    inside = {i for i, name in enumerate(columns["components"]["name"]) if name in drawn}
    ends = zip(dependencies["source"], dependencies["target"], strict=True)
    lines = [line for line, pair in enumerate(ends) if inside.issuperset(pair)]
    calls = [dependencies["calls"][line] for line in lines]
    p95 = [f"{dependencies['p95_ms'][line]:g}\u202fms" for line in lines]

    assert sorted(map(int, around["labels"])) == sorted(calls)
    assert sorted(around["p95"]) == sorted(p95)
    assert "WriterAgent depends on EditorAgent: 20 calls, 2 failed" in around["lines"]


def test_a_cycle_is_drawn_as_one_and_its_members_are_named(found):
    inside, outside = found["cycle"]["inside"], found["cycle"]["outside"]

    assert inside["violet"] > 100
    assert inside["words"] == ["Cycle of 2EditorAgent, WriterAgent depend on each other."]
    assert outside == {"violet": 0, "words": []}


def test_siblings_fold_and_the_counts_add_up_to_all_neighbours(found):
    folding = found["folding"]

    assert folding["wrong"] == []
    assert folding["folded"]["drawn"] == 1 + 6 + 1  # the component, siblings, their fold
    assert folding["folded"]["words"] == (
        "agent 0 has 45 callers and dependencies within 1 call: 6 drawn,"
        " 39 folded with others of their kind and owner."
    )
    assert folding["unfolded"].endswith("45 drawn.")


def test_a_fold_that_has_no_room_opens_in_the_table(found):
    address = found["folding"]["address"]

    assert (address["as"], address["q"]) == ("table", 'kind:agent service:"growth"')
    assert found["folding"]["rows"] == 301


def test_a_drawing_that_takes_too_long_becomes_the_table_and_says_why(found, columns):
    late = found["late"]

    assert late["focus"]["said"].startswith("The drawing took longer than 1.5 s")
    assert {each.strip() for each in late["focus"]["rows"]} == names_around(
        columns, WRITER, "Both", 1
    )
    assert late["rows"] == len(columns["components"]["id"])
    assert late["wrong"] == []


def test_what_is_found_by_name_is_selected_and_the_filter_can_be_lifted(found):
    jump = found["jump"]

    assert jump["options"] == ["WriterAgentAgent in writing, risk 6.8"]
    assert jump["hidden"]["address"] == {"dataset": "demo", "q": "kind:tool", "sel": WRITER}
    assert jump["hidden"]["said"].startswith("WriterAgent does not match the filter.")
    assert jump["hidden"]["dialogs"] == 0
    assert jump["lifted"] == {"dataset": "demo", "sel": WRITER}
    assert (jump["wrong"], jump["axe"]) == ([], [])


def test_a_component_of_the_other_level_is_found_from_any_page(found):
    levels = found["levels"]

    assert levels["hidden"] == {"dataset": "demo", "sel": levels["id"]}
    assert levels["name"] == levels["expected"]
    assert levels["wrong"] == []


def test_a_selection_is_announced_in_a_sentence(found, columns):
    components = columns["components"]
    at = components["id"].index(WRITER)

    assert found["jump"]["announced"] == (
        f"WriterAgent, Agent, risk {components['risk'][at]:.1f} high, single point of failure,"
        f" {components['callers'][at]} callers"
    )


def test_the_view_moves_to_what_was_found(found):
    moves = found["moves"]
    tops = [each["top"] for each in moves["seen"]]

    assert len(set(tops)) > 1
    assert all(each["ring"] > 20 for each in moves["seen"])  # the ring of the selection is in view
    assert (moves["inView"], moves["wrong"]) == (True, [])


def test_shortcuts_lead_to_pages_and_can_be_switched_off(found):
    shortcuts = found["shortcuts"]

    assert shortcuts["went"] == ["/what-if", "/incidents", "/"]
    assert shortcuts["typed"] == "gw?"  # in a field, keys are text
    assert shortcuts["off"] == {"dialogs": 0, "path": "/", "view": None, "focused": "BODY"}
    assert shortcuts["list"] == {"axe": [], "keys": 12}
    assert shortcuts["simulated"].startswith("If WriterAgent fails, ")
    assert shortcuts["wrong"] == []


def test_the_environment_picker_writes_the_filter_and_reads_it(found):
    environment = found["environment"]

    assert environment["picked"]["q"] == 'env:"pre prod" kind:agent'
    assert environment["picked"]["said"].split()[0] != "0"
    assert environment["kept"] == "pre prod"
    assert environment["all"] == "kind:agent"
    assert environment["wrong"] == []


def test_a_live_graph_says_how_old_its_newest_span_is(found):
    ages = found["age"]["ages"]
    [[fresh, fresh_is_old]] = ages["fresh"]

    assert fresh.startswith("Newest span shown: ")
    assert not fresh_is_old
    assert ages["old"] == [["Newest span shown: 2\u202fh old", True]]
    assert ages["recorded"] == []
    assert (found["age"]["wrong"], found["age"]["axe"]) == ([], [])


def test_the_frame_with_all_its_pickers_fits_into_every_width(found):
    for narrow in found["age"]["narrow"]:
        assert narrow["page"] <= narrow["width"], narrow
        assert narrow["inside"], narrow
        assert not narrow["overlaps"], narrow
        assert narrow["drawing"] > 150, narrow


def test_a_trace_is_a_tree_that_the_keyboard_folds(found, server: Server):
    tree = found["tree"]
    trace = httpx.get(
        f"{server.url}/api/traces/{tree['id']}?dataset=demo&limit=1000", timeout=60
    ).json()
    depths = [each["depth"] for each in trace["spans"]]
    children = [depth < below for depth, below in zip(depths, [*depths[1:], 0], strict=True)]
    last, everything = len(depths) - 1, len(depths)

    assert tree["all"] == [
        [depth + 1, "true" if parent else None]
        for depth, parent in zip(depths, children, strict=True)
    ]
    assert tree["steps"][:4] == [
        ["ArrowLeft", 0, 1],
        ["ArrowRight", 0, everything],
        ["ArrowRight", 1, everything],
        ["ArrowDown", 2, everything],
    ]
    assert tree["steps"][-2:] == [
        ["End", last, everything - 1],  # the third span is collapsed
        ["Home", 0, everything - 1],
    ]
    assert tree["collapsed"] == [[1, "false"]]
    assert {level for level, _ in tree["opened"]} == {1, 2}
    assert (tree["wrong"], tree["axe"]) == ([], [])


def test_a_search_in_a_trace_shows_what_matches_and_what_is_above(found):
    searched = found["tree"]["searched"]
    every = len(found["tree"]["all"])

    assert searched["found"] == len(searched["names"])
    assert all("gpt-4o" in name for name in searched["names"])
    assert searched["found"] < searched["rows"] < every
    assert searched["said"] == (
        f"{searched['found']} spans of {every} match; those above them are shown too."
    )
    assert found["tree"]["first"]  # Enter leads to the first of them
    assert (found["tree"]["nothing"], found["tree"]["left"]) == (f"0 spans of {every} match.", 0)


def test_more_contrast_leaves_nothing_faint(found):
    usual, more = found["contrast"]["usual"], found["contrast"]["more"]

    assert more["dim"] > 0.5 > usual["dim"]
    assert more["faint"] < usual["faint"] / 3  # what remains are the smooth edges of lines
    assert more["line"] != usual["line"]
    assert (more["axe"], found["contrast"]["wrong"]) == ([], [])


def test_forced_colours_keep_what_is_selected_visible(found):
    usual, forced = found["contrast"]["usual"], found["contrast"]["forced"]

    assert (usual["item"], forced["item"]) == ("3px", "6px")
    assert (usual["page"], forced["page"]) == ("none", "solid")
    assert forced["faint"] < usual["faint"] / 3
    assert forced["axe"] == []


def names_around(columns: dict[str, Any], centre: str, direction: str, depth: int) -> set[str]:
    """Return the names of a component and of all within so many calls of it."""
    components, dependencies = columns["components"], columns["dependencies"]
    pairs = list(zip(dependencies["source"], dependencies["target"], strict=True))
    up = [(target, source) for source, target in pairs]
    ways = {"Callers": [up], "Dependencies": [pairs], "Both": [up, pairs]}[direction]
    reached = {components["id"].index(centre)}
    for way in ways:
        near = {components["id"].index(centre)}
        for _ in range(depth):
            near |= {end for start, end in way if start in near}
        reached |= near
    return {components["name"][i] for i in reached}
