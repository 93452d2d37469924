"""What changed between two graphs, with the findings on both."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings

from agentguard.analysis.diff import analyzed, difference
from agentguard.analysis.diff_documents import NO_CATALOG, diff_document
from agentguard.analysis.diff_markdown import diff_markdown
from agentguard.catalog.model import Catalog
from agentguard.catalog.reading import read_catalog
from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from tests.simulation.strategies import recorded_worlds
from tests.simulation.worlds import call, component, needs, record, workflow, world

BEFORE = world(
    needs("Checkout", "Payment", calls=400, errors=4, absorbed=4),
    needs("Checkout", "Coupons", calls=10, source_runs=10),
    workflows=[workflow("shop", "Checkout", runs=400, failed=4)],
    components=[component("Payment", invocations=400, errors=4)],
)
AFTER = world(
    needs("Checkout", "Payment", calls=400, errors=100, absorbed=4, propagated=96),
    needs("Payment", "bank|of\n*America*", DependencyType.HTTP),
    workflows=[workflow("shop", "Checkout", runs=400, failed=100)],
    components=[
        component("Payment", invocations=400, errors=100),
        component("bank|of\n*America*", ComponentKind.EXTERNAL),
    ],
)
RUNS_BEFORE = record([("shop", call("Checkout", call("Payment"), call("Coupons")))] * 4)
RUNS_AFTER = record([("shop", call("Checkout", call("Payment", call("bank|of\n*America*"))))] * 4)
CATALOG = read_catalog("[{name: Checkout}, {name: Coupons}, {name: Payment}]", origin="c.yaml")


def side(reference: str) -> dict[str, Any]:
    window = {"from": "2026-11-25T10:00:00Z", "to": None, "since": None, "until": None}
    return {
        "reference": reference,
        "dataset": "live",
        "graph_version": None,
        "created_at": None,
        "window": window,
    }


def compared(
    a: tuple[Graph, Runs | None], b: tuple[Graph, Runs | None], catalog: Catalog | None = None
) -> dict[str, Any]:
    found = difference(analyzed(*a, catalog), analyzed(*b, catalog))
    return diff_document(found, a=side("live@-2h..-1h"), b=side("live@-1h.."))


SHOPS = compared((BEFORE, RUNS_BEFORE), (AFTER, RUNS_AFTER))


@settings(max_examples=25)
@given(recorded_worlds())
def test_a_graph_does_not_differ_from_itself(made: tuple[Graph, Runs]) -> None:
    document = compared(made, made)

    assert document["same"]
    assert not any(count for kind in document["summary"].values() for count in kind.values())


@settings(max_examples=25)
@given(recorded_worlds(), recorded_worlds())
def test_the_way_back_mirrors_the_way_there(a: tuple[Graph, Runs], b: tuple[Graph, Runs]) -> None:
    there, back = compared(a, b), compared(b, a)

    assert there["same"] == back["same"]
    for kind, counts in there["summary"].items():
        turned = {"new": counts["gone"], "gone": counts["new"]}
        assert back["summary"][kind] == counts | turned
        assert [strip(s) for s in back[kind]["gone"]] == [strip(s) for s in there[kind]["new"]]


def strip(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key != "evidence"}


def test_every_change_has_evidence_of_the_sides_that_have_it() -> None:
    for kind in ("components", "dependencies", "workflows", "spofs"):
        for change, sides in (("new", "b"), ("gone", "a"), ("changed", "ab")):
            for item in SHOPS[kind].get(change, ()):
                assert "".join(s for s, spans in item["evidence"].items() if spans) == sides


def test_components_dependencies_and_single_points_of_failure_come_and_go() -> None:
    assert [c["id"] for c in SHOPS["components"]["new"]] == ["bank|of\n*America*"]
    assert [c["id"] for c in SHOPS["components"]["gone"]] == ["Coupons"]
    assert [d["target"] for d in SHOPS["dependencies"]["gone"]] == ["Coupons"]
    assert [(s["id"], s["workflow"]) for s in SHOPS["spofs"]["new"]] == [
        ("bank|of\n*America*", "shop")
    ]
    assert [s["id"] for s in SHOPS["spofs"]["gone"]] == ["Coupons"]


def test_a_changed_error_share_says_from_what_to_what() -> None:
    (changed,) = SHOPS["dependencies"]["changed"]

    (measure,) = changed["measures"]
    assert (measure["measure"], measure["a"]["value"], measure["b"]["value"]) == (
        "error_share",
        0.01,
        0.25,
    )
    assert measure["why"] == (
        "The share of failures went from 1.0% (4 of 400; 95% interval 0.4% to 2.5%) to 25.0% (100"
        " of 400; 95% interval 21.0% to 29.5%)."
    )


def test_shadow_agents_are_compared_by_one_catalog() -> None:
    extra = world(needs("Checkout", "Rogue"), workflows=[workflow("shop", "Checkout")])

    document = compared((BEFORE, None), (extra, None), CATALOG)

    assert [c["id"] for c in document["shadow_agents"]["new"]] == ["Rogue"]
    assert document["shadow_agents"]["note"] is None
    assert SHOPS["shadow_agents"] == {"new": [], "gone": [], "note": NO_CATALOG}


def test_the_document_states_its_thresholds_and_is_json() -> None:
    assert "Wilson" in SHOPS["thresholds"]["error_share"]
    assert json.loads(json.dumps(SHOPS)) == SHOPS


def test_markdown(snapshot) -> None:
    assert diff_markdown(SHOPS) == snapshot


def test_markdown_of_no_change_says_so() -> None:
    text = diff_markdown(compared((BEFORE, None), (BEFORE, None)))

    assert "No changes." in text
    assert "| new |" not in text
