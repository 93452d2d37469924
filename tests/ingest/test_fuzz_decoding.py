"""Whatever a body holds, decoding answers, keeps its neighbours, and agrees with protobuf where
that accepts.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from agentguard.discovery.dialects.loading import load_dialects
from agentguard.ingest.decoding import Decoded, decode
from agentguard.ingest.payloads import ProtobufPayload
from agentguard.ingest.spans import SPAN_SCHEMA
from benchmarks.generate import Order, bodies
from tests.ingest.reading import FORMATS

WANTED = load_dialects().wanted
RECORDED = [
    (FORMATS / "otlp_bodies" / name).read_bytes()
    for name in ("celery.pb", "grpc.pb", "agno-gzipped.pb")
]
SEEDS = [
    RECORDED[0],
    RECORDED[1],
    gzip.decompress(RECORDED[2])[:30_000],
    *bodies(Order(20, 1, scattered=True)),
    b"",
]
GOOD = RECORDED[1]


def google(body: bytes) -> ExportTraceServiceRequest | None:
    try:
        return ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        return None


def spans_of(request: ExportTraceServiceRequest) -> Iterator[tuple[str, Span]]:
    for group in request.resource_spans:
        for scoped in group.scope_spans:
            for span in scoped.spans:
                yield scoped.scope.name, span


def row_of(scope: str, span: Span) -> tuple[Any, ...] | None:
    """What the span table must say of a span; None for one without ids."""
    if (
        len(span.trace_id) != 16
        or len(span.span_id) != 8
        or not any(span.trace_id)
        or not any(span.span_id)
    ):
        return None
    start, end = (
        time if time < 2**63 else 0 for time in (span.start_time_unix_nano, span.end_time_unix_nano)
    )
    return (
        span.trace_id,
        span.span_id,
        span.parent_span_id if len(span.parent_span_id) == 8 else bytes(8),
        span.kind if 0 <= span.kind <= 5 else 0,
        span.status.code == 2,
        start,
        end if end >= start else 0,
        len(span.name),
        len(scope),
    )


def rows_of(decoded: Decoded) -> list[tuple[Any, ...]]:
    keys = ("trace_id", "span_id", "parent_id", "kind", "failed", "start", "end")
    return [
        (*(row[key] for key in keys), len(row["name"]), len(row["scope"]))
        for row in decoded.spans.to_pylist()
    ]


GOOD_ROWS = rows_of(decode([ProtobufPayload("good", GOOD)], WANTED))


@st.composite
def mutated(draw) -> bytes:
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(
            st.integers(0, max(0, min(len(data), draw(st.sampled_from([40, 1000, 100_000]))) - 1))
        )
        match draw(st.sampled_from(["cut", "flip", "set", "splice", "drop", "repeat"])):
            case "cut":
                del data[at:]
            case "flip" if data:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "set" if data:
                data[at] = draw(st.sampled_from([0, 1, 0x0A, 0x12, 0x7F, 0x80, 0xFF]))
            case "splice":
                other = draw(st.sampled_from(SEEDS))
                start = draw(st.integers(0, len(other)))
                data[at:at] = other[start : start + draw(st.integers(1, 300))]
            case "drop":
                del data[at : at + draw(st.integers(1, 60))]
            case "repeat":
                data[at:at] = data[at : at + draw(st.integers(1, 300))]
    return bytes(data)


def check(body: bytes) -> None:
    """Decode it between two good ones.

    These stay whole, and where protobuf accepts it the same spans are found.
    """
    decoded = decode(
        [
            ProtobufPayload("first", GOOD),
            ProtobufPayload("odd", body),
            ProtobufPayload("last", GOOD),
        ],
        WANTED,
    )

    good, rows = GOOD_ROWS, rows_of(decoded)
    assert decoded.spans.schema == SPAN_SCHEMA
    assert rows[: len(good)] == rows[len(rows) - len(good) :] == good
    assert all(refusal.origin.startswith("odd") for refusal in decoded.refusals)
    request = google(body)
    if request is not None:
        wanted = [row_of(scope, span) for scope, span in spans_of(request)]
        found = rows[len(good) : len(rows) - len(good)]
        assert [row[:7] for row in found] == [row[:7] for row in wanted if row is not None]
        assert sum(
            r.spans for r in decoded.refusals if r.reason == "span-without-ids"
        ) == wanted.count(None)


@given(body=mutated())
@settings(max_examples=400)
def test_damaged_bodies_agree_with_protobuf_and_spare_their_neighbours(body) -> None:
    check(body)


@given(body=st.binary(max_size=200))
@settings(max_examples=300)
def test_any_bytes_agree_with_protobuf(body) -> None:
    check(body)


IDS = st.one_of(
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=8, max_size=8),
    st.binary(max_size=20),
    st.just(bytes(16)),
)
VALUES = st.one_of(
    st.builds(lambda s: {"string_value": s}, st.text(max_size=300)),
    st.builds(lambda n: {"int_value": n}, st.integers(-(2**63), 2**63 - 1)),
    st.builds(lambda f: {"double_value": f}, st.floats()),
    st.builds(lambda b: {"bool_value": b}, st.booleans()),
    st.builds(lambda b: {"bytes_value": b}, st.binary(max_size=20)),
    st.just({}),
    st.just({"array_value": {"values": [{"string_value": "x"}, {"array_value": {}}]}}),
    st.just({"kvlist_value": {"values": [{"key": "k", "value": {"int_value": 1}}]}}),
)
KEYS = st.one_of(st.sampled_from(sorted(WANTED.span_keys)), st.text(max_size=200))
PAIRS = st.lists(st.fixed_dictionaries({"key": KEYS, "value": VALUES}), max_size=6)
SPANS = st.fixed_dictionaries(
    {
        "trace_id": IDS,
        "span_id": IDS,
        "parent_span_id": IDS,
        "name": st.text(max_size=200),
        "kind": st.integers(-(2**31), 2**31 - 1),
        "start_time_unix_nano": st.integers(0, 2**64 - 1),
        "end_time_unix_nano": st.integers(0, 2**64 - 1),
        "attributes": PAIRS,
        "events": st.lists(
            st.fixed_dictionaries(
                {
                    "name": st.sampled_from(["", "exception", *sorted(WANTED.events)]),
                    "attributes": PAIRS,
                }
            ),
            max_size=2,
        ),
        "links": st.lists(st.fixed_dictionaries({"trace_id": IDS, "span_id": IDS}), max_size=2),
        "status": st.fixed_dictionaries(
            {"code": st.integers(-(2**31), 2**31 - 1), "message": st.text(max_size=5)}
        ),
    }
)
REQUESTS = st.lists(
    st.fixed_dictionaries(
        {
            "resource": st.fixed_dictionaries({"attributes": PAIRS}),
            "scope_spans": st.lists(
                st.fixed_dictionaries(
                    {
                        "scope": st.fixed_dictionaries({"name": st.text(max_size=9)}),
                        "spans": st.lists(SPANS, max_size=3),
                    }
                ),
                max_size=3,
            ),
        }
    ),
    max_size=3,
)


@given(groups=REQUESTS)
@settings(max_examples=80)
def test_any_legal_request_agrees_with_protobuf(groups) -> None:
    check(ExportTraceServiceRequest(resource_spans=groups).SerializeToString())


@given(groups=REQUESTS, cut=st.integers(0, 10**6))
@settings(max_examples=50)
def test_requests_merged_from_pieces_agree_with_protobuf(groups, cut) -> None:
    """Fields out of order and in payloads: legal, since a message's parts may come in any order."""
    whole = ExportTraceServiceRequest(resource_spans=groups)
    out = bytearray()
    for group in whole.resource_spans:
        parts = [b"\x0a" + _sized(group.resource.SerializeToString())]
        parts += [b"\x12" + _sized(scoped.SerializeToString()) for scoped in group.scope_spans]
        parts.append(b"\x0a" + _sized(group.resource.SerializeToString()))
        turn = cut % len(parts)
        out += b"\x0a" + _sized(b"".join(parts[turn:] + parts[:turn]))
    check(bytes(out))


def _sized(content: bytes) -> bytes:
    size, out = len(content), bytearray()
    while size > 0x7F:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes(out) + bytes((size,)) + content


def test_an_attribute_given_twice_with_two_types_is_answered() -> None:
    pairs = [
        {"key": min(WANTED.labels), "value": {"string_value": "x"}},
        {"key": min(WANTED.labels), "value": {"bool_value": True}},
    ]
    groups: Any = [
        {
            "scope_spans": [
                {"spans": [{"trace_id": b"t" * 16, "span_id": b"s" * 8, "attributes": pairs}]}
            ]
        }
    ]
    check(ExportTraceServiceRequest(resource_spans=groups).SerializeToString())


def test_a_broken_resource_is_refused_and_spares_its_neighbours() -> None:
    body = b"\x0a\x04\x0a\x02\x0a\x09"  # an attribute that says it is longer than its resource
    check(body)

    decoded = decode([ProtobufPayload("odd", body)], WANTED)
    assert [refusal.reason for refusal in decoded.refusals] == ["bad-protobuf"]
