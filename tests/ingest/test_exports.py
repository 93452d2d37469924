"""Every documented form of an export by Langfuse, Phoenix and MLflow gives its spans."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agentguard.discovery.dialects.loading import load_dialects
from agentguard.ingest.decoding import decode
from agentguard.ingest.payloads import DocumentPayload, Refusal
from agentguard.ingest.sources import read_paths, read_upload
from tests.ingest.reading import FORMATS, pieces_of, plain, reasons, spans, upload

WANTED = load_dialects().wanted
TRACE = "0af7651916cd43dd8448eb211c80319c"
NEW = {
    "id": "b7ad6b7169203331",
    "trace_id": TRACE,
    "project_id": "p",
    "environment": "default",
    "type": "GENERATION",
    "parent_observation_id": "",
    "start_time": "2024-05-29 13:46:19.963000",
    "end_time": "2024-05-29 13:46:20.963000",
    "name": "chat",
    "metadata": {"resourceAttributes": {"service.name": "shop"}, "scope": {"name": "lib"}},
    "level": "ERROR",
    "status_message": "timeout",
    "input": '{"q": 1}',
    "output": "",
    "provided_model_name": "gpt-4o",
    "usage_details": {"input": 12, "output": 5},
    "total_cost": 0.5,
    "session_id": "s",
    "trace_name": "order",
}
"""A row of Langfuse's exports to blob storage, from its documentation only."""
CHILD = NEW | {"id": "00f067aa0ba902b7", "parent_observation_id": NEW["id"], "type": "SPAN"}


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow(
            [json.dumps(v) if isinstance(v, dict) else "" if v is None else v for v in row.values()]
        )
    return file.getvalue().encode()


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    pairs = pa.map_(pa.string(), pa.int64())
    table = pa.Table.from_pylist(
        [row | {"metadata": json.dumps(row["metadata"])} for row in rows]
    ).drop_columns("usage_details")
    usage = pa.array([list(row["usage_details"].items()) for row in rows], pairs)
    file = io.BytesIO()
    pq.write_table(table.append_column("usage_details", usage), file)
    return file.getvalue()


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (lambda rows: json.dumps(rows).encode(), "o.json"),
        (lambda rows: json.dumps({"data": rows, "meta": {"cursor": "c"}}).encode(), "o.json"),
        (lines, "o.jsonl"),
        (as_csv, "o.csv"),
        (as_parquet, "o.parquet"),
    ],
    ids=["list", "page", "lines", "csv", "parquet"],
)
def test_rows_of_langfuse_in_every_file_type_are_the_same_observations(
    write: Callable[[list[dict[str, Any]]], bytes], name: str
) -> None:
    first, second = spans(read_upload(write([NEW, CHILD]), name))
    own = plain(first["attributes"])

    assert (first["traceId"], first["spanId"], first["parentSpanId"]) == (TRACE, NEW["id"], "")
    assert (second["spanId"], second["parentSpanId"]) == (CHILD["id"], NEW["id"])
    assert first["startTimeUnixNano"] == 1_716_990_379_963_000_000
    assert first["endTimeUnixNano"] - first["startTimeUnixNano"] == 10**9
    assert (first["resource"], first["scope"]) == ({"service.name": "shop"}, "lib")
    assert first["status"] == {"code": 2, "message": "timeout"}
    assert own["langfuse.observation.model.name"] == "gpt-4o"
    assert (own["gen_ai.usage.input_tokens"], own["gen_ai.usage.output_tokens"]) == ("12", "5")
    assert (own["session.id"], own["langfuse.trace.name"]) == ("s", "order")


def test_timestamps_of_parquet_are_read_as_such() -> None:
    table = pa.Table.from_pylist([{"id": "a", "trace_id": "t", "type": "SPAN"}]).append_column(
        "start_time", pa.array([1_716_990_379_963_000], pa.timestamp("us"))
    )
    file = io.BytesIO()
    pq.write_table(table, file)
    (span,) = spans(read_upload(file.getvalue(), None))

    assert span["startTimeUnixNano"] == 1_716_990_379_963_000_000


def test_cost_of_langfuse_is_kept() -> None:
    for cost in ({"total_cost": 0.5}, {"cost_details": {"total": 0.5}, "total_cost": None}):
        decoded = decode(list(pieces_of(upload(NEW | cost))), WANTED)

        assert decoded.spans.column("cost_usd").to_pylist() == [0.5]


@pytest.mark.parametrize(
    "value",
    [
        {"id": "s", "projectId": "p", "createdAt": "x", "traces": [{"id": "t"}]},
        [{"id": "t", "project_id": "p", "timestamp": "2024-05-29 13:46:19.963000", "name": "n"}],
        [{"id": "s", "trace_id": "t", "project_id": "p", "name": "quality", "value": 1}],
    ],
    ids=["session", "traces", "scores"],
)
def test_exports_of_langfuse_without_observations_are_refused_as_such(value) -> None:
    assert reasons(upload(value)) == ["not-traces"]


