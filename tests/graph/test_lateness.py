"""Spans that came late are told apart from spans that only took long."""

from __future__ import annotations

import pyarrow as pa

from agentguard.ingest.decoding import Decoder
from agentguard.ingest.payloads import DocumentPayload
from agentguard.scan.lateness import Watermark
from agentguard.scan.pipeline import graph_of, scan
from tests.discovery.recordings import dialects

MINUTE = 60_000_000_000


def document(*spans: tuple[int, int]) -> DocumentPayload:
    written = [
        {
            "traceId": f"{number:032x}",
            "spanId": f"{number:016x}",
            "name": "work",
            "startTimeUnixNano": str(start * MINUTE),
            "endTimeUnixNano": str(end * MINUTE),
        }
        for number, (start, end) in enumerate(spans, 1)
    ]
    return DocumentPayload("test", {"resourceSpans": [{"scopeSpans": [{"spans": written}]}]})


def late(*spans: tuple[int, int]) -> int | None:
    return scan([document(*spans)], dialects()).graph.coverage.late


def test_a_span_that_ended_long_before_newer_ones_came_late() -> None:
    assert late((100, 101), (90, 91), (100, 102)) == 1


def test_a_span_that_took_long_did_not_come_late() -> None:
    assert late((100, 101), (1, 102)) == 0


def test_a_few_minutes_are_allowed() -> None:
    assert late((100, 101), (95, 97)) == 0


def test_the_watermark_goes_from_delivery_to_delivery() -> None:
    watermark = Watermark()
    for payload in (document((100, 101)), document((90, 91))):
        watermark.add(Decoder(dialects().wanted).decode([payload]).spans)

    assert watermark.late == 1


def test_without_the_order_of_arrival_nobody_knows() -> None:
    spans: pa.Table = Decoder(dialects().wanted).decode([document((100, 101), (1, 2))]).spans

    assert graph_of([spans], dialects()).graph.coverage.late is None
