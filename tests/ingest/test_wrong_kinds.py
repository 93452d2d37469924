"""A list or an object of another kind leaves all spans as they are, or is reported."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from agentguard.discovery.dialects.loading import load_dialects
from agentguard.ingest.decoding import decode
from agentguard.ingest.payloads import Refusal
from agentguard.traces.store import Delivery, Encoding
from agentguard.traces.validation import make_decoder, validate
from tests.ingest.reading import FORMATS, upload

WANTED = load_dialects().wanted
OTHER_KINDS = ("text", 5, True, [], {}, ["text"], {"key": "text"})
Path = tuple[str | int, ...]

PLAIN = [
    {
        "traceId": "t",
        "spans": [
            {
                "spanId": "a",
                "serviceName": "PricingAgent",
                "attributes": {"gen_ai.agent.name": "a", "nested": {"list": [1]}},
                "status": {"code": "ERROR"},
            },
            {
                "spanId": "b",
                "attributes": [{"key": "gen_ai.tool.name", "value": {"stringValue": "t"}}],
            },
        ],
    }
]
ZIPKIN_V1 = [
    {
        "traceId": "a",
        "id": "b",
        "name": "get",
        "annotations": [
            {"timestamp": 1, "value": "cs", "endpoint": {"serviceName": "one"}},
            {"timestamp": 2, "value": "sr", "endpoint": {"serviceName": "two"}},
        ],
        "binaryAnnotations": [
            {"key": "sa", "value": True, "endpoint": {"serviceName": "three"}},
            {"key": "http.method", "value": "GET", "endpoint": {"serviceName": "one"}},
        ],
    }
]
OTLP = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "s"}}]},
            "scopeSpans": [
                {
                    "scope": {"name": "scope"},
                    "spans": [
                        {
                            "traceId": "ab" * 16,
                            "spanId": f"{n:016x}",
                            "name": "chat",
                            "attributes": [
                                {"key": "gen_ai.agent.name", "value": {"stringValue": "a"}},
                                {
                                    "key": "gen_ai.response.finish_reasons",
                                    "value": {"arrayValue": {"values": [{"stringValue": "stop"}]}},
                                },
                                {
                                    "key": "gen_ai.input.messages",
                                    "value": {
                                        "kvlistValue": {
                                            "values": [{"key": "k", "value": {"intValue": 1}}]
                                        }
                                    },
                                },
                            ],
                            "events": [
                                {
                                    "name": "exception",
                                    "attributes": [
                                        {"key": "exception.type", "value": {"stringValue": "E"}}
                                    ],
                                }
                            ],
                            "links": [{"traceId": "cd" * 16, "spanId": "ef" * 8}],
                            "status": {"code": 2},
                        }
                        for n in (1, 2)
                    ],
                }
            ],
        }
    ]
}


class Sample(NamedTuple):
    """A document of a format, and where the format allows any value."""

    document: Any
    free: Callable[[Path, Any], bool]


def _stored(name: str) -> Any:
    return json.loads((FORMATS / name).read_bytes())


def _none(_path: Path, _value: Any) -> bool:
    return False


def _otlp(path: Path, value: Any) -> bool:
    """A bare scalar is a value, and an object a list of attributes."""
    scalar = not isinstance(value, list | dict)
    keyed = isinstance(value, dict) and path[-1] == "attributes"
    return (
        keyed
        or (scalar and "values" in path and isinstance(path[-1], int))
        or (scalar and path[-1] == "value")
    )


def _plain(path: Path, value: Any) -> bool:
    within = "attributes" in path[:-1] and (path[-1] != "value" or not isinstance(value, list))
    return (
        (within and path[2:4] == (0, "attributes"))
        or (path[-1] == "attributes" and isinstance(value, dict | list))
        or (path[-1] == "status" and not isinstance(value, list))
        or (path[-1] == "value" and not isinstance(value, list))
    )


def _tags(path: Path, _value: Any) -> bool:
    """A tag may have any value."""
    return path[-1] == "value"


def _langfuse(path: Path, _value: Any) -> bool:
    """Content, a user's metadata and the attributes in it may be of any kind."""
    inside = path[path.index("metadata") + 1 :] if "metadata" in path else ()
    reserved = ("attributes", "resourceAttributes", "scope")
    return (
        path[-1] in ("input", "output", "costDetails")
        or len(inside) > 1
        or (len(inside) == 1 and inside[0] not in reserved)
    )


def _named(path: Path, value: Any) -> bool:
    """An attribute may have any value; attributes may be pairs, and a status a code."""
    return (
        "attributes" in path[:-1]
        or (path[-1] == "attributes" and isinstance(value, list | dict))
        or (path[-1] == "status" and not isinstance(value, list))
    )


def _cut(name: str, spans: int = 4) -> Any:
    page = _stored(name)
    return page | {"data": page["data"][:spans]}


