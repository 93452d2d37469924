"""Whatever stands in an OTLP/JSON document, decoding answers and keeps its neighbours."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentguard.discovery.dialects.loading import load_dialects
from agentguard.ingest.decoding import decode
from agentguard.ingest.payloads import DocumentPayload
from agentguard.ingest.sources import read_upload
from agentguard.ingest.spans import SPAN_SCHEMA
from tests.ingest.reading import FORMATS

WANTED = load_dialects().wanted
GOOD = json.loads((FORMATS / "otlp" / "trace_example.json").read_bytes())

SCALARS = [
    None,
    True,
    0,
    -1,
    2**64 - 1,
    1e300,
    "",
    "x",
    "9" * 5000,
    "ff" * 16,
    "AAAAAAAAAAE=",
    "\ud800",
    "SPAN_KIND_CLIENT",
    "²",
    "NaN",
]
ODD = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["key", "value", "values", "code", "name"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
VALUE_NAMES = [
    "stringValue",
    "intValue",
    "doubleValue",
    "boolValue",
    "bytesValue",
    "arrayValue",
    "kvlistValue",
]
VALUES = st.recursive(
    ODD | st.dictionaries(st.sampled_from(VALUE_NAMES), ODD, max_size=2),
    lambda inner: (
        st.builds(lambda v: {"arrayValue": {"values": v}}, st.lists(inner, max_size=3) | inner)
        | st.builds(
            lambda v: {"kvlistValue": {"values": v}},
            st.lists(st.fixed_dictionaries({"key": ODD, "value": inner}), max_size=2) | inner,
        )
    ),
    max_leaves=4,
)
KEYS = st.sampled_from([*sorted(WANTED.span_keys), "other"]) | ODD
PAIRS = st.lists(st.fixed_dictionaries({"key": KEYS, "value": VALUES}), max_size=4) | ODD
EVENTS = (
    st.lists(
        st.fixed_dictionaries(
            {"name": st.sampled_from(sorted(WANTED.events)) | ODD, "attributes": PAIRS}
        ),
        max_size=2,
    )
    | ODD
)
IDS = st.sampled_from(["ab" * 16, "cd" * 8, "q80=", "any text", "00" * 16, "00" * 8]) | ODD
SPANS = st.fixed_dictionaries(
    {"traceId": IDS, "spanId": IDS},
    optional={
        "parentSpanId": IDS,
        "name": ODD,
        "kind": ODD,
        "startTimeUnixNano": ODD,
        "endTimeUnixNano": ODD,
        "attributes": PAIRS,
        "events": EVENTS,
        "links": st.lists(st.fixed_dictionaries({"traceId": IDS, "spanId": IDS}), max_size=2) | ODD,
        "status": st.fixed_dictionaries({"code": ODD}) | ODD,
    },
)
SCOPED = st.fixed_dictionaries(
    {"spans": st.lists(SPANS | ODD, max_size=3) | ODD},
    optional={"scope": st.fixed_dictionaries({"name": ODD}) | ODD},
)
GROUPS = st.fixed_dictionaries(
    {"scopeSpans": st.lists(SCOPED | ODD, max_size=2) | ODD},
    optional={"resource": st.fixed_dictionaries({"attributes": PAIRS}) | ODD},
)
DOCUMENTS = st.dictionaries(
    st.sampled_from(["resourceSpans", "batches"]), st.lists(GROUPS | ODD, max_size=2) | ODD
)


@given(document=DOCUMENTS)
@settings(max_examples=300)
def test_any_document_is_answered_and_spares_its_neighbours(document) -> None:
    decoded = decode(
        [
            DocumentPayload("first", GOOD),
            DocumentPayload("odd", document),
            DocumentPayload("last", GOOD),
        ],
        WANTED,
    )

    rows = decoded.spans.to_pylist()
    assert decoded.spans.schema == SPAN_SCHEMA
    assert rows[0] == rows[-1]
    assert all(refusal.origin.startswith("odd") for refusal in decoded.refusals)
    assert decoded.spans_read == len(rows) + sum(refusal.spans for refusal in decoded.refusals)
    assert all(0 <= row["start"] <= row["end"] for row in rows)


@pytest.mark.parametrize(
    "nest",
    [('{"arrayValue":{"values":[', "]}}", 330), ('{"a":', "}", 1000), ("[", "]", 1000)],
    ids=["array", "object", "list"],
)
@pytest.mark.parametrize("key", [min(WANTED.labels), min(WANTED.content), "service.name"])
def test_values_nested_as_deep_as_json_may_be_are_answered(nest, key) -> None:
    opening, closing, depth = nest
    pair = f'{{"key":"{key}","value":{opening * depth}{{"stringValue":"x"}}{closing * depth}}}'
    ids = f'"traceId":"{"ab" * 16}","spanId":"{"cd" * 8}"'
    event = f'{{"name":"exception","attributes":[{pair}]}}'
    span = f'{{{ids},"attributes":[{pair}],"events":[{event}]}}'
    resource = f'{{"attributes":[{pair}]}}'
    spans = f'"scopeSpans":[{{"spans":[{span}]}}]'
    document = f'{{"resourceSpans":[{{"resource":{resource},{spans}}}]}}'
    decoded = decode(
        [
            payload
            for payload in read_upload(document.encode(), None)
            if isinstance(payload, DocumentPayload)
        ],
        WANTED,
    )

    assert len(decoded.spans) + sum(refusal.spans for refusal in decoded.refusals) == 1
    assert bool(decoded.refusals) == (opening == "[")  # a list is no value of OTLP
