"""Every route declares one permission, and enforces it."""

from __future__ import annotations

import re

import pytest
from fastapi.routing import RouteContext, iter_route_contexts
from google.rpc.status_pb2 import Status
from starlette.middleware import Middleware

from agentguard.accounts.principal import EVERY_PERMISSION, Permission, Principal, PrincipalKind
from agentguard.audit.refused_access import RefusedAccess
from agentguard.kernel.clock import system_clock
from agentguard.kernel.errors import AgentGuardError
from agentguard.traces.errors import RpcCode
from agentguard.web.app import new_api
from agentguard.web.auth import Authentication, Authenticator
from agentguard.web.pages import HEALTH_PATHS, SIGN_IN_PATHS, UI_FILES, UI_PATHS
from agentguard.web.permissions import Requirement
from agentguard.web.problems import MEDIA_TYPE
from tests.accounts.nobody import Nobody
from tests.web.serving import client_of

pytestmark = pytest.mark.anyio

PROTOBUF = {"Content-Type": "application/x-protobuf"}
BROWSER = {"Accept": "text/html"}


class Fixed:
    """Authenticates every request as one principal."""

    def __init__(self, *permissions: Permission) -> None:
        self._actor = Principal("api-key:test", PrincipalKind.API_KEY, frozenset(permissions))

    async def authenticate(self, _scope) -> Principal:
        return self._actor


def requirements(route: RouteContext) -> list[Permission | None]:
    found = [each.call for each in route.dependant.dependencies]
    return [each.permission for each in found if isinstance(each, Requirement)]


ROUTES = [
    (method, route.path, requirements(route))
    for route in iter_route_contexts(new_api().routes)
    for method in sorted(route.methods or ())
]
OPERATIONS = [(method, path, found[0]) for method, path, found in ROUTES if found]
GUARDED = [each for each in OPERATIONS if each[2] is not None]
PUBLIC = [(method, path) for method, path, permission in OPERATIONS if permission is None]


def client_with(authenticator):
    """Return a client of routes with nothing behind them: allowed requests get status 500."""
    refused = RefusedAccess(system_clock)
    layers = [Middleware(Authentication, authenticator=authenticator, refused=refused)]
    return client_of(new_api(layers), raise_app_exceptions=False)


def written(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "x", path)


@pytest.mark.parametrize(("method", "path", "found"), ROUTES)
def test_every_route_declares_exactly_one_permission_or_is_public(method, path, found):
    assert len(found) == 1


def test_only_health_checks_what_signs_in_and_pages_without_data_are_public():
    pages = UI_PATHS | {"/", f"{UI_FILES}{{name}}"}
    assert {path for _, path in PUBLIC} == HEALTH_PATHS | SIGN_IN_PATHS | pages


SIMULATING = ("/api/simulations/{simulation_id}", "/api/game-days")
"""Routes that simulate to answer a GET, which costs as much as a simulation."""


@pytest.mark.parametrize(("method", "path", "permission"), GUARDED)
def test_permissions_follow_what_a_route_does(method, path, permission):
    expected = {
        "/v1/": Permission.INGEST,
        "/api/datasets": Permission.OPERATE,
        "/api/jobs": Permission.SIMULATE,
        "/api/incidents": Permission.OPERATE,
        "/api/scan": Permission.OPERATE,
        "/api/simulate": Permission.SIMULATE,
        "/api/mitigations": Permission.SIMULATE,
        "/api/playbook": Permission.SIMULATE,
        "/api/audit/verify": Permission.READ,
        "/api/auth/": Permission.READ,
    }
    if path.startswith(("/api/keys", "/api/users")):
        assert permission is Permission.ADMIN
        return
    if path in SIMULATING:
        assert permission is Permission.SIMULATE
        return
    changing = next((expected[each] for each in expected if path.startswith(each)), None)

    assert permission is (Permission.READ if method == "GET" else changing)


@pytest.mark.parametrize(("method", "path", "permission"), GUARDED)
async def test_a_principal_without_the_permission_gets_403(method, path, permission):
    async with client_with(Fixed(*EVERY_PERMISSION - {permission})) as client:
        answer = await client.request(method, written(path), headers=PROTOBUF)

    assert answer.status_code == 403
    if path.startswith("/v1/"):
        assert Status.FromString(answer.content).code == RpcCode.PERMISSION_DENIED.value
    else:
        assert answer.headers["content-type"] == MEDIA_TYPE
        assert answer.json()["code"] == "permission-denied"
        assert repr(permission.value) in answer.json()["detail"]


@pytest.mark.parametrize(("method", "path", "permission"), GUARDED)
async def test_the_permission_alone_is_enough(method, path, permission):
    async with client_with(Fixed(permission)) as client:
        answer = await client.request(method, written(path))

    assert answer.status_code not in (401, 403)


@pytest.mark.parametrize(("method", "path"), PUBLIC)
async def test_public_routes_need_no_permission(method, path):
    async with client_with(Fixed()) as client:
        answer = await client.request(method, written(path), headers=BROWSER)

    assert answer.status_code not in (401, 403)


@pytest.mark.parametrize(("method", "path", "permission"), OPERATIONS)
async def test_without_the_key_all_routes_but_public_ones_answer_401(method, path, permission):
    headers = BROWSER if permission is None else {}
    async with client_with(Authenticator(b"open-sesame", frozenset(), Nobody())) as client:
        answer = await client.request(method, written(path), headers=headers)

    if permission is None:
        assert answer.status_code not in (401, 403)
        return
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    if path.startswith("/v1/"):
        assert answer.json()["code"] == RpcCode.UNAUTHENTICATED.value
    else:
        assert answer.json()["code"] == "authentication-required"


@pytest.mark.parametrize(
    ("authenticator", "headers", "id_"),
    [
        (Authenticator(None, frozenset(), Nobody()), {}, "loopback"),
        (
            Authenticator(b"open-sesame", frozenset(), Nobody()),
            {"Authorization": "Bearer open-sesame"},
            "api-key:bootstrap",
        ),
    ],
)
async def test_the_key_and_the_loopback_rule_give_every_permission(authenticator, headers, id_):
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "path": "/", "headers": raw, "client": ("127.0.0.1", 1)}

    actor = await authenticator.authenticate(scope)

    assert (actor.id, actor.permissions) == (id_, EVERY_PERMISSION)


async def test_a_remote_request_without_a_key_is_refused_with_what_to_do():
    scope = {"type": "http", "path": "/", "headers": [], "client": ("8.8.8.8", 1)}

    with pytest.raises(AgentGuardError) as refused:
        await Authenticator(None, frozenset(), Nobody()).authenticate(scope)

    assert str(refused.value) == (
        "The client's address is not a loopback address. There are no API keys and no users: only"
        " loopback requests are accepted. Set AGENTGUARD_API_KEY, run `agentguard keys create` or"
        " `agentguard users create`, to accept others."
    )
