"""The plain form."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.ingest.formats.plain import instant
from agentguard.ingest.payloads import Refusal
from tests.ingest.reading import plain, reasons, spans, upload

YEAR_1973, YEAR_2262 = 100_000_000, 9_223_372_036  # seconds


def test_the_smallest_span_keeps_service_ids_and_type_hint() -> None:
    (found,) = spans(
        upload(
            [
                {
                    "traceId": "abc123",
                    "spans": [
                        {
                            "spanId": "span1",
                            "serviceName": "PricingAgent",
                            "attributes": {"type": "llm"},
                        }
                    ],
                }
            ]
        )
    )

    assert (found["traceId"], found["spanId"], found["parentSpanId"]) == ("abc123", "span1", "")
    assert found["resource"] == {"service.name": "PricingAgent"}
    assert plain(found["attributes"]) == {"type": "llm"}


def test_every_key_is_read() -> None:
    span = {
        "spanId": "s",
        "parentSpanId": "p",
        "serviceName": "svc",
        "name": "op",
        "kind": "client",
        "attributes": {"n": 1, "f": 0.5, "b": True, "l": ["x"], "none": None},
        "duration": 1500,
        "status": {"code": "ERROR", "message": "no"},
        "timestamp": "2025-01-01T00:00:00.25Z",
    }
    (found,) = spans(upload([{"traceId": "t", "spans": [span]}]))

    assert (found["parentSpanId"], found["name"], found["kind"], found["status"]) == (
        "p",
        "op",
        3,
        {"code": 2, "message": "no"},
    )
    assert (found["startTimeUnixNano"], found["endTimeUnixNano"]) == (
        1_735_689_600_250_000_000,
        1_735_689_600_251_500_000,
    )
    assert plain(found["attributes"]) == {
        "n": "1",
        "f": 0.5,
        "b": True,
        "l": {"values": [{"stringValue": "x"}]},
    }


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ({"code": 2}, 2),
        ({"code": "STATUS_CODE_ERROR"}, 2),
        ("error", 2),
        ({"code": "OK"}, 1),
        ({"code": 1}, 1),
        ({}, 0),
        (None, 0),
        ({"code": 7}, 0),
    ],
)
def test_status_codes_are_taken_in_every_spelling(written, code) -> None:
    (found,) = spans(upload([{"traceId": "t", "spans": [{"spanId": "s", "status": written}]}]))

    assert found["status"]["code"] == code


def test_spans_without_ids_are_refused_with_their_place_and_the_others_kept() -> None:
    items = upload(
        [
            {"traceId": "t", "spans": [{"name": "x"}, {"spanId": "ok"}]},
            {"spans": [{"spanId": "s"}]},
        ],
        "f.json",
    )
    refusals = [item for item in items if isinstance(item, Refusal)]

    assert reasons(items) == ["span-without-ids"] * 2
    assert [refusal.origin for refusal in refusals] == [
        "f.json:1, trace 1, span 1",
        "f.json:1, trace 2, span 1",
    ]
    assert ["spanId" in refusals[0].message, "traceId" in refusals[1].message] == [True, True]
    assert [
        span["spanId"] for span in spans(item for item in items if not isinstance(item, Refusal))
    ] == ["ok"]


def test_single_traces_flat_spans_and_lines_are_read_too() -> None:
    one = list(spans(upload({"traceId": "t", "spans": [{"spanId": "s"}]})))
    flat = list(spans(upload([{"traceId": "t", "spanId": "s"}])))

    assert one == flat


@given(
    seconds=st.integers(YEAR_1973, YEAR_2262),
    unit=st.sampled_from([1, 10**3, 10**6, 10**9]),
    as_text=st.booleans(),
)
def test_numbers_are_read_in_the_unit_that_their_size_shows(seconds, unit, as_text) -> None:
    written = seconds * unit

    assert instant(str(written) if as_text else written) == seconds * 10**9


@given(
    seconds=st.integers(0, YEAR_2262),
    microseconds=st.integers(0, 999_999),
    offset=st.sampled_from(["", "Z", "+00:00"]),
)
def test_iso_text_is_read_exactly_and_without_offset_as_utc(seconds, microseconds, offset) -> None:
    written = (
        datetime.fromtimestamp(seconds, UTC)
        .replace(microsecond=microseconds, tzinfo=None)
        .isoformat()
    )

    assert instant(written + offset) == seconds * 10**9 + microseconds * 1000


@pytest.mark.parametrize(
    "written", ["yesterday", "", None, {}, [], True, "2025-99-01", "9" * 5000, 10**400]
)
def test_what_is_no_time_is_unknown(written) -> None:
    assert instant(written) == 0
