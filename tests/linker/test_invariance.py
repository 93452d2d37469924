"""What must not matter to who called whom.

The order of spans, how they are split into deliveries, and that they come again.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentguard.ingest.formats import zipkin_v1
from agentguard.ingest.formats.zipkin_merge import merged, traces
from tests.linker.cases import cases, edges, scanned

IN_OTLP = [case["otlp"] for case in cases() if case.get("otlp")]
IN_ZIPKIN = [case["zipkin"] for case in cases() if case.get("zipkin") and case["id"] != "S24"]


def single(document: dict[str, Any]) -> list[dict[str, Any]]:
    """One delivery for each span."""
    return [
        {
            "resourceSpans": [
                {
                    "resource": group.get("resource", {}),
                    "scopeSpans": [{"scope": scoped.get("scope", {}), "spans": [span]}],
                }
            ]
        }
        for group in document["resourceSpans"]
        for scoped in group["scopeSpans"]
        for span in scoped["spans"]
    ]


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(IN_OTLP).filter(lambda document: len(single(document)) < 100),
    st.randoms(use_true_random=False),
)
def test_span_by_span_in_any_order_and_twice(document: dict[str, Any], random: Any) -> None:
    deliveries = single(document)
    again = [*deliveries, *deliveries]
    random.shuffle(again)

    assert edges(scanned(again).graph) == edges(scanned([document]).graph)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(IN_ZIPKIN), st.randoms(use_true_random=False))
def test_zipkin_spans_in_any_order(spans: list[dict[str, Any]], random: Any) -> None:
    mixed = list(spans)
    random.shuffle(mixed)

    assert edges(scanned([mixed]).graph) == edges(scanned([spans]).graph)


@given(st.sampled_from(IN_ZIPKIN))
def test_what_was_put_together_stays_as_it_is(spans: list[dict[str, Any]]) -> None:
    for trace in traces(spans):
        whole = merged(trace)

        assert merged(whole) == whole


def note(value: str, service: str, at: int) -> dict[str, Any]:
    return {"timestamp": at, "value": value, "endpoint": {"serviceName": service}}


@pytest.mark.parametrize("server", ["app", "web"])
def test_a_v1_span_of_both_sides_becomes_two_halves(server: str) -> None:
    sides = [
        note("cs", "web", 10),
        note("sr", server, 12),
        note("ss", server, 17),
        note("cr", "web", 20),
    ]

    client, serving = zipkin_v1.halves(
        {"traceId": "1", "id": "2", "timestamp": 10, "duration": 10, "annotations": sides}
    )

    assert (client["kind"], client["timestamp"], client["duration"], client.get("shared")) == (
        "CLIENT",
        10,
        10,
        None,
    )
    assert (serving["kind"], serving["timestamp"], serving["duration"], serving["shared"]) == (
        "SERVER",
        12,
        5,
        True,
    )
    assert serving["localEndpoint"] == {"serviceName": server}


def test_a_v1_span_without_core_annotations_is_told_by_its_addresses() -> None:
    addresses = [
        {"key": key, "value": True, "endpoint": {"serviceName": name}}
        for key, name in (("ca", "web"), ("sa", "db"))
    ]

    (span,) = zipkin_v1.halves({"traceId": "1", "id": "2", "binaryAnnotations": addresses})

    assert (span["localEndpoint"], span["remoteEndpoint"]) == (
        {"serviceName": "web"},
        {"serviceName": "db"},
    )


def test_v1_tags_and_brokers_go_to_who_wrote_them() -> None:
    place = {"serviceName": "orders"}
    tags = [
        {"key": "error", "value": "refused", "endpoint": place},
        {"key": "ma", "value": True, "endpoint": {"serviceName": "kafka"}},
    ]

    (span,) = zipkin_v1.halves(
        {
            "traceId": "1",
            "id": "2",
            "annotations": [note("ms", "orders", 5)],
            "binaryAnnotations": tags,
        }
    )

    assert (span["kind"], span["tags"], span["remoteEndpoint"]) == (
        "PRODUCER",
        {"error": "refused"},
        {"serviceName": "kafka"},
    )