def test_tables_of_scores_are_refused_as_such() -> None:
    rows = [{"id": "s", "trace_id": "t", "project_id": "p", "name": "quality", "value": 1}] * 3

    assert reasons(read_upload(as_csv(rows), "scores.csv")) == ["not-traces"]
    assert reasons(upload({"data": rows, "meta": {}})) == ["not-traces"]


def test_a_row_of_another_length_is_refused_and_the_others_read() -> None:
    body = as_csv([NEW, CHILD]).replace(b"\r\n", b"\r\nonly,two\r\n", 1)
    items = list(read_upload(body, "o.csv"))

    assert reasons(items) == ["bad-csv"]
    assert len(list(spans(item for item in items if not hasattr(item, "reason")))) == 2


@pytest.mark.parametrize(
    ("body", "name", "reason"),
    [
        (b"PAR1damaged", "o.parquet", "bad-parquet"),
        (as_parquet([NEW])[:-20], "o.parquet", "bad-parquet"),
        (b'id,trace_id\n"a', "o.csv", "bad-csv"),
        (b"id,name\n\xff\xff,b\n", "o.csv", "not-utf8"),
        (b"city,people\nParis,2\n", "o.csv", "unknown-format"),
    ],
)
def test_damaged_and_foreign_tables_are_refused(body, name, reason) -> None:
    assert reasons(read_upload(body, name)) == [reason]


def test_foreign_tables_in_a_folder_are_skipped(tmp_path) -> None:
    (tmp_path / "cities.csv").write_bytes(b"city,people\nParis,2\n")
    (tmp_path / "o.csv").write_bytes(as_csv([NEW]))
    items = list(read_paths([tmp_path]))

    assert reasons(items) == ["no-traces"]


PHOENIX = FORMATS / "phoenix"


@pytest.mark.parametrize("name", ["spans.json", "otlpv1.json", "traces.json"])
def test_answers_of_phoenix_give_their_spans(name) -> None:
    found = list(spans(read_paths([PHOENIX / name])))
    parents = {span["parentSpanId"] for span in found} - {""}

    assert (len(found), len({span["traceId"] for span in found})) == (29, 1)
    assert parents <= {span["spanId"] for span in found}
    kinds = Counter(plain(span["attributes"])["openinference.span.kind"] for span in found)
    assert kinds == {"CHAIN": 9, "LLM": 9, "TOOL": 8, "AGENT": 3}
    assert all(0 < span["startTimeUnixNano"] <= span["endTimeUnixNano"] for span in found)


def test_both_forms_of_phoenix_hold_the_same_spans() -> None:
    def rows(name: str) -> list[Any]:
        decoded = decode(list(pieces_of(read_paths([PHOENIX / name]))), WANTED)
        columns = ["trace_id", "span_id", "parent_id", "name", "attributes", "input_tokens"]
        return sorted(map(repr, decoded.spans.select([*columns, "failed"]).to_pylist()))

    assert rows("spans.json") == rows("otlpv1.json")


def test_files_of_phoenix_commands_and_downloads_give_their_spans() -> None:
    page = json.loads((PHOENIX / "spans.json").read_bytes())["data"]
    flat = [
        {
            **{k: v for k, v in span.items() if k not in ("context", "attributes")},
            **{f"context.{k}": v for k, v in span["context"].items()},
            **{f"attributes.{k}": v for k, v in span["attributes"].items()},
        }
        for span in page
    ]
    trace = {"traceId": page[0]["context"]["trace_id"], "status": "OK", "spans": page}
    want = sorted(map(repr, spans(upload({"data": page}))))

    for body in (json.dumps(page).encode(), json.dumps([trace]).encode(), lines(page), lines(flat)):
        assert sorted(map(repr, spans(read_upload(body, None)))) == want
    assert sorted(map(repr, spans(upload(trace)))) == want


def test_traces_of_mlflow_give_their_spans() -> None:
    found = {span["name"]: span for span in spans(read_paths([FORMATS / "mlflow" / "trace.json"]))}
    decoded = decode(list(pieces_of(read_paths([FORMATS / "mlflow" / "trace.json"]))), WANTED)

    assert found.keys() == {"travel_agent", "chat", "weather"}
    assert found["chat"]["parentSpanId"] == found["travel_agent"]["spanId"]
    assert found["weather"]["status"] == {"code": "ERROR", "message": "ValueError: no weather"}
    assert {row["trace_id"].hex() for row in decoded.spans.to_pylist()} == {
        "30318ad22ba449115f170cf5fd10227b"
    }
    assert decoded.spans.column("input_tokens").to_pylist() == [0, 12, 0]
    assert decoded.spans.column("failed").to_pylist() == [False, False, True]


