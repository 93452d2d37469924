"""Spans joined to their parents, whatever their senders did to the ids."""

from __future__ import annotations

from typing import Any

from agentguard.discovery.spantree import SpanTree, span_tree
from agentguard.ingest.decoding import decode
from agentguard.ingest.payloads import DocumentPayload
from tests.discovery.recordings import dialects

SERVER, CLIENT = 2, 3


def span(
    own: str, parent: str = "", *, kind: int = 1, start: int = 1_000, name: str = "work"
) -> dict[str, Any]:
    return {
        "traceId": "t",
        "spanId": own,
        "parentSpanId": parent,
        "name": name,
        "kind": kind,
        "startTimeUnixNano": start,
        "endTimeUnixNano": start + 10,
    }


def document(*spans: dict[str, Any], service: str = "shop") -> DocumentPayload:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return DocumentPayload(
        "test", {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": list(spans)}]}]}
    )


def tree(*documents: DocumentPayload) -> SpanTree:
    return span_tree(decode(documents, dialects().wanted).spans)


def parents(found: SpanTree) -> dict[str, str | None]:
    names = found.spans.column("name").to_pylist()
    return {
        name: None if above < 0 else names[above]
        for name, above in zip(names, found.parent.tolist(), strict=True)
    }


def test_children_may_come_before_their_parents() -> None:
    found = tree(document(span("c", "b", name="c"), span("b", "a", name="b"), span("a", name="a")))

    assert parents(found) == {"a": None, "b": "a", "c": "b"}
    assert not found.orphan.any()


def test_a_span_whose_parent_never_came_is_an_orphan_and_no_root() -> None:
    found = tree(document(span("a", "lost", name="a"), span("b", "a", name="b")))

    assert parents(found) == {"a": None, "b": "a"}
    assert found.orphan.tolist().count(True) == 1


def test_parents_in_a_circle_are_cut_at_one_place_and_nothing_is_lost() -> None:
    found = tree(
        document(
            span("a", "c", name="a"),
            span("b", "a", name="b"),
            span("c", "b", name="c"),
            span("d", "c", name="d"),
        )
    )

    assert sorted(parents(found)) == ["a", "b", "c", "d"]
    assert list(parents(found).values()).count(None) == 1
    assert found.orphan.sum() == 1


def test_a_span_that_is_its_own_parent_is_a_root() -> None:
    found = tree(document(span("a", "a", name="a")))

    assert parents(found) == {"a": None}
    assert found.orphan.tolist() == [False]
    assert not len(found.parent_cycles)


def test_server_halves_of_several_services_share_an_id_with_their_client() -> None:
    caller = document(
        span("x", "r", kind=CLIENT, name="call"), span("r", name="root"), service="web"
    )
    one = document(span("x", kind=SERVER, name="one"), span("y", "x", name="in one"), service="one")
    two = document(span("x", kind=SERVER, name="two"), span("z", "x", name="in two"), service="two")

    assert parents(tree(two, one, caller)) == {
        "root": None,
        "call": "root",
        "one": "call",
        "two": "call",
        "in one": "one",
        "in two": "two",
    }


def test_the_client_half_takes_its_parent_from_the_server_half() -> None:
    web = document(span("r", name="root"), span("x", kind=CLIENT, name="call"), service="web")
    backend = document(span("x", "r", kind=SERVER, name="serve"), service="backend")

    assert parents(tree(web, backend)) == {"root": None, "call": "root", "serve": "call"}


def test_a_trace_id_cut_to_its_lower_half_is_the_whole_one() -> None:
    whole, cut = (
        span("a", name="a") | {"traceId": "ab" * 16},
        span("b", "a", name="b") | {"traceId": "ab" * 8},
    )

    assert parents(tree(document(whole), document(cut))) == {"a": None, "b": "a"}


def test_a_cut_trace_id_that_two_whole_ones_end_with_stays_alone() -> None:
    one, two = (
        span("a", name="a") | {"traceId": "01" * 8 + "ab" * 8},
        span("a", name="c") | {"traceId": "02" * 8 + "ab" * 8},
    )
    cut = span("b", "a", name="b") | {"traceId": "ab" * 8}

    assert parents(tree(document(one, two, cut)))["b"] is None


def test_two_halves_that_share_an_id_become_parent_and_child() -> None:
    caller = document(span("x", kind=CLIENT, name="call"), service="web")
    callee = document(
        span("x", kind=SERVER, name="serve"), span("y", "x", name="inner"), service="backend"
    )

    assert parents(tree(callee, caller)) == {"call": None, "serve": "call", "inner": "serve"}


def test_of_two_different_copies_the_content_decides_and_not_the_order() -> None:
    first, second = document(span("a", name="one")), document(span("a", name="two"))

    assert parents(tree(first, second)) == parents(tree(second, first))
    assert tree(first, second).duplicates == 1
