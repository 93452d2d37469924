from __future__ import annotations

import pytest

from agentguard.traces.store import Delivery, Encoding
from agentguard.traces.validation import make_decoder, validate
from tests.traces.spans import NOTHING_WANTED, counts, json, protobuf, request


def validated(*deliveries: Delivery):
    return validate(make_decoder(NOTHING_WANTED), deliveries)


def test_one_bad_delivery_spoils_no_other():
    bad = Delivery(b"\n\xff\x01garbage", Encoding.PROTOBUF)
    torn = Delivery(json([9]).body[:-20], Encoding.JSON)

    found = validated(protobuf([1, 2]), bad, json([3]), torn, protobuf([4]))

    assert [result.unusable is None for result in found.results] == [
        True,
        False,
        True,
        False,
        True,
    ]
    assert set(counts([found.spans])) == {1, 2, 3, 4}


def test_a_span_without_ids_is_rejected_and_its_neighbours_are_kept():
    wanted = request([1, 2, 3])
    wanted.resource_spans[0].scope_spans[0].spans[1].span_id = b""

    found = validated(protobuf([8]), Delivery(wanted.SerializeToString(), Encoding.PROTOBUF))

    assert [result.rejected for result in found.results] == [0, 1]
    assert set(counts([found.spans])) == {1, 3, 8}


@pytest.mark.parametrize("trace_id", ["abc", "0" * 32, "", "z" * 32, "ab" * 17])
def test_json_ids_must_be_otlp_ids(trace_id: str):
    body = json([1, 2]).body.replace(b"%032x" % 1, trace_id.encode(), 1)

    found = validated(Delivery(body, Encoding.JSON))

    assert found.results[0].rejected == 1
    assert found.results[0].unusable is None
    assert set(counts([found.spans])) == {2}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b'{"resourceSpans": {"a": 1}}', b"[" * 100_000, b'"\xff"', b"1" * 5000],
)
def test_json_that_is_no_request_is_unusable(body: bytes):
    assert validated(Delivery(body, Encoding.JSON)).results[0].unusable is not None


@pytest.mark.parametrize(
    "delivery", [Delivery(b"", Encoding.PROTOBUF), Delivery(b"{}", Encoding.JSON)]
)
def test_an_empty_request_is_fine(delivery: Delivery):
    found = validated(delivery)

    assert found.results[0].unusable is None
    assert len(found.spans) == 0
