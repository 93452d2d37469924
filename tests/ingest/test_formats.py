"""Real files of every format give the spans that are in them."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
import zstandard

from agentguard.discovery.dialects.loading import load_dialects
from agentguard.ingest.decoding import decode
from agentguard.ingest.payloads import DocumentPayload
from agentguard.ingest.sources import read_paths, read_upload
from tests.ingest.reading import (
    FORMATS,
    documents,
    expected,
    pieces_of,
    plain,
    reasons,
    spans,
    upload,
)

KINDS = {0: "none", 2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}

WANTED = load_dialects().wanted
DOCUMENTS = sorted(
    p
    for p in FORMATS.glob("*/*.json*")
    if p.name not in ("expected.json", "dependencies_small.json") and "golden.jsonl" not in p.name
)


@pytest.mark.parametrize(("name", "want"), expected("zipkin_v2")["files"].items())
def test_zipkin_files_give_their_spans_services_and_kinds(name, want) -> None:
    found = list(spans(read_paths([FORMATS / "zipkin_v2" / name])))

    assert len(found) == want["spans"]
    assert len({span["traceId"] for span in found}) == want["traces"]
    assert (
        sorted({span["resource"]["service.name"] for span in found if span["resource"]})
        == want["services"]
    )
    assert Counter(KINDS[span["kind"]] for span in found) == want["kinds"]


def test_zipkin_halves_of_a_shared_span_stay_two_with_one_id() -> None:
    found = list(spans(read_paths([FORMATS / "zipkin_v2" / "skew.json"])))

    halves = [span for span in found if span["spanId"] == "74280ae0c10d8062"]
    assert {(span["resource"]["service.name"], span["kind"]) for span in halves} == {
        ("servicea", 3),
        ("serviceb", 2),
    }


def test_zipkin_remote_endpoint_is_the_peer_service() -> None:
    found = {
        span["spanId"]: plain(span["attributes"])
        for span in spans(read_paths([FORMATS / "zipkin_v2" / "messaging.json"]))
    }

    assert found["05e3ac9a4f6e3b90"]["peer.service"] == "rabbitmq"
    assert (
        found["b33447baae403ed6"] | {"net.peer.ip": "::1", "net.peer.port": "54602"}
        == found["b33447baae403ed6"]
    )


def test_zipkin_error_tag_means_failed_even_when_empty() -> None:
    span = {"traceId": "a", "id": "b", "timestamp": 5, "duration": 2, "tags": {"error": ""}}
    span |= {"localEndpoint": {"serviceName": "s"}}
    (found,) = spans(upload([span]))
    (fine,) = spans(upload([span | {"tags": {"error": "false"}}]))

    assert found["status"]["code"] == 2
    assert fine["status"]["code"] == 0
    assert (found["startTimeUnixNano"], found["endTimeUnixNano"]) == (5_000, 7_000)


def test_zipkin_trace_id_cut_by_one_side_is_made_whole() -> None:
    found = spans(
        upload(
            [
                {"traceId": "7180c278b62e8f6a216a2aea45d08fc9", "id": "a", "shared": False},
                {"traceId": "216a2aea45d08fc9", "id": "b", "parentId": "a"},
            ]
        )
    )

    assert {span["traceId"] for span in found} == {"7180c278b62e8f6a216a2aea45d08fc9"}


def test_zipkin_lists_of_traces_and_single_spans_per_line_are_read() -> None:
    here = {"localEndpoint": {"serviceName": "s"}}
    one, two = {"traceId": "a", "id": "1"} | here, {"traceId": "b", "id": "2", "shared": True}
    nested = list(spans(upload([[one], [two]])))
    lines = list(spans(read_upload(f"{json.dumps(one)}\n{json.dumps(two)}\n".encode(), None)))

    assert [span["spanId"] for span in nested] == [span["spanId"] for span in lines]
    assert [int(span["spanId"], 16) for span in nested] == [1, 2]
    assert nested[1]["kind"] == 2  # only a server half is flagged as shared


def test_jaeger_files_give_their_spans_and_services() -> None:
    want = expected("jaeger")
    many = list(spans(read_paths([FORMATS / "jaeger" / "deathstar_20_traces.json"])))
    nested = list(spans(read_paths([FORMATS / "jaeger" / "deathstar_nested_references.json"])))

    assert len(many) == want["deathstar_20_traces.json"]["spans"]
    assert len({span["traceId"] for span in many}) == want["deathstar_20_traces.json"]["traces"]
    assert (
        len({span["resource"]["service.name"] for span in many})
        == want["deathstar_20_traces.json"]["services"]
    )
    assert len(nested) == want["deathstar_nested_references.json"]["spans"]


def test_jaeger_parents_and_children_in_two_services_are_the_expected_edges() -> None:
    found = list(spans(read_paths([FORMATS / "jaeger" / "deathstar_20_traces.json"])))
    service = {
        (span["traceId"], span["spanId"]): span["resource"]["service.name"] for span in found
    }
    calls = Counter(
        (service[span["traceId"], span["parentSpanId"]], span["resource"]["service.name"])
        for span in found
        if span["parentSpanId"]
    )

    want = expected("jaeger")["deathstar_20_traces.json"]["edges"]
    assert {edge: n for edge, n in calls.items() if edge[0] != edge[1]} == {
        (e["parent"], e["child"]): e["calls"] for e in want
    }


@pytest.mark.parametrize("pair", ["one", "multi"])
def test_a_trace_as_jaeger_and_as_otlp_gives_equal_spans(pair) -> None:
    folder = FORMATS / "otlp_jaeger_pairs"

    def comparable(path: Path) -> object:
        keys = ("traceId", "spanId", "parentSpanId", "name", "kind", "scope")
        found = spans(read_paths([path]))
        return sorted(
            (
                [span[key] for key in keys],
                plain(span.get("attributes", [])),
                span["resource"],
                span["status"].get("code", 0),
                int(span["startTimeUnixNano"]) // 1000,
                int(span["endTimeUnixNano"]) // 1000,  # Jaeger has microseconds
            )
            for span in found
        )

    assert comparable(folder / f"{pair}.jaeger.json") == comparable(folder / f"{pair}.otlp.json")


def test_jaeger_references_beside_the_parent_become_links() -> None:
    def trace(*references: tuple[str, str, str]) -> dict[str, object]:
        said = [
            {"refType": kind, "traceID": trace_id, "spanID": span_id}
            for kind, trace_id, span_id in references
        ]
        return {
            "data": [
                {
                    "traceID": "t",
                    "spans": [
                        {"traceID": "t", "spanID": "s", "references": said, "processID": "p"}
                    ],
                    "processes": {},
                }
            ]
        }

    (both,) = spans(upload(trace(("FOLLOWS_FROM", "t", "a"), ("CHILD_OF", "t", "b"))))
    (follower,) = spans(upload(trace(("FOLLOWS_FROM", "t", "a"))))
    (stranger,) = spans(upload(trace(("CHILD_OF", "other", "a"))))

    assert (both["parentSpanId"], both["links"]) == (
        "000000000000000b",
        [{"traceId": "t", "spanId": "000000000000000a"}],
    )
    assert (follower["parentSpanId"], follower["links"]) == ("000000000000000a", [])
    assert (stranger["parentSpanId"], stranger["links"]) == (
        "",
        [{"traceId": "other", "spanId": "000000000000000a"}],
    )


def test_jaeger_tags_become_attributes_status_scope_events_and_resource() -> None:
    tags = [
        {"key": "span.kind", "type": "string", "value": "client"},
        {"key": "error", "type": "bool", "value": True},
        {"key": "otel.status_description", "type": "string", "value": "timeout"},
        {"key": "otel.scope.name", "type": "string", "value": "lib"},
        {"key": "http.status_code", "type": "int64", "value": "504"},
    ]
    log = {
        "timestamp": 3,
        "fields": [{"key": "event", "value": "exception"}, {"key": "exception.type", "value": "E"}],
    }
    process = {"serviceName": "svc", "tags": [{"key": "host.name", "type": "string", "value": "h"}]}
    span = {
        "traceID": "t",
        "spanID": "s",
        "startTime": 1,
        "duration": 4,
        "tags": tags,
        "logs": [log],
        "processID": "p",
    }
    (found,) = spans(
        upload({"data": [{"traceID": "t", "spans": [span], "processes": {"p": process}}]})
    )

    assert (found["kind"], found["status"], found["scope"]) == (
        3,
        {"code": 2, "message": "timeout"},
        "lib",
    )
    assert plain(found["attributes"]) == {"http.status_code": "504"}
    assert found["events"] == [
        {
            "timeUnixNano": 3000,
            "name": "exception",
            "attributes": [{"key": "exception.type", "value": {"stringValue": "E"}}],
        }
    ]
    assert found["resource"] == {"service.name": "svc", "host.name": "h"}


@pytest.mark.parametrize(("name", "want"), expected("langfuse")["files"].items())
def test_langfuse_exports_give_their_observations(name, want) -> None:
    found = list(spans(read_paths([FORMATS / "langfuse" / name])))
    ids = {span["spanId"] for span in found}
    own = [plain(span["attributes"]) for span in found]

    assert len(found) == want["observations"]
    assert sum(not span["parentSpanId"] for span in found) == want["roots"]
    assert (
        sum(bool(span["parentSpanId"]) and span["parentSpanId"] not in ids for span in found)
        == want["orphans"]
    )
    assert Counter(a["langfuse.observation.type"].upper() for a in own) == want["types"]
    assert (
        sorted(
            {
                a["langfuse.observation.model.name"]
                for a in own
                if "langfuse.observation.model.name" in a
            }
        )
        == want["models"]
    )
    assert sum(span["status"].get("code") == 2 for span in found) == want["errors"]
    for kind in ("tools", "agents"):
        names = {
            span["name"]
            for span, a in zip(found, own, strict=True)
            if a["langfuse.observation.type"] == kind[:-1]
        }
        assert sorted(names) == want[kind]


def test_langfuse_metadata_gives_the_spans_own_attributes_as_object_and_as_text() -> None:
    metadata = {
        "attributes": {"gen_ai.agent.name": "a"},
        "resourceAttributes": {"service.name": "s"},
        "scope": {"name": "lib"},
        "langgraph_step": 2,
    }
    observation = {
        "id": "o",
        "traceId": "t",
        "type": "AGENT",
        "startTime": "2025-06-06T14:40:28.562Z",
        "endTime": None,
        "level": "ERROR",
    }
    for written in (metadata, json.dumps(metadata)):
        (found,) = spans(
            upload({"trace": {"id": "t"}, "observations": [observation | {"metadata": written}]})
        )

        own = plain(found["attributes"])
        assert (own["gen_ai.agent.name"], own["langfuse.observation.metadata.langgraph_step"]) == (
            "a",
            "2",
        )
        assert (found["resource"], found["scope"], found["status"]["code"]) == (
            {"service.name": "s"},
            "lib",
            2,
        )
        assert found["startTimeUnixNano"] == found["endTimeUnixNano"] == 1_749_220_828_562_000_000


@pytest.mark.parametrize(("name", "want"), expected("tempo_api")["files"].items())
def test_tempo_answers_give_their_spans(name, want) -> None:
    assert len(list(spans(read_paths([FORMATS / "tempo_api" / name])))) == want["spans"]


def test_jaeger_v3_answers_are_unwrapped() -> None:
    document = json.loads((FORMATS / "otlp" / "trace_example.json").read_bytes())

    assert documents(upload({"result": document})) == [document]


def test_lists_of_documents_are_read_one_by_one() -> None:
    document = json.loads((FORMATS / "otlp" / "trace_example.json").read_bytes())

    assert documents(upload([document, document])) == [document, document]


def test_lines_and_pretty_printed_documents_hold_the_same() -> None:
    folder = FORMATS / "otlp_jaeger_pairs"
    lines = sorted(span["spanId"] for span in spans(read_paths([folder / "multi.otlp.jsonl"])))
    pretty = sorted(span["spanId"] for span in spans(read_paths([folder / "multi.otlp.json"])))

    assert lines == pretty
    assert len(lines) == 4


def test_origins_name_file_and_line() -> None:
    path = FORMATS / "otlp_jaeger_pairs" / "multi.otlp.jsonl"

    assert [
        payload.origin for payload in read_paths([path]) if isinstance(payload, DocumentPayload)
    ] == [f"{path}:{n}" for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
@pytest.mark.parametrize(
    "compress", [gzip.compress, zstandard.ZstdCompressor().compress], ids=["gzip", "zstd"]
)
def test_compression_changes_nothing(path, compress) -> None:
    body = path.read_bytes()

    assert documents(read_upload(compress(body), path.name)) == documents(
        read_upload(body, path.name)
    )


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_span_of_every_file_is_decoded(path) -> None:
    payloads = [item for item in read_paths([path]) if isinstance(item, DocumentPayload)]
    decoded = decode(payloads, WANTED)

    assert decoded.refusals == ()
    assert len(decoded.spans) == decoded.spans_read == len(list(spans(payloads)))
    assert all(row["start"] <= row["end"] for row in decoded.spans.to_pylist())


@pytest.mark.parametrize("pair", ["one", "multi"])
def test_a_trace_as_jaeger_and_as_otlp_is_decoded_alike(pair) -> None:
    def rows(form: str) -> object:
        decoded = decode(
            list(pieces_of(read_paths([FORMATS / "otlp_jaeger_pairs" / f"{pair}.{form}.json"]))),
            WANTED,
        )
        exact = decoded.spans.drop_columns(["start", "end"]).to_pylist()  # Jaeger has microseconds
        return sorted(json.dumps(row, default=bytes.hex, sort_keys=True) for row in exact)

    assert rows("jaeger") == rows("otlp")


def test_base64_ids_of_tempo_are_the_ids_that_they_stand_for() -> None:
    decoded = decode(
        list(pieces_of(read_paths([FORMATS / "tempo_api" / "sg21_resourceSpans.json"]))), WANTED
    )

    assert {row["trace_id"].hex() for row in decoded.spans.to_pylist()} == {
        "0af7651916cd43dd8448eb211c80319c"
    }
    assert decoded.spans.column("trace_label").null_count == len(decoded.spans)


def test_ids_that_are_not_otlp_keep_their_spelling() -> None:
    decoded = decode(list(pieces_of(read_paths([FORMATS / "zipkin_v2" / "skew.json"]))), WANTED)

    assert set(decoded.spans.column("trace_label").to_pylist()) == {"1e223ff1f80f1c69"}
    assert decoded.spans.column("span_label").null_count == len(
        decoded.spans
    )  # 16 digits are an OTLP span id


def test_answers_without_spans_are_refused_as_such() -> None:
    assert reasons(read_paths([FORMATS / "jaeger" / "dependencies_small.json"])) == ["not-traces"]
    assert reasons(upload({"resourceLogs": []})) == ["not-traces"]
