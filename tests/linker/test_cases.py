"""Every case of the peers (Zipkin's linker, tree, merge and storage.

Service graphs), read from the data files.

Each goes through reading, scanning and the graph in all forms that it has: Zipkin JSON, its twin in
OTLP, v1 where there is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from agentguard.discovery.classification import Classifier
from agentguard.discovery.kernel import discover
from agentguard.discovery.kinds import ComponentKind
from agentguard.discovery.partial import Partial
from agentguard.discovery.prescan import Prescan
from agentguard.discovery.spantree import SpanTree, outline, span_tree
from agentguard.graph.assembly.build import build
from agentguard.graph.latency import buckets
from agentguard.graph.model import Graph
from agentguard.ingest.decoding import decode
from agentguard.ingest.formats import zipkin_merge
from agentguard.ingest.payloads import Refusal
from agentguard.kernel.errors import InvalidInputError
from agentguard.scan.pipeline import Scan
from tests.linker.cases import Case, cases, dialects, edges, payloads, scanned, wanted, window_of

FORMS = ("zipkin", "otlp", "zipkin_v1")
KINDS = {
    "database": ComponentKind.DATASTORE,
    "external": ComponentKind.EXTERNAL,
    "broker": ComponentKind.QUEUE,
}


def named(*groups: str, **marks: pytest.MarkDecorator) -> list[Any]:
    """The cases of these groups; those of the service graph have none. `marks`: by id."""
    found = [case for case in cases() if case.get("group", "servicegraph") in groups]
    return [pytest.param(case, id=case["id"], marks=marks.get(case["id"], ())) for case in found]


def forms(case: Case) -> Iterator[list[Any]]:
    """The case's deliveries in each form that it has."""
    if case.get("batches") is not None:
        yield case["batches"]
    yield from ([case[form]] for form in FORMS if case.get(form) is not None)


def answers(case: Case) -> list[set[Any]]:
    optional = case.get("allow_extra_nodes", ())
    return [
        wanted(edges, without=optional)
        for edges in (case["expected"], *(case.get("also_accept") or ()))
    ]


@pytest.mark.parametrize("case", named("linker", "merge", "servicegraph"))
def test_calls_of_services(case: Case) -> None:
    optional = case.get("allow_extra_nodes", ())
    for deliveries in forms(case):
        assert edges(scanned(deliveries).graph, without=optional) in answers(case)


NO_SELF_WAIT = pytest.mark.xfail(
    strict=True, reason="what the calling side of a call to itself waited is not kept"
)


@pytest.mark.parametrize("case", named("servicegraph", SG01=NO_SELF_WAIT))
def test_what_else_a_case_tells(case: Case) -> None:
    for deliveries in forms(case):
        found = scanned(deliveries)
        graph = found.graph

        assert counts(graph).items() >= case.get("expected_counts", {}).items()
        assert entries(found) >= set(case.get("entry", ()))
        for name, kind in case.get("node_types", {}).items():
            assert kinds(graph)[name] == {KINDS[kind]}
        for sides in case.get("latency_ms", ()):
            assert latencies(graph, sides) == {
                side: histogram(sides[side]) for side in SIDES & sides.keys()
            }
        assert all(c.name for c in graph.components)


@pytest.mark.parametrize("case", named("storage"))
def test_graphs_of_windows(case: Case) -> None:
    for deliveries in forms(case):
        for query in case["queries"]:
            if "expected_error" in query:
                with pytest.raises(InvalidInputError, match=ERRORS[query["expected_error"]]):
                    window_of(query)
            else:
                found = edges(scanned(deliveries, window=window_of(query)).graph)
                assert found in [
                    wanted(query["expected"]),
                    *map(wanted, case.get("also_accept") or ()),
                ]


ERRORS = {"endTs <= 0": "until", "lookback <= 0": "lookback"}
"""Zipkin's argument → ours."""


@pytest.mark.parametrize("case", named("tree"))
def test_trees(case: Case) -> None:
    tree = tree_of(case)
    keys = tree_keys(tree)
    above, order = outline(tree)
    parents = {
        key: None if parent < 0 else keys[parent]
        for key, parent in zip(keys, above.tolist(), strict=True)
    }
    spans = [zipkin_key(span) for span in case["zipkin"]]

    assert sorted(keys) == sorted(set(spans))
    for span, parent in zip(spans, case["expected_tree"], strict=True):
        if parent not in ("dup", "any"):
            assert parents[span] == (None if parent is None else spans[parent])
    names = tree.spans.column("name").to_pylist()
    children = [names[row] for row in order.tolist() if above[row] >= 0]
    assert children == (case.get("expected_child_order") or children)
    if case["expected"] is not None:
        assert edges(scanned([case["zipkin"]]).graph) == wanted(case["expected"])


