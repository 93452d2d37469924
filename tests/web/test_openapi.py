"""The OpenAPI document, and answers held against it."""

from __future__ import annotations

import json
import re

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

from agentguard.accounts.principal import Permission
from agentguard.accounts.roles import PERMISSIONS, Role
from agentguard.web.problems import MEDIA_TYPE
from tests.web.process import Server
from tests.web.systems import shop
from tests.web.test_permissions import OPERATIONS

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
    "/api/jobs/{job_id}/cancel",
    "/api/datasets",
    "/api/datasets/{name}",
    "/api/graph",
    "/api/graph/columns",
    "/api/risks/{component_id}",
    "/api/risk-history/{component_id}",
    "/api/analysis",
    "/api/audit/anchors",
    "/api/agents",
    "/api/game-days",
    "/api/graph/diff",
    "/api/agents/{agent_id}",
    "/api/components/{component_id}",
    "/api/traces/{trace_id}",
    "/api/evidence/{claim}",
    "/api/catalog",
    "/api/catalog/draft",
    "/api/simulate",
    "/api/incidents",
    "/api/incidents/{incident_id}",
    "/api/incidents/{incident_id}/events",
    "/api/incidents/{incident_id}/feedback",
    "/api/incidents/{incident_id}/measure",
    "/api/incidents/{incident_id}/transition",
    "/api/incidents/{incident_id}/assign",
    "/api/incidents/{incident_id}/severity",
    "/api/incidents/{incident_id}/merge",
    "/api/incidents/{incident_id}/links",
    "/api/incidents/{incident_id}/post-mortem",
    "/api/notifications",
    "/api/simulations",
    "/api/simulations/compare",
    "/api/simulations/{simulation_id}",
    "/api/mitigations",
    "/api/playbook",
    "/api/playbooks/{playbook_id}",
    "/api/playbooks/{job_id}/handover",
    "/api/audit/entries",
    "/api/audit/entries/{index}",
    "/api/audit/checkpoint",
    "/api/audit/proof/{index}",
    "/api/audit/consistency",
    "/api/audit/verify",
    "/api/auth/sign-in",
    "/api/auth/token",
    "/api/auth/set-up",
    "/api/auth/sign-out",
    "/api/auth/password",
    "/api/auth/me",
    "/api/auth/sso",
    "/api/auth/sso/callback",
    "/api/users",
    "/api/users/{user_id}",
    "/api/users/{user_id}/role",
    "/api/users/{user_id}/password",
    "/api/users/{user_id}/sign-out",
    "/api/keys",
    "/api/keys/{key_id}",
    "/api/keys/{key_id}/rotate",
    "/api/keys/{key_id}/expire",
    "/log/checkpoint",
    "/log/handover/{number}",
    "/log/key",
    "/log/tile/{path}",
]
KEY = "open-sesame"
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}

STREAMS = ["/api/events", "/api/incidents/stream"]
"""They do not end of themselves."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"), AGENTGUARD_API_KEY=KEY)
    scan = f"{server.url}/api/scan"
    httpx.post(scan, json=shop(), headers=AUTHORIZED, timeout=60).raise_for_status()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def tokens(server: Server) -> dict[Role, dict[str, str]]:
    """The headers of a user of each role."""
    return {role: _token(server, role) for role in Role}


def _token(server: Server, role: Role) -> dict[str, str]:
    user = {"name": role, "password": "correct horse battery staple"}
    with httpx.Client(base_url=server.url, timeout=60) as client:
        created = client.post("/api/users", json=user | {"role": role}, headers=AUTHORIZED)
        created.raise_for_status()
        token = client.post("/api/auth/token", json=user).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def api_schema(server: Server):
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json", headers=AUTHORIZED)


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.mark.usefixtures("tokens")  # before failed sign-ins make further ones wait
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
                case.call_and_validate(checks=CHECKS, headers=AUTHORIZED, timeout=60)

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


def _needed() -> dict[tuple[str, str], Permission | None]:
    return {(method, str(path)): permission for method, path, permission in OPERATIONS}


@pytest.mark.parametrize("name", list(Role))
def test_no_role_reaches_what_it_must_not_and_nothing_crashes(api_schema, tokens, name: Role):
    """A request made from the document for every operation that ends and signs nobody out."""
    needed, reached = _needed(), set()
    for path in set(PATHS) - {"/api/auth/sign-out", "/api/jobs/{job_id}/events"}:
        for method, operation in api_schema[path].items():
            permission = needed[method.upper(), _routed(path, method, needed)]
            for status in _statuses(operation, tokens[name]):
                assert status < 500 or path.startswith(("/health", "/api/auth/sso"))
                if permission is None or permission in PERMISSIONS[name]:
                    assert path.startswith("/api/auth/") or status not in (401, 403), path
                    reached.add(path)
                else:
                    assert status in (403, 415, 422), (path, status)
    assert ("/api/keys" in reached) is (name is Role.ADMIN)


def _routed(path: str, method: str, needed: dict[tuple[str, str], Permission | None]) -> str:
    """Return the route's own way to write a path of the document: `{id:path}` for `{id}`."""
    return next(
        own for verb, own in needed if verb == method.upper() and re.sub(r":\w+}", "}", own) == path
    )


def _statuses(operation, headers: dict[str, str]) -> list[int]:
    """Return the status of a request."""
    found = []

    @settings(
        max_examples=1,
        phases=[Phase.generate],
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
        deadline=None,
    )
    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def ask(case):
        found.append(case.call(headers=headers, timeout=60).status_code)

    ask()
    return found