def test_spans_of_older_mlflow_and_of_the_console_exporter_are_read() -> None:
    context = {"trace_id": f"0x{TRACE}", "span_id": "0x00f067aa0ba902b7"}
    mlflow = {
        "context": context,
        "parent_id": None,
        "name": "chat",
        "start_time": 1_716_990_379_963_000_001,
        "end_time": 1_716_990_379_963_000_002,
        "status_code": "ERROR",
        "attributes": {"k": "v"},
        "events": [],
    }
    console = mlflow | {
        "kind": "SpanKind.CLIENT",
        "start_time": "2024-05-29T13:46:19.963000Z",
        "status": {"status_code": "ERROR"},
        "links": [{"context": context, "attributes": {}}],
        "resource": {"attributes": {"service.name": "shop"}},
    }
    older, other = spans(upload([{"info": {}, "data": {"spans": [mlflow]}}, console]))

    assert (older["traceId"], older["spanId"]) == (TRACE, "00f067aa0ba902b7")
    assert older["startTimeUnixNano"] == mlflow["start_time"]
    assert older["status"]["code"] == other["status"]["code"] == "ERROR"
    assert (other["kind"], other["resource"]) == (3, {"service.name": "shop"})
    assert other["links"] == [{"traceId": TRACE, "spanId": "00f067aa0ba902b7"}]


@pytest.mark.parametrize("name", ["phoenix/spans.json", "mlflow/trace.json"])
def test_ids_of_another_length_are_refused(name) -> None:
    body = (FORMATS / name).read_bytes()
    span = json.loads(body)
    listed = span["data"] if isinstance(span["data"], list) else span["data"]["spans"]
    ids = listed[0].get("context", listed[0])
    ids["trace_id"] = ids["trace_id"][:-2]
    decoded = decode(list(pieces_of(upload(span))), WANTED)

    assert [(r.reason, r.spans) for r in decoded.refusals] == [("span-without-ids", 1)]


def test_log_records_with_ids_are_no_spans() -> None:
    record = {"trace_id": TRACE, "span_id": "00f067aa0ba902b7", "message": "hello"}

    assert reasons(upload(record)) == ["unknown-format"]


def test_rows_that_are_no_spans_are_refused_one_by_one(tmp_path: Path) -> None:
    header = "id,traceId,type,startTime,name"
    rows = [f"o{n},t{n},SPAN,2026-01-01T00:00:00Z,step" for n in range(2500)]
    for n in (0, 1000, 1001, 2499):
        rows[n] = f"o{n},t{n},,,step"
    path = tmp_path / "observations.csv"
    path.write_text("\n".join([header, *rows]) + "\n")

    found = list(read_paths([path]))

    refused = [item for item in found if isinstance(item, Refusal)]
    assert [each.origin.rpartition(", ")[2] for each in refused] == [
        "row 1",
        "row 1001",
        "row 1002",
        "row 2500",
    ]
    spans = [item for item in found if isinstance(item, DocumentPayload)]
    assert sum(len(list(spans_in(item.document))) for item in spans) == 2496


@pytest.mark.parametrize(
    "column",
    [
        pa.array([2**40], pa.date64()),
        pa.array([10**18], pa.duration("s")),
        pa.array([[10**18 + 1]], pa.list_(pa.timestamp("ns"))),
        pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")),
    ],
)
def test_values_of_parquet_that_cannot_be_read_are_a_refusal(tmp_path: Path, column) -> None:
    names = ["id", "traceId", "type", "startTime", "odd"]
    columns = [*(pa.array([text]) for text in ("o", "t", "SPAN", "2026-01-01T00:00:00Z")), column]
    path = tmp_path / "spans.parquet"
    pq.write_table(pa.table(columns, names=names), path)

    (found,) = read_paths([path])

    if isinstance(found, Refusal):
        assert found.reason == "bad-parquet"
        assert "Export it again" in found.message


def test_lists_within_lists_are_refused_and_other_files_read(tmp_path: Path) -> None:
    deep = "[" * 500 + '{"trace_id": "a", "span_id": "b", "start_time": 1}' + "]" * 500
    pages = '{"spans":[' * 300 + "{}" + "]}" * 300
    for name, text in (("a.json", deep), ("b.json", pages)):
        (tmp_path / name).write_text(text)

    for name in ("a.json", "b.json"):
        found = list(read_paths([tmp_path / name]))
        assert any(isinstance(item, Refusal) for item in found)
        documents = [item.document for item in found if isinstance(item, DocumentPayload)]
        assert [span for document in documents for span in spans_in(document)] == []


@pytest.mark.parametrize(
    ("kind", "number"), [(3, 3), ("CLIENT", 3), ("SpanKind.SERVER", 2), (9, 0)]
)
def test_kinds_are_numbers_or_names(tmp_path: Path, kind: object, number: int) -> None:
    span = {"trace_id": "0x" + "ab" * 16, "span_id": "0xqRUlaPr6s=", "start_time": 1, "kind": kind}
    path = tmp_path / "span.json"
    path.write_text(json.dumps([span]))

    (found,) = read_paths([path])

    assert isinstance(found, DocumentPayload)
    (read,) = spans_in(found.document)
    assert (read["kind"], read["traceId"], read["spanId"]) == (number, "ab" * 16, "0xqRUlaPr6s=")


def spans_in(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for group in document["resourceSpans"]:
        for scoped in group["scopeSpans"]:
            yield from scoped["spans"]
