"""The OpenAPI document, and answers held against it."""

from __future__ import annotations

import json

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from agentguard.web.problems import MEDIA_TYPE
from tests.web.process import Server
from tests.web.systems import shop

pytestmark = pytest.mark.xdist_group("openapi")

PATHS = [
    "/",
    "/health",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/v1/traces",
    "/v1/logs",
    "/v1/metrics",
    "/api/scan",
    "/api/jobs",
    "/api/jobs/{job_id}",
    "/api/jobs/{job_id}/events",
    "/api/datasets",
    "/api/datasets/{name}",
    "/api/graph",
    "/api/analysis",
    "/api/audit/anchors",
    "/api/agents",
    "/api/graph/diff",
    "/api/agents/{agent_id}",
    "/api/components/{component_id}",
    "/api/catalog",
    "/api/catalog/draft",
    "/api/simulate",
    "/api/playbook",
    "/api/audit/entries",
    "/api/audit/entries/{index}",
    "/api/audit/checkpoint",
    "/api/audit/proof/{index}",
    "/api/audit/consistency",
    "/api/audit/verify",
    "/log/checkpoint",
    "/log/handover/{number}",
    "/log/key",
    "/log/tile/{path}",
]
STREAMS = ["/api/events"]
"""They do not end of themselves."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"))
    httpx.post(f"{server.url}/api/scan", json=shop(), timeout=60).raise_for_status()
    yield server
    server.kill()


@pytest.fixture
def api_schema(server: Server):
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json")


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.mark.parametrize("path", PATHS)
def test_answers_keep_what_the_document_says(api_schema, path: str):
    """Valid and invalid requests made from the document, a few of each for every operation."""
    for operation in api_schema[path].values():
        for mode in _modes(operation):

            @settings(
                max_examples=6,
                phases=[Phase.explicit, Phase.generate],
                derandomize=True,
                suppress_health_check=list(HealthCheck),
                database=None,
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def holds(case):
                case.call_and_validate(checks=CHECKS, timeout=60)

            holds()


def _modes(operation) -> list[GenerationMode]:
    """Return what requests can be made: wrong ones only where there is something to get wrong."""
    return list(GenerationMode) if operation.body or operation.query else [GenerationMode.POSITIVE]


def test_every_operation_of_the_api_declares_problems(api_schema):
    for path, operations in api_schema.raw_schema["paths"].items():
        if not path.startswith("/v1/"):
            for operation in operations.values():
                assert MEDIA_TYPE in operation["responses"]["default"]["content"]
    assert "HTTPValidationError" not in json.dumps(api_schema.raw_schema)


@pytest.mark.parametrize("path", STREAMS)
def test_streams_are_described_as_server_sent_events(api_schema, path: str):
    assert (
        "text/event-stream"
        in api_schema.raw_schema["paths"][path]["get"]["responses"]["200"]["content"]
    )


def test_all_stable_paths_are_there(api_schema):
    assert set(api_schema.raw_schema["paths"]) == {*PATHS, *STREAMS}
