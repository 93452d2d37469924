"""One set of spans has one graph, however it is delivered."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentguard.discovery.classification import Classifier
from agentguard.discovery.kernel import discover
from agentguard.discovery.partial import Partial
from agentguard.discovery.prescan import Prescan, prescan
from agentguard.graph.assembly.build import build
from agentguard.graph.model import Coverage, Graph
from agentguard.graph.runs import Runs
from agentguard.ingest.decoding import decode
from agentguard.scan.pipeline import graph_of
from agentguard.traces.spool import Spool
from tests.discovery.recordings import NAMES, dialects, lines

MIXED = (
    "fastapi-distributed",
    "celery-messaging",
    "langgraph-openllmetry",
    "llama-index",
    "mcp-openinference",
)
"""Skewed clocks, links between traces, handoffs beside, agents only in text, two halves of calls.
"""


def spans_of(names: tuple[str, ...]) -> pa.Table:
    return pa.concat_tables(
        [decode(lines(name), dialects().wanted).spans for name in names]
    ).combine_chunks()


def without_coverage(graph: Graph) -> Graph:
    return replace(graph, coverage=Coverage())


def shuffled(spans: pa.Table, seed: int) -> pa.Table:
    return spans.take(pa.array(np.random.default_rng(seed).permutation(len(spans))))


@settings(max_examples=6)
@given(seed=st.integers(0, 2**32 - 1))
@pytest.mark.parametrize("name", MIXED)
def test_order_and_repeated_delivery_change_nothing(name: str, seed: int) -> None:
    spans = spans_of((name,))
    again = shuffled(
        pa.concat_tables([spans, shuffled(spans, seed).slice(0, len(spans) // 2)]), seed
    )

    whole, scrambled = graph_of([spans], dialects()), graph_of([again], dialects())

    assert without_coverage(scrambled.graph) == without_coverage(whole.graph)
    assert scrambled.runs.calls.equals(whole.runs.calls)
    assert scrambled.graph.coverage.duplicates == len(spans) // 2


@settings(max_examples=4)
@given(seed=st.integers(0, 2**32 - 1), payloads=st.integers(2, 40))
def test_traces_split_over_many_deliveries_give_the_same_graph(seed: int, payloads: int) -> None:
    spans = shuffled(spans_of(MIXED), seed)
    step = -(-len(spans) // payloads)
    parts = [spans.slice(at, step) for at in range(0, len(spans), step)]

    assert without_coverage(graph_of(parts, dialects()).graph) == without_coverage(
        graph_of([spans], dialects()).graph
    )


@pytest.mark.parametrize("partitions", [1, 3, 32])
def test_partitions_on_disk_give_the_same_graph_as_memory(partitions: int) -> None:
    spans = spans_of(MIXED)
    by_disk = graph_by(Spool(in_memory=100, partitions=partitions), spans)
    in_memory = graph_of([spans], dialects())

    assert by_disk[0] == in_memory.graph
    assert same_calls(by_disk[1], in_memory.runs)


def test_partial_findings_merge_in_any_order() -> None:
    found = [partial(name) for name in NAMES]
    random.Random(7).shuffle(found)

    graph, runs = build(found, dialects().sources, spans_read=0, refused={})
    expected, expected_runs = build(
        [partial(name) for name in NAMES], dialects().sources, spans_read=0, refused={}
    )

    assert graph == expected
    assert same_calls(runs, expected_runs)


def partial(name: str) -> Partial:
    spans, classifier = spans_of((name,)), Classifier(dialects())
    return discover(spans, dialects(), classifier, prescan(spans, classifier))


def graph_by(spool: Spool, spans: pa.Table) -> tuple[Graph, Runs]:
    classifier, seen = Classifier(dialects()), Prescan()
    with spool:
        for at in range(0, len(spans), 150):
            part = spans.slice(at, 150)
            seen |= prescan(part, classifier)
            spool.add(part)
        found = [discover(table, dialects(), classifier, seen) for table in spool.partitions()]
    return build(found, dialects().sources, spans_read=len(spans), refused={})


def same_calls(one: Runs, other: Runs) -> bool:
    return (
        one.calls.to_pylist() == other.calls.to_pylist()
        and one.runs.to_pylist() == other.runs.to_pylist()
    )
