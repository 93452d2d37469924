from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agentguard.discovery.dialects.loading import load_dialects
from agentguard.ingest import decoding
from agentguard.ingest.decoding import Decoder
from agentguard.ingest.payloads import ProtobufPayload
from agentguard.ingest.recent_cache import RecentCache
from agentguard.ingest.span_columns import AttributeInterner
from tests.discovery.scoped_spans import payload, protobuf_payload, span
from tests.traces.spans import request

WANTED = load_dialects().wanted


def counted_cache(most_bytes: int) -> tuple[RecentCache[int], list[bytes]]:
    parsed: list[bytes] = []

    def parse(raw: bytes) -> int:
        parsed.append(raw)
        return len(raw)

    return RecentCache(parse, most_bytes), parsed


def test_a_value_is_parsed_once() -> None:
    cache, parsed = counted_cache(1 << 20)

    assert [cache(b"ab"), cache(b"abc"), cache(b"ab")] == [2, 3, 2]
    assert parsed == [b"ab", b"abc"]


def test_values_used_again_and_again_outlive_those_used_once() -> None:
    cache, parsed = counted_cache(100_000)
    for n in range(10_000):
        cache(b"always")
        cache(b"once %d" % n)

    assert parsed.count(b"always") == 1
    assert len(cache) * 300 < 100_000


def test_long_values_count_by_their_length_and_huge_ones_are_not_kept() -> None:
    cache, parsed = counted_cache(100_000)
    for n in range(1000):
        cache(b"%05d" % n * 1000)
    assert len(cache) * 5000 < 100_000

    huge = bytes(50_000)
    cache(huge)
    cache(huge)
    assert parsed.count(huge) == 2


def test_the_pairs_used_last_keep_their_meaning() -> None:
    interner = AttributeInterner(frozenset({"peer"}), most_bytes=100_000)
    newest = 0
    while not interner.next_batch():
        newest += 1
        pairs = [interner.code("model", f"m{newest}"), interner.code("peer", "always")]
        interner.digests(np.array(pairs, np.int32))

    assert 10 < len(interner.items) < 150
    assert interner.items[interner.code("peer", "always")] == ("peer", "always")
    assert [interner.items[code] for code in interner.caller_only] == [("peer", "always")]
    assert ("model", f"m{newest}") in interner.items
    assert ("model", "m1") not in interner.items


def deliveries() -> list[bytes]:
    bodies = []
    for n in range(120):
        body: ExportTraceServiceRequest = request([n + 1])
        (span,) = body.resource_spans[0].scope_spans[0].spans
        for key, value in (("gen_ai.request.model", f"m{n % 50}"), ("server.address", f"h{n}")):
            span.attributes.add(key=key).value.string_value = value * 20
        bodies.append(body.SerializeToString())
    return bodies


def test_a_decoder_that_forgets_returns_the_same_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [row for body in deliveries() for row in decoded(Decoder(WANTED), body)]
    monkeypatch.setattr(decoding, "_INTERNED_BYTES", 10_000)
    forgetful = Decoder(WANTED)

    assert [row for body in deliveries() for row in decoded(forgetful, body)] == expected


def decoded(decoder: Decoder, body: bytes) -> list[dict[str, object]]:
    return list(decoder.decode([ProtobufPayload("x", body)]).spans.to_pylist())


def test_ids_of_requests_and_conversations_make_no_attribute_sets() -> None:
    def called(number: int) -> dict[str, Any]:
        ids = {"jsonrpc.request.id": str(number), "gen_ai.conversation.id": f"c-{number % 3}"}
        return span(number, "tools/call", attributes={"mcp.method.name": "tools/call"} | ids)

    spans = [called(number) for number in range(1, 31)]
    for body in (payload("acme", *spans), protobuf_payload("acme", *spans)):
        found = Decoder(WANTED).decode([body]).spans

        assert len(found.column("attributes").combine_chunks().dictionary) == 1
        assert len(set(found.column("request").to_pylist())) == 30
        assert len(set(found.column("conversation").to_pylist())) == 3
