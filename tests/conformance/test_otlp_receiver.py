"""The 72 requests of tests/data/otlp_receiver, each with the answer that OTLP/HTTP asks for."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from agentguard.bootstrap.app import App
from agentguard.kernel.errors import AgentGuardError, UnavailableError
from agentguard.traces.errors import RpcCode, SpansNotStoredError
from agentguard.web.app import create_app
from tests.web.serving import client_of, opened, serving_of

CASES = [
    json.loads(line)
    for line in (
        (Path(__file__).parents[1] / "data/otlp_receiver/conformance.jsonl")
        .read_text()
        .splitlines()
    )
]
SETUP_SETTINGS = {"max_request_body_bytes": "max_body_bytes"}
MISSING = {
    "stored_attribute": (
        "Attributes that no dialect asks for are dropped while decoding; nothing can hand them out"
        " again."
    )
}

pytestmark = pytest.mark.anyio


def _cases():
    for case in CASES:
        if case["id"] == "R69":
            continue  # runs as the second half of R68
        checks = case["expect"]["checks"]
        yield pytest.param(
            case, [check for check in checks if check["type"] not in MISSING], id=case["id"]
        )
        for check in checks:
            if reason := MISSING.get(check["type"]):
                marks = pytest.mark.xfail(strict=True, reason=reason, raises=AssertionError)
                yield pytest.param(case, [check], id=f"{case['id']}-{check['type']}", marks=marks)


@pytest.mark.parametrize(("case", "checks"), list(_cases()))
async def test_the_receiver_answers_as_it_must(
    tmp_path: Path, monkeypatch, case: dict[str, Any], checks: list[dict[str, Any]]
):
    setup = dict(case.get("setup", {}))
    settings = {
        SETUP_SETTINGS[name]: setup.pop(name) for name in list(setup) if name in SETUP_SETTINGS
    }
    async with opened(tmp_path, **settings) as app, client_of(create_app(app)) as client:
        if setup:
            monkeypatch.setattr(serving_of(app).receiver, "store", Refusing(setup))
        answers = [await _send(client, each) for each in _requests(case)]
        for answer, each in zip(answers, _requests(case), strict=True):
            _check_head(answer, each["expect"])
        for check in checks:
            await _check(app, answers[-1], check)


def _requests(case: dict[str, Any]) -> list[dict[str, Any]]:
    return (
        [each for each in CASES if each["id"] in ("R68", "R69")] if case["id"] == "R68" else [case]
    )


async def _send(client: httpx.AsyncClient, case: dict[str, Any]) -> httpx.Response:
    request = client.build_request(
        case["method"],
        case["path"],
        content=base64.b64decode(case["body"]),
        headers=case["headers"],
    )
    return await client.send(request)


def _check_head(answer: httpx.Response, expect: dict[str, Any]) -> None:
    assert answer.status_code in expect["status"]
    if expect["content_type"] is not None:
        assert answer.headers["content-type"].partition(";")[0] == expect["content_type"]
    if answer.status_code in (429, 503):
        assert int(answer.headers["retry-after"]) > 0


async def _check(app: App, answer: httpx.Response, check: dict[str, Any]) -> None:  # noqa: C901 - one case a check
    match check["type"]:
        case "json_object":
            assert isinstance(answer.json(), dict)
        case "json_has":
            assert answer.json()[check["path"]]
        case "json_equals":
            assert answer.json()[check["path"]] == check["value"]
        case "json_no_rejection":
            assert int(answer.json().get("partialSuccess", {}).get("rejectedSpans", 0)) == 0
        case "protobuf_no_rejection":
            assert (
                ExportTraceServiceResponse.FromString(answer.content).partial_success.rejected_spans
                == 0
            )
        case "protobuf_status":
            status = Status.FromString(answer.content)
            assert status.message
            assert status.code == check.get("code", status.code)
        case "text_contains":
            assert check["value"] in answer.text
        case "rejected_if_200":
            rejected = int(answer.json().get("partialSuccess", {}).get("rejectedSpans", 0))
            assert answer.status_code != 200 or rejected == check["spans"]
        case "stored_spans":
            assert len(await stored_spans(app, check["trace_id"])) == check["spans"]
        case "stored_attribute":
            assert {
                json.loads(text).get(check["key"])
                for text in (await stored_spans(app, check["trace_id"])).values()
            } == {check["value"]}
        case unknown:
            pytest.fail(f"no such check: {unknown}")


async def stored_spans(app: App, trace_id: str) -> dict[bytes, str]:
    """Return the attributes (JSON) of each distinct span of the trace."""
    await serving_of(app).spans.compact()
    async with serving_of(app).spans.window(0) as window:
        rows = [
            row
            for source in window.sources
            for table in source.tables()
            for row in table.to_pylist()
        ]
    return {row["span_id"]: row["attributes"] for row in rows if row["trace_id"].hex() == trace_id}


class Refusing:
    """A store that refuses as the case says."""

    def __init__(self, setup: dict[str, str]) -> None:
        self.setup = setup

    async def append(self, _batch: object) -> None:
        match self.setup:
            case {"backend": "permanent_error"}:
                raise AgentGuardError("The store refuses for good.")
            case {"backend": "retryable_error"}:
                raise UnavailableError("The store is away.")
            case {"backend_status": name}:
                raise SpansNotStoredError(code_of(name), f"The store says {name}.")


def code_of(name: str) -> RpcCode:
    words = (
        "".join(f"_{letter}" if letter.isupper() else letter for letter in name).upper().strip("_")
    )
    return RpcCode["CANCELLED" if words == "CANCELED" else words]
