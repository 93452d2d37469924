"""Ids are read by the rules of their format."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.discovery.dialects.loading import load_dialects
from agentguard.ingest.decoding import decode
from agentguard.ingest.formats.hex_ids import span_id, trace_id
from tests.ingest.reading import pieces_of, reasons, upload

WANTED = load_dialects().wanted
HERE = {"localEndpoint": {"serviceName": "s"}}
SPELLINGS = ["abc", "0abc", "0000000000000abc", "00000000000000000000000000000abc", "ABC"]


def rows(*documents: Any) -> list[dict[str, Any]]:
    found = [payload for document in documents for payload in pieces_of(upload(document))]
    return list(decode(found, WANTED).spans.to_pylist())


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_zipkin_spans_meet_whatever_zeros_are_missing(spelling) -> None:
    whole = {"traceId": SPELLINGS[3], "id": "0000000000000001"} | HERE
    short = {"traceId": spelling, "id": "2", "parentId": "1"} | HERE
    one, two = rows([whole], [short])

    assert one["trace_id"] == two["trace_id"] == (0xABC).to_bytes(16, "big")
    assert two["parent_id"] == one["span_id"] == (1).to_bytes(8, "big")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_jaeger_spans_meet_whatever_zeros_are_missing(spelling) -> None:
    def document(trace: str, span: str, parent: str) -> dict[str, Any]:
        references = [{"refType": "CHILD_OF", "traceID": trace, "spanID": parent}]
        own = {"traceID": trace, "spanID": span, "references": references if parent else []}
        return {"data": [{"traceID": trace, "spans": [own], "processes": {}}]}

    one, two = rows(document(SPELLINGS[2], "0000000000000001", ""), document(spelling, "2", "1"))

    assert one["trace_id"] == two["trace_id"] == (0xABC).to_bytes(16, "big")
    assert two["parent_id"] == one["span_id"] == (1).to_bytes(8, "big")


@given(number=st.integers(1, 2**64 - 1))
def test_ids_of_64_bits_are_those_of_128_bits_with_zeros(number: int) -> None:
    written = f"{number:x}"

    assert trace_id(written) == span_id(written) == f"{number:016x}"
    one, two = rows(
        [{"traceId": f"{number:032x}", "id": written} | HERE],
        [{"traceId": written, "id": f"{number:016x}"} | HERE],
    )
    assert (one["trace_id"], one["span_id"]) == (two["trace_id"], two["span_id"])


@given(number=st.integers(2**64, 2**128 - 1))
def test_ids_of_more_than_64_bits_get_32_digits(number: int) -> None:
    assert trace_id(f"{number:x}") == f"{number:032x}"


@pytest.mark.parametrize("written", ["", None, "not hex", "f" * 33, [], {}])
def test_what_cannot_be_padded_stays_as_it_is(written) -> None:
    assert trace_id(written) == span_id(written) == (written if isinstance(written, str) else "")


def test_a_parent_of_only_zeros_is_none() -> None:
    (row,) = rows([{"traceId": "a", "id": "b", "parentId": "0"} | HERE])

    assert row["parent_id"] == bytes(8)


@pytest.mark.parametrize("name", ["resourceSpans", "batches"])
@pytest.mark.parametrize(
    ("trace", "span", "usable"),
    [
        ("ab" * 16, "cd" * 8, True),
        ("ab" * 8, "cd" * 8, False),
        ("ab" * 16, "cd" * 7, False),
        ("CvdlGRbNQ92ESOshHIAxnA==", "AAAAAAAAAAE=", True),
        ("AAAAAAAAAAE=", "AAAAAAAAAAE=", False),
    ],
    ids=["hex", "short trace", "short span", "base64", "short base64"],
)
def test_otlp_and_tempo_ids_have_exact_lengths(name, trace, span, usable) -> None:
    spans = [{"traceId": trace, "spanId": span, "name": "n"}]
    items = upload({name: [{"scopeSpans": [{"spans": spans}]}]})
    decoded = decode(list(pieces_of(items)), WANTED)

    assert (len(decoded.spans), [r.spans for r in decoded.refusals]) == (
        (1, []) if usable else (0, [1])
    )


def test_the_plain_form_takes_ids_as_they_are() -> None:
    spans = [{"traceId": trace, "spanId": "s"} for trace in ("abc", "0abc")]

    assert len({row["trace_id"] for row in rows(spans)}) == 2


@pytest.mark.parametrize("key", ["localEndpoint", "remoteEndpoint", "shared"])
def test_a_key_of_zipkin_makes_a_span_one_of_zipkin(key) -> None:
    own = {"traceId": "a", "id": "b", "name": "n"}

    assert reasons(upload(own)) == reasons(upload([own])) == ["unknown-format"]
    assert reasons(upload(own | {key: {} if key != "shared" else True})) == []


def test_one_key_of_zipkin_is_enough_for_a_list() -> None:
    bare = [{"traceId": "a", "id": f"{number:x}"} for number in range(1, 40)]

    assert reasons(upload(bare)) == ["unknown-format"]
    assert len(rows([*bare, {"traceId": "a", "id": "ff"} | HERE])) == 40
    assert len(rows([bare, [{"traceId": "a", "id": "ff"} | HERE]])) == 40