@pytest.mark.parametrize(
    "case", [case for case in named("tree") if "cycle" in case.values[0]["title"]]
)
def test_parents_in_a_circle_are_told(case: Case) -> None:
    found = scanned([recognized(case)])

    assert found.graph.coverage.parent_cycles == 1
    assert [refusal.reason for refusal in found.refusals] == ["cyclic-parents"]


def recognized(case: Case) -> list[dict[str, Any]]:
    """The spans with a key that only Zipkin has: some cases consist of ids alone."""
    return [{"shared": False, **span} for span in case["zipkin"]]


def tree_of(case: Case) -> SpanTree:
    found = [
        payload for payload in payloads([recognized(case)]) if not isinstance(payload, Refusal)
    ]
    return span_tree(decode(found, dialects().wanted).spans)


def tree_keys(tree: SpanTree) -> list[tuple[str, str, bool]]:
    """Each row's span id, service, and whether it is a server's half."""
    services = [c.service for c in Classifier(dialects()).classify(tree.spans).by_shape]
    shape = Classifier(dialects()).classify(tree.spans).shape
    ids = [raw.hex() for raw in tree.spans.column("span_id").to_pylist()]
    serving = (tree.spans.column("kind").to_numpy() == 2).tolist()
    return [(own, services[shape[row]], serving[row]) for row, own in enumerate(ids)]


def zipkin_key(span: dict[str, Any]) -> tuple[str, str, bool]:
    serving = span.get("kind", "SERVER" if span.get("shared") else "") == "SERVER"
    return span["id"], span.get("localEndpoint", {}).get("serviceName", ""), serving


@pytest.mark.parametrize("case", named("merge"))
def test_spans_put_together(case: Case) -> None:
    found = [
        span for trace in zipkin_merge.traces(case["zipkin"]) for span in zipkin_merge.merged(trace)
    ]

    assert found == case["expected_spans"]


@pytest.mark.parametrize("case", named("links"))
def test_findings_of_many_parts_add_up(case: Case) -> None:
    """The inputs are lists of links.

    Each link is told as so many calls, found by itself, and merged.
    """
    partials = [found_in(link, number) for number, link in enumerate(case["links_in"])]
    graph, _ = build(partials, {}, spans_read=0, refused={})

    assert edges(graph) == wanted(case["expected"])


def found_in(link: dict[str, Any], number: int) -> Partial:
    spans = [
        {
            "traceId": f"{number + 1:016x}{call + 1:016x}",
            "id": f"{call + 1:016x}",
            "kind": "CLIENT",
            "localEndpoint": {"serviceName": link["parent"]},
            "remoteEndpoint": {"serviceName": link["child"]},
            "tags": {"error": ""} if call < link.get("errorCount", 0) else {},
        }
        for call in range(link["callCount"])
    ]
    read = [payload for payload in payloads([spans]) if not isinstance(payload, Refusal)]
    return discover(
        decode(read, dialects().wanted).spans, dialects(), Classifier(dialects()), Prescan()
    )


def counts(graph: Graph) -> dict[str, int]:
    return {"unresolved": graph.coverage.unresolved_peers, "orphans": graph.coverage.orphans}


def entries(found: Scan) -> set[str]:
    """The components in which recorded runs start."""
    names = {c.id: c.name for c in found.graph.components}
    calls = found.runs.calls.to_pylist()
    first = {call["run"]: call["target"] for call in reversed(calls) if call["parent"] < 0}
    assert {w.root_component for w in found.graph.workflows} <= set(first.values())
    return {names[target] for target in first.values()}


def kinds(graph: Graph) -> dict[str, set[ComponentKind]]:
    return {
        c.name: {other.kind for other in graph.components if other.name == c.name}
        for c in graph.components
    }


def latencies(graph: Graph, sides: dict[str, Any]) -> dict[str, list[int]]:
    """The histograms of an edge by side.

    Where only the caller sends spans, the edge's one latency is the client's.
    """
    names = {c.id: c.name for c in graph.components}
    edges = [
        d
        for d in graph.dependencies
        if (names[d.source], names[d.target]) == (sides["parent"], sides["child"])
    ]
    if sides["parent"] == sides["child"]:
        own = next(c for c in graph.components if c.name == sides["parent"])
        return {
            side: (
                [b for b, count in own.self_latency for _ in range(count)]
                if side == "server"
                else []
            )
            for side in SIDES & sides.keys()
        }
    told = {"server": [d.latency for d in edges], "messaging": [d.queue_delay for d in edges]}
    told["client"] = [d.client_latency for d in edges] if "server" in sides else told["server"]
    return {
        side: [
            bucket for histogram in told[side] for bucket, count in histogram for _ in range(count)
        ]
        for side in SIDES & sides.keys()
    }


SIDES = {"client", "server", "messaging"}


def histogram(milliseconds: list[float]) -> list[int]:
    return buckets(np.array([round(time * 1e6) for time in milliseconds], np.int64)).tolist()


def test_every_case_is_there() -> None:
    assert [
        len(named("linker", "links", "tree", "merge", "storage")),
        len(named("servicegraph")),
    ] == [106, 54]
