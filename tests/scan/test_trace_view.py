"""The document of a stored trace: its tree, what failed where, what is missing and what is cut."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from agentguard.discovery.dialects.loading import load_dialects
from agentguard.graph.evidence_links import NO_LINKS, trace_links
from agentguard.ingest.decoding import Decoder
from agentguard.ingest.payloads import Refusal
from agentguard.ingest.sources import read_stream
from agentguard.ingest.spans import SPAN_SCHEMA
from agentguard.scan.span_tree_view import span_view
from agentguard.scan.trace_view import trace_document
from tests.discovery.scoped_spans import payload, span

DIALECTS = load_dialects()


def agent(number: int, name: str, parent: int = 0, **more: Any) -> dict[str, Any]:
    return span(
        number,
        f"invoke_agent {name}",
        parent=parent,
        gen_ai__operation__name="invoke_agent",
        gen_ai__agent__name=name,
        **more,
    )


def tool(number: int, name: str, parent: int, **more: Any) -> dict[str, Any]:
    return span(
        number,
        f"execute_tool {name}",
        parent=parent,
        gen_ai__operation__name="execute_tool",
        gen_ai__tool__name=name,
        **more,
    )


def table(*spans: dict[str, Any]) -> pa.Table:
    return Decoder(DIALECTS.wanted).decode([payload("acme.agents", *spans)]).spans


def document(*spans: dict[str, Any], limit: int = 100) -> dict[str, Any]:
    return trace_document(span_view(DIALECTS, table(*spans)), limit, NO_LINKS)


def test_spans_have_roles_owners_and_the_failing_path():
    found = document(
        agent(1, "Checkout", failed=True),
        span(2, "step", parent=1),
        tool(3, "charge_card", 2, failed=True),
    )

    assert found["outcome"] == "failed"
    assert [s["name"] for s in found["failing_path"]] == [
        "invoke_agent Checkout",
        "step",
        "execute_tool charge_card",
    ]
    cause = found["first_cause"]
    assert (cause["role"], cause["component"]["name"]) == ("tool", "charge_card")
    assert cause["owner"]["component"]["id"] == "agent:checkout"
    assert cause["owner"]["span_id"] == found["entry"]["span_id"] == f"{1:016x}"
    assert [s["depth"] for s in found["spans"]] == [0, 1, 2]
    assert all(s["service"] == "desk" for s in found["spans"])
    assert found["notes"] == []


def test_copies_of_a_span_count_once_and_are_said():
    run = agent(1, "Checkout")
    found = document(run, tool(2, "search", 1), run, run)

    assert (found["spans_total"], found["duplicates"]) == (2, 2)
    assert found["notes"] == ["2 copies of spans with the same id count once."]


def test_a_missing_parent_is_said_and_named():
    found = document(agent(1, "Checkout"), tool(3, "search", 2))
    orphan = next(s for s in found["spans"] if s["parent"] == "missing")

    assert orphan["parent_id"] == f"{2:016x}"
    assert (found["missing_parents"], found["parent_cycles"]) == (1, 0)
    assert "The parents of 1 span are not stored" in found["notes"][0]


def test_without_a_root_the_entry_is_no_root():
    found = document(tool(3, "search", 2))

    assert not found["entry_is_root"]
    assert found["entry"]["parent"] == "missing"


def test_a_cycle_of_parents_is_cut_once_and_every_span_is_shown():
    found = document(*(tool(n, f"t{n}", n % 4 + 1) for n in range(1, 5)))

    assert (found["parent_cycles"], found["missing_parents"]) == (1, 0)
    assert sorted(s["depth"] for s in found["spans"]) == [0, 1, 2, 3]
    assert [s["parent"] for s in found["spans"]].count("cut") == 1
    assert "form a cycle" in found["notes"][0]


def test_a_cut_keeps_the_failing_path_and_says_what_is_left_out():
    wide = [tool(n, "search", 1) for n in range(2, 60)]
    deep = [agent(100, "A", 1, failed=True), tool(101, "pay", 100, failed=True)]
    found = document(agent(1, "Checkout", failed=True), *wide, *deep, limit=10)

    assert (found["spans_shown"], found["spans_total"]) == (10, 61)
    assert len(found["spans"]) == 10
    assert [s["span_id"] for s in found["spans"] if s["on_failing_path"]] == [
        f"{n:016x}" for n in (1, 100, 101)
    ]
    assert found["notes"][0].startswith("10 of 61 spans are shown")


@pytest.mark.parametrize("limit", [1, 2, 5, 50])
def test_with_a_span_come_all_spans_above_it(limit: int):
    tree = [agent(1, "A"), *(tool(n, f"t{n}", n // 2) for n in range(2, 40))]
    found = document(*tree, limit=limit)
    shown = {s["span_id"] for s in found["spans"]}

    assert len(shown) == min(limit, 39)
    assert all(s["parent_id"] in shown for s in found["spans"] if s["depth"])


def test_links_have_the_ids_of_trace_and_span():
    view = span_view(DIALECTS, table(agent(1, "A")))
    found = trace_document(view, 10, trace_links("https://t.example/{trace_id}?s={span_id}"))

    assert found["url"] == f"https://t.example/{1:032x}?s="
    assert found["spans"][0]["url"] == f"https://t.example/{1:032x}?s={1:016x}"


def test_ids_that_are_not_hexadecimal_stay_as_written():
    plain = {
        "traceId": "run 7",
        "spans": [
            {"spanId": "one", "serviceName": "A-agent"},
            {"spanId": "two", "parentSpanId": "one", "serviceName": "B-agent"},
        ],
    }
    written = io.BytesIO(json.dumps([plain]).encode())
    payloads = [each for each in read_stream(written, "a.json") if not isinstance(each, Refusal)]
    found = trace_document(
        span_view(DIALECTS, Decoder(DIALECTS.wanted).decode(payloads).spans), 10, NO_LINKS
    )

    assert found["trace_id"] == "run 7"
    assert [(s["span_id"], s["parent_id"]) for s in found["spans"]] == [
        ("one", None),
        ("two", "one"),
    ]


def large(size: int) -> pa.Table:
    """Return a run with `size` spans: a wide tree of calls, and one that failed."""
    few = table(
        agent(1, "Checkout", failed=True),
        *(tool(n, f"t{n}", 1) for n in range(2, 52)),
        tool(52, "pay", 1, failed=True),
    ).combine_chunks()
    order = np.argsort(np.array([int.from_bytes(i) for i in few.column("span_id").to_pylist()]))
    rows = np.concatenate([[0], 1 + np.arange(size - 2) % 50, [51]])
    number = np.arange(1, size + 1)
    parent = np.where(number > 1, np.maximum(number // 10, 1), 0)
    parent[-1] = 1
    spans = few.take(pa.array(order[rows]))
    for name, ids in (("span_id", number), ("parent_id", parent)):
        data = pa.py_buffer(ids.astype(">u8").tobytes())
        column = pa.FixedSizeBinaryArray.from_buffers(pa.binary(8), size, [None, data])
        spans = spans.set_column(
            spans.schema.get_field_index(name), SPAN_SCHEMA.field(name), column
        )
    return spans


def test_100_000_spans_give_an_answer_of_the_limit_within_seconds():
    spans = large(100_000)
    began = time.process_time()
    found = trace_document(span_view(DIALECTS, spans), 5_000, NO_LINKS)
    took = time.process_time() - began

    assert (found["spans_total"], found["spans_shown"]) == (100_000, 5_000)
    assert found["first_cause"]["component"]["name"] == "pay"
    assert took < 30, f"{took:.1f} s of CPU"
