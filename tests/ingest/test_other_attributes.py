"""Attributes that are kept by the form of their keys, in OTLP protobuf and JSON alike."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.discovery.dialects.loading import load_dialects
from agentguard.ingest.decoding import Decoder
from agentguard.ingest.formats import otlp_keys
from tests.discovery.scoped_spans import payload, protobuf_payload, span

WANTED = load_dialects().wanted
KNOWN = "openinference.instrumentation.langchain"
SEPARATORS = st.sampled_from([".", "_", ":", "-"])
WORDS = st.lists(
    st.sampled_from(
        (
            *("acme", "agent", "tool", "name", "type", "model", "llm", "output", "usage", "tokens"),
            *("input", "messages", "call", "id", "user", "prompt", "kind", "operation", "cached"),
        )
    ),
    min_size=1,
    max_size=5,
)
KEYS = st.builds(lambda separator, words: separator.join(words), SEPARATORS, WORDS)
USAGE = '{"input": 3, "cached_tokens": 1}'
VALUES = st.one_of(
    st.sampled_from(["agent", "tool", "gpt-4o", '{"model": "gpt-4o"}', USAGE, "7"]),
    st.integers(0, 9),
)


def kept(decoder: Decoder, scope: str, *spans: dict[str, Any], protobuf: bool) -> list[Any]:
    written = protobuf_payload(scope, *spans) if protobuf else payload(scope, *spans)
    table = decoder.decode([copy.deepcopy(written)]).spans
    columns = ["attributes", "input_tokens", "output_tokens", "cached_input_tokens"]
    rows = table.select(columns).to_pylist()
    return [row | {"attributes": orjson.loads(row["attributes"])} for row in rows]


@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=5), min_size=1, max_size=4))
def test_both_formats_keep_the_same(all_attributes: list[dict[str, Any]]) -> None:
    spans = [span(n, "x", attributes=given) for n, given in enumerate(all_attributes, 1)]

    for scope in ("acme.agents", KNOWN):
        both = [kept(Decoder(WANTED), scope, *spans, protobuf=is_it) for is_it in (True, False)]
        assert both[0] == both[1]


@pytest.mark.parametrize("protobuf", [True, False])
def test_what_is_kept_does_not_depend_on_what_was_read_before(protobuf: bool) -> None:
    decoder = Decoder(WANTED)
    telling: dict[str, Any] = {"acme__tool__name": "look"}
    known = kept(decoder, KNOWN, span(1, "x", **telling), protobuf=protobuf)
    first = kept(decoder, "acme.agents", span(1, "x", **telling), protobuf=protobuf)
    again = kept(decoder, "acme.agents", span(1, "x", **telling), protobuf=protobuf)

    assert known[0]["attributes"] == {}
    assert first == again
    assert first[0]["attributes"] == {"acme.tool.name": "look"}


def test_more_keys_than_are_remembered_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_keys, "_MOST_KEYS", 8)
    decoder = Decoder(WANTED)
    for start in range(0, 60, 6):
        many: dict[str, Any] = {f"acme{n}__tool__name": "look" for n in range(start, start + 6)}
        (row,) = kept(decoder, "acme.agents", span(1, "x", **many), protobuf=True)
        assert len(row["attributes"]) == 6


def test_keys_that_were_known_before_the_limit_keep_their_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(otlp_keys, "_MOST_KEYS", 8)
    decoder = Decoder(WANTED)
    for start in range(60):
        many: dict[str, Any] = {f"acme{n}__tool__name": "look" for n in range(start, start + 6)}
        many |= {f"acme{start}__user__id": "x"}
        (row,) = kept(decoder, "acme.agents", span(1, "x", **many), protobuf=True)
        assert len(row["attributes"]) == 6
