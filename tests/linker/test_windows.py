"""Windows over what was delivered and stored.

The peers' storage cases, and traces that cross an hour.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from agentguard.adapters.files.spans import open_span_store
from agentguard.graph.model import Graph
from agentguard.scan.live import graph_of_window
from agentguard.traces.store import Delivery, Encoding, SpanBatch
from agentguard.traces.validation import make_decoder, validate
from agentguard.traces.window import TimeWindow
from tests.linker.cases import Case, cases, dialects, edges, scanned, wanted, window_of

pytestmark = pytest.mark.anyio

HOUR = 3600 * 10**9
START = 1_793_491_200 * 10**9
STORED = [
    pytest.param(case, id=case["id"])
    for case in cases()
    if case.get("group") == "storage" and case["otlp"]
]


async def decode(deliveries: Sequence[Delivery]) -> pa.Table:
    return validate(make_decoder(dialects().wanted), deliveries).spans


async def stored_graph(folder: Path, documents: Sequence[object], window: TimeWindow) -> Graph:
    """The graph of a window over the documents, delivered one by one and settled into Parquet after
    each.
    """
    async with open_span_store(folder, decode, lambda: START, keep_bodies=False) as store:
        for document in documents:
            delivery = Delivery(json.dumps(document).encode(), Encoding.JSON)
            await store.append(SpanBatch((delivery,), await decode([delivery])))
            await store.compact()
        async with store.window(0) as kept:
            return graph_of_window(dialects(), kept.sources, window).graph


@pytest.mark.parametrize("case", STORED)
async def test_windows_over_stored_spans(case: Case, tmp_path: Path) -> None:
    for number, query in enumerate(q for q in case["queries"] if "expected" in q):
        graph = await stored_graph(tmp_path / str(number), [case["otlp"]], window_of(query))

        assert edges(graph) in [
            wanted(query["expected"]),
            *map(wanted, case.get("also_accept") or ()),
        ]


def span(trace: int, own: int, parent: int, kind: int, start: int) -> dict[str, Any]:
    return {
        "traceId": f"{trace:032x}",
        "spanId": f"{own:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": "op",
        "kind": kind,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + 1000),
    }


def call(trace: int, start: int, answered: int) -> list[dict[str, Any]]:
    """A call whose client half starts at one time and whose server half at another, in two
    deliveries.
    """
    halves = (("web", span(trace, 1, 0, 3, start)), ("app", span(trace, 2, 1, 2, answered)))
    return [
        {
            "resourceSpans": [
                {
                    "resource": {
                        "attributes": [{"key": "service.name", "value": {"stringValue": name}}]
                    },
                    "scopeSpans": [{"spans": [half]}],
                }
            ]
        }
        for name, half in halves
    ]


async def test_a_trace_that_crosses_an_hour_is_found_whole(tmp_path: Path) -> None:
    documents = call(1, START + HOUR - 1, START + 3 * HOUR)

    for number, (window, calls) in enumerate(
        [(TimeWindow(START, START + HOUR), 1), (TimeWindow(START + HOUR, START + 4 * HOUR), 0)]
    ):
        graph = await stored_graph(tmp_path / str(number), documents, window)

        assert edges(graph) == ({("web", "app", calls, 0, "")} if calls else set())
        assert graph.asked == window


async def test_stored_and_scanned_spans_give_one_graph_of_a_window(tmp_path: Path) -> None:
    documents = [
        document
        for n in range(6)
        for document in call(n + 1, START + n * HOUR, START + n * HOUR + HOUR // 2)
    ]
    window = TimeWindow(START + HOUR, START + 3 * HOUR)

    stored = await stored_graph(tmp_path, documents, window)
    read = scanned(documents, window=window).graph

    assert stored.dependencies == read.dependencies
    assert edges(read) == {("web", "app", 2, 0, "")}
    assert (read.coverage.spans, read.coverage.outside_window) == (4, 8)


def test_days_add_up() -> None:
    day = 24 * HOUR
    documents = [
        document
        for n in range(10)
        for document in call(n + 1, START + n * 7 * HOUR, START + n * 7 * HOUR + HOUR)
    ]

    by_day = [
        scanned(documents, window=TimeWindow(START + n * day, START + (n + 1) * day)).graph
        for n in range(4)
    ]
    whole = scanned(documents).graph

    assert (
        sum(d.calls for graph in by_day for d in graph.dependencies)
        == sum(d.calls for d in whole.dependencies)
        == 10
    )
