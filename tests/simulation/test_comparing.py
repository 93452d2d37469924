from __future__ import annotations

from typing import Any

import pytest

from agentguard.catalog.model import Catalog, Entry, EntryKind
from agentguard.graph.evidence_links import TraceLinks
from agentguard.simulation.identity import catalog_digest, identify, linked, storable
from agentguard.simulation.model import Thresholds
from agentguard.simulation.storage.comparing import comparison_document
from agentguard.simulation.storage.documents import summary_of
from agentguard.simulation.storage.model import (
    Cursor,
    Inputs,
    SimulationCursorError,
    SimulationRecord,
    StoredSimulation,
)

INPUTS = {"graph_version": "1", "seed": 0, "thresholds": {"critical": 0.5}, "catalog_sha256": None}


def workflow(name: str, seen: int, lost: float) -> dict[str, Any]:
    return {
        "id": f"workflow:{name}",
        "name": name,
        "runs_seen": seen,
        "runs_lost": lost,
        "share_lost": lost / seen,
    }


def component(name: str) -> dict[str, Any]:
    return {"id": f"agent:{name}", "name": name, "kind": "agent"}


def stored(
    *workflows: dict[str, Any],
    hit: tuple[str, ...] = (),
    amount: float | None = None,
    currency: str | None = None,
    version: str = "1.0",
    **inputs: Any,
) -> StoredSimulation:
    lost = sum(each["runs_lost"] for each in workflows)
    document = {
        "dataset": "shop",
        "failed_components": ["agent:a"],
        "method": "replay",
        "inputs": INPUTS | inputs,
        "impacted_workflows": list(workflows),
        "impacted_components": [component(each) for each in hit],
        "blast_radius_score": lost / 10,
        "blast_radius": {"runs_lost": lost, "runs_seen": 100},
        "impact_estimate": {
            "severity": "HIGH" if lost else "LOW",
            "revenue_risk": amount,
            "revenue_risk_reason": None if amount is not None else "No catalog.",
            "currency": currency,
        },
    }
    summary = summary_of(document)
    record = SimulationRecord("1", 1, "os-user:ada", version, "shop", "1", summary)
    return StoredSimulation(record, Inputs({}, Thresholds(), None), document)


def test_only_inputs_that_differ_are_listed():
    compared = comparison_document(stored(), stored(seed=7, version="1.1"))

    assert compared["inputs"] == [
        {"name": "seed", "a": 0, "b": 7},
        {"name": "agentguard_version", "a": "1.0", "b": "1.1"},
    ]


def test_every_change_is_b_minus_a_and_the_greatest_comes_first():
    a = stored(workflow("chat", 50, 10), workflow("checkout", 20, 4))
    b = stored(workflow("chat", 50, 9), workflow("checkout", 20, 16), workflow("report", 5, 2))

    compared = comparison_document(a, b)

    changes = [(w["name"], w["runs_lost"]["change"]) for w in compared["workflows"]]
    assert changes == [("checkout", 12), ("report", 2), ("chat", -1)]
    assert compared["runs_lost"] == {"a": 14, "b": 27, "change": 13}


def test_a_workflow_that_one_simulation_does_not_hit_loses_none_there_of_an_unknown_number():
    [row] = comparison_document(stored(workflow("chat", 50, 10)), stored())["workflows"]

    assert row["runs_lost"] == {"a": 10, "b": 0, "change": -10}
    assert row["share_lost"] == {"a": 0.2, "b": 0.0, "change": -0.2}
    assert row["runs_seen"] == {"a": 50, "b": None, "change": None}


def test_components_that_only_one_simulation_hits_are_named():
    compared = comparison_document(stored(hit=("b", "c")), stored(hit=("c", "d")))

    assert compared["components"] == {
        "only_in_a": [component("b")],
        "only_in_b": [component("d")],
        "in_both": 1,
    }


@pytest.mark.parametrize(
    ("a", "b", "change", "reason"),
    [
        ((40.0, "EUR"), (100.0, "EUR"), 60.0, None),
        ((40.0, "EUR"), (100.0, "USD"), None, "The amounts are in EUR and USD."),
        ((40.0, "EUR"), (None, None), None, "No catalog."),
        ((None, None), (None, None), None, "No catalog."),
    ],
)
def test_value_lost_is_compared_only_where_both_are_known_in_one_currency(a, b, change, reason):
    one, other = (stored(amount=amount, currency=currency) for amount, currency in (a, b))

    money = comparison_document(one, other)["money"]

    assert (money["change"], money["reason"]) == (change, reason)


def test_an_id_depends_on_the_result_and_not_on_the_trace_viewer():
    span = {"trace_id": "ab", "span_id": "cd", "url": None}
    document = {"seed": 1, "path": [{"evidence": [span]}]}
    shown = {"id": "1"} | linked(document, TraceLinks("http://viewer/{trace_id}"))

    assert shown["path"][0]["evidence"][0]["url"] == "http://viewer/ab"
    assert storable(shown) == document
    assert identify(document) != identify(document | {"seed": 2})


def test_a_catalog_is_the_same_at_another_path_and_another_with_other_values():
    def declared(value: float, path: str) -> Catalog:
        return Catalog((Entry(EntryKind.AGENT, name="a", value_per_run=value, origin=path),))

    hashes = [catalog_digest(declared(*each)) for each in ((1, "x"), (1, "y"), (2, "x"))]

    assert hashes[0] == hashes[1] != hashes[2]


def test_a_cursor_is_written_and_read():
    cursor = Cursor(1_700_000_000_000_000_000, "ab12")

    assert Cursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize("text", ["", "1", "1-", "-ab", "1-xyz", f"{2**63}-ab", "1-ab\n"])
def test_what_is_no_cursor_is_refused(text):
    with pytest.raises(SimulationCursorError, match="next"):
        Cursor.parse(text)
