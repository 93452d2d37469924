"""Names as strangers write them are data.

Kept apart, kept whole or cut visibly, never read as anything else.
"""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentguard.graph.documents import View, scan_document
from agentguard.graph.model import Graph
from agentguard.ingest.payloads import DocumentPayload
from agentguard.scan.pipeline import scan
from tests.discovery.recordings import dialects
from tests.scan.test_pipeline import Recorder, pairs

NAMES = [
    "агент расчётов",
    "支払いエージェント",
    "\u202ereversed\u202c agent",
    "zero\u200bwidth",
    "<script>alert(1)</script>",
    "[bold red]markup[/]",
    "'; DROP TABLE graphs; --",
    "`) DETACH DELETE n //",
    "{{ 7 * 7 }}${7*7}%s{0}",
    "../../etc/passwd",
    "line\nbreak\tand\x1b[31mcolour",
    "agent:tool:model",
    "e\u0301quipe",
]


def called(names: list[str]) -> Graph:
    r = Recorder()
    root = r.agent("planner")
    for name in names:
        r.agent(name, root)
    return r.graph()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_kept_as_it_is(name: str) -> None:
    found = next(c for c in called([name]).components if c.name != "planner")

    assert found.name == name
    assert found.identified


def test_names_that_differ_are_different_agents() -> None:
    assert len({c.id for c in called(NAMES).components}) == len(NAMES) + 1


def test_names_that_differ_in_case_are_one_agent_under_the_commonest_spelling() -> None:
    found = next(
        c
        for c in called(["Billing", "billing", "Billing", "BILLING"]).components
        if c.id == "agent:billing"
    )

    assert (found.name, found.invocations, found.spellings) == (
        "Billing",
        4,
        ("BILLING", "billing"),
    )


def test_a_name_of_ten_kilobytes_is_cut_visibly_and_stays_apart_from_its_like() -> None:
    found = [c for c in called(["x" * 10_000, "x" * 9_999]).components if c.name != "planner"]

    assert len(found) == 2
    assert all(len(c.name) <= 256 and "…" in c.name for c in found)


@given(st.text(min_size=1, max_size=300))
@settings(max_examples=100)
def test_any_name_is_survived_and_gives_valid_json(name: str) -> None:
    graph = called([name])

    assert orjson.loads(orjson.dumps(scan_document(graph, View())))["total_dependencies"] == len(
        pairs(graph)
    )


def copies() -> list[dict[str, Any]]:
    r = Recorder()
    for name in ("writer", "Writer", "reader"):
        r.tool("search", r.agent(name))
    spans = r.spans["app"]
    differing = [span | {"name": f"{span['name']} again", "status": {"code": 2}} for span in spans]
    elsewhere = [span | {"parentSpanId": spans[0]["spanId"]} for span in spans[1:]]
    return [*spans, *differing, *elsewhere, *spans]


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_where_copies_of_a_span_differ_their_content_decides_not_their_order(seed: int) -> None:
    def document(spans: list[dict[str, Any]]) -> bytes:
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "app"}}]}
        payloads = [
            DocumentPayload(
                "test", {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [s]}]}]}
            )
            for s in spans
        ]
        return orjson.dumps(scan_document(scan(payloads, dialects()).graph, View()))

    shuffled = copies()
    random.Random(seed).shuffle(shuffled)

    assert document(shuffled) == document(copies())
