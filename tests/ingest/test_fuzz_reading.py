"""Whatever the bytes are, reading ends and answers with payloads and refusals."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from agentguard.ingest import detection
from agentguard.ingest.payloads import DocumentPayload, ProtobufPayload, Refusal
from agentguard.ingest.sources import read_upload
from tests.ingest.reading import FORMATS

SEEDS = [
    path.read_bytes()
    for path in (
        FORMATS / "zipkin_v2" / "yelp.json",
        FORMATS / "otlp_jaeger_pairs" / "multi.jaeger.json",
        FORMATS / "otlp_jaeger_pairs" / "multi.otlp.jsonl",
        FORMATS / "tempo_api" / "sg02_batches_v2.json",
        FORMATS / "langfuse" / "openai-assistants-2024-05-29.seeder.json",
        FORMATS / "otlp_bodies" / "celery.pb",
        FORMATS / "otlp_bodies" / "agno-gzipped.pb",
    )
]
SEEDS += [gzip.compress(SEEDS[2], mtime=0), zstandard.ZstdCompressor().compress(SEEDS[2])]
SEEDS.append(len(SEEDS[5]).to_bytes(4, "big") + SEEDS[5])

NAMES = st.sampled_from([None, "a.json", "a.jsonl", "a.pb", "a.pb.gz", "a"])


@st.composite
def mutated(draw) -> bytes:
    """A real file after a few cuts, flips and splices."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["cut", "flip", "splice", "drop", "repeat"])):
            case "cut":
                del data[at:]
            case "flip" if at < len(data):
                data[at] ^= draw(st.integers(1, 255))
            case "splice":
                other = draw(st.sampled_from(SEEDS))
                start = draw(st.integers(0, len(other)))
                data[at:at] = other[start : start + draw(st.integers(1, 2000))]
            case "drop":
                del data[at : at + draw(st.integers(1, 500))]
            case "repeat":
                data[at:at] = data[at : at + draw(st.integers(1, 500))]
    return bytes(data)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)
WORDS = sorted(
    {
        *(
            "data",
            "spans",
            "traceID",
            "spanID",
            "processes",
            "processID",
            "serviceName",
            "tags",
            "key",
            "type",
            "value",
            "references",
            "refType",
        ),
        *(
            "logs",
            "fields",
            "timestamp",
            "startTime",
            "duration",
            "operationName",
            "traceId",
            "id",
            "parentId",
            "kind",
            "localEndpoint",
        ),
        *(
            "remoteEndpoint",
            "annotations",
            "shared",
            "trace",
            "observations",
            "metadata",
            "usageDetails",
            "attributes",
            "resourceAttributes",
        ),
        *(
            "scope",
            "name",
            "level",
            "endTime",
            "spanId",
            "parentSpanId",
            "status",
            "code",
            "batches",
            "resourceSpans",
            "result",
            "error",
        ),
    }
)
FORMAT_LIKE = st.recursive(
    st.sampled_from(
        [
            "CHILD_OF",
            "FOLLOWS_FROM",
            "CLIENT",
            "ERROR",
            "int64",
            "p",
            "",
            "a" * 32,
            True,
            None,
            0,
            -1,
            1e300,
            2**64 - 1,
            "1e9",
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=8)
    ),
    max_leaves=25,
)


def check(body: bytes, name: str | None) -> None:
    for item in read_upload(body, name):
        assert isinstance(item, DocumentPayload | ProtobufPayload | Refusal)
        assert item.origin.startswith(name or "upload")
        if isinstance(item, Refusal):
            assert item.spans >= (item.reason != "malformed-span")  # one may lose no span
            assert item.message.endswith(".")


@given(body=st.binary(max_size=400), name=NAMES)
@settings(max_examples=300)
def test_any_bytes_are_answered(body, name) -> None:
    check(body, name)


@given(body=mutated(), name=NAMES)
@settings(max_examples=500)
def test_damaged_files_are_answered(body, name) -> None:
    check(body, name)


@given(value=JSON | FORMAT_LIKE)
@settings(max_examples=500)
def test_any_json_is_answered(value) -> None:
    check(json.dumps(value).encode(), None)


@given(inner=FORMAT_LIKE, wrap=st.sampled_from(["jaeger", "zipkin", "langfuse", "plain", "tempo"]))
@settings(max_examples=500)
def test_whatever_stands_in_a_formats_place_is_answered(inner, wrap) -> None:
    value = {
        "jaeger": {
            "data": [
                {
                    "traceID": "t",
                    "spans": [
                        inner,
                        {"spanID": "s", "tags": inner, "logs": inner, "references": inner},
                    ],
                    "processes": inner,
                }
            ]
        },
        "zipkin": [
            {
                "traceId": "t",
                "id": "i",
                "tags": inner,
                "localEndpoint": inner,
                "remoteEndpoint": inner,
                "annotations": inner,
            },
            inner,
        ],
        "langfuse": {
            "trace": inner,
            "observations": [
                inner,
                {"id": "o", "traceId": "t", "metadata": inner, "usageDetails": inner},
            ],
        },
        "plain": [
            {
                "traceId": "t",
                "spans": [
                    inner,
                    {"spanId": "s", "attributes": inner, "status": inner, "duration": inner},
                ],
            },
            inner,
        ],
        "tempo": {"trace": {"batches": [inner]}},
    }[wrap]
    assert detection.format_of(value) is not None

    check(json.dumps(value).encode(), None)


@pytest.mark.parametrize("depth", [200, 500, 1000])
def test_values_nested_as_deep_as_json_may_be_are_answered(depth) -> None:
    nest = "[" * depth + "]" * depth
    for text in (
        f'[{{"traceId":"t","spans":[{{"spanId":"s","attributes":{{"a":{nest}}}}}]}}]',
        f'{{"data":[{{"traceID":"t","spans":[{{"spanID":"s","tags":[{{"key":"k","value":{nest}}}]}}]}}]}}',
        f'{{"trace":{{"id":"t"}},"observations":[{{"id":"o","traceId":"t","input":{nest},"metadata":{{"a":{nest}}}}}]}}',
        f'[{{"resourceSpans":[]}},{nest}]',
        f"[{nest}]",
    ):
        check(text.encode(), None)


def test_names_of_uploads_may_be_anything() -> None:
    for name in ("", ".", "/", "a\0b", "..\udcff", "x" * 5000, str(Path("/etc/passwd"))):
        assert [type(item) for item in read_upload(b"[]", name)] == [DocumentPayload]