SAMPLES = {
    "otlp": Sample(OTLP, _otlp),
    "otlp-example": Sample(_stored("otlp/trace_example.json"), _otlp),
    "otlp-pair": Sample(_stored("otlp_jaeger_pairs/multi.otlp.json"), _otlp),
    "tempo": Sample(_stored("tempo_api/sg20_batches.json"), _otlp),
    "tempo-v2": Sample(_stored("tempo_api/sg02_batches_v2.json"), _otlp),
    "tempo-old": Sample(_stored("tempo_api/sg24_batches_old_names.json"), _otlp),
    "jaeger": Sample(_stored("otlp_jaeger_pairs/multi.jaeger.json"), _tags),
    "jaeger-genai": Sample(_stored("jaeger/genai_trace.json"), _tags),
    "zipkin": Sample(_stored("zipkin_v2/messaging-kafka.json"), _none),
    "zipkin-halves": Sample(_stored("zipkin_v2/skew.json"), _none),
    "zipkin-v1": Sample(ZIPKIN_V1, _none),
    "langfuse": Sample(_stored("langfuse/koog-2025-08-26.seeder.json"), _langfuse),
    "langfuse-openai": Sample(_stored("langfuse/openai-agents-2025-09-30.seeder.json"), _langfuse),
    "plain": Sample(PLAIN, _plain),
    "phoenix": Sample(_cut("phoenix/spans.json"), _named),
    "phoenix-otlp": Sample(_cut("phoenix/otlpv1.json"), _named),
    "phoenix-traces": Sample(_stored("phoenix/traces.json"), _named),
    "mlflow": Sample(_stored("mlflow/trace.json"), _named),
}


class Outcome(NamedTuple):
    """What was read of a document."""

    rows: Counter[str]
    refusals: list[Refusal]

    @property
    def lost(self) -> int:
        return sum(refusal.spans for refusal in self.refusals)


def read(document: Any) -> Outcome:
    items = upload(document)
    refusals = [item for item in items if isinstance(item, Refusal)]
    decoded = decode([item for item in items if not isinstance(item, Refusal)], WANTED)
    rows = Counter(
        json.dumps(row, default=repr, sort_keys=True) for row in decoded.spans.to_pylist()
    )
    return Outcome(rows, [*refusals, *decoded.refusals])


def containers(value: Any, path: Path = ()) -> Iterator[Path]:
    """The lists and objects below a value; of a list, those in its first two items."""
    if path and isinstance(value, list | dict):
        yield path
    items = value.items() if isinstance(value, dict) else ()
    for key, inner in list(enumerate(value))[:2] if isinstance(value, list) else items:
        yield from containers(inner, (*path, key))


def changed(document: Any, path: Path, value: Any) -> Any:
    found = copy.deepcopy(document)
    inner = found
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return found


def changes(sample: Sample) -> Iterator[tuple[Path, Any]]:
    for path in containers(sample.document):
        original: Any = sample.document
        for key in path:
            original = original[key]
        yield from (
            (path, value)
            for value in OTHER_KINDS
            if type(value) is not type(original) and not sample.free(path, value)
        )


@pytest.mark.parametrize("name", SAMPLES)
def test_a_value_of_another_kind_leaves_all_spans_alike_or_is_reported(name) -> None:
    sample = SAMPLES[name]
    before = read(sample.document)
    assert before.rows

    for path, value in changes(sample):
        after = read(changed(sample.document, path, value))
        missing = before.rows.total() - after.rows.total()
        alike = after.rows == before.rows
        assert alike or after.refusals, (path, value, "silent")
        assert missing <= 0 or after.lost >= 1, (path, value, "not counted")


@pytest.mark.parametrize("name", ["otlp", "otlp-pair", "jaeger", "langfuse", "plain"])
def test_what_a_span_lost_by_its_own_fields_is_counted_exactly(name) -> None:
    sample = SAMPLES[name]
    before = read(sample.document)
    within = [
        (path, value)
        for path, value in changes(sample)
        if {"spans", "observations"} & set(path[:-2])
    ]
    assert within

    for path, value in within:
        after = read(changed(sample.document, path, value))
        missing = before.rows.total() - after.rows.total()
        assert after.lost == missing, (path, value)


@pytest.mark.parametrize("path", [("resource",), ("resource", "attributes")])
def test_a_malformed_resource_counts_all_its_spans(path) -> None:
    after = read(changed(OTLP, ("resourceSpans", 0, *path), "text"))

    assert (after.rows.total(), after.lost) == (0, 2)


def test_deliveries_with_fields_of_another_kind_are_partial_or_refused_wholly() -> None:
    decoder = make_decoder(WANTED)
    sample = SAMPLES["otlp"]
    for path, value in changes(sample):
        body = json.dumps(changed(OTLP, path, value)).encode()
        (result,) = validate(decoder, [Delivery(body, Encoding.JSON)]).results
        wholly = path == ("resourceSpans",)
        assert (result.unusable is not None) == wholly, (path, value)
        assert wholly or result.rejected or _is_unused(path), (path, value)


def _is_unused(path: Path) -> bool:
    """Only kinds inside values of content that is not stored; their neighbours are."""
    return "values" in path
