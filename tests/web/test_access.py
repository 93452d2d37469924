"""Every route of the application × every way to be somebody: who is let in, and who is not.

The routes come from the application. Each declares what it needs (tests/web/test_permissions.py
fails for one that does not), and that alone decides.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.middleware import Middleware

from agentguard.accounts.identities import Identities
from agentguard.accounts.principal import EVERY_PERMISSION, Permission
from agentguard.accounts.roles import PERMISSIONS, Role
from agentguard.accounts.sessions import csrf_token
from agentguard.audit.refused_access import RefusedAccess
from agentguard.bootstrap.accounts import Accounts, accounts_of
from agentguard.bootstrap.opening import open_app
from agentguard.kernel.clock import NS_PER_HOUR, system_clock
from agentguard.kernel.errors import AgentGuardError
from agentguard.settings import Settings
from agentguard.web.app import new_api
from agentguard.web.auth import Authentication, Authenticator
from agentguard.web.forgery import HEADER
from agentguard.web.otlp_grpc import Exports
from agentguard.web.pages import HEALTH_PATHS, LOG_PREFIX, SIGN_IN_PATHS, UI_FILES, UI_PATHS
from tests.accounts.quick import _quick_hashes  # noqa: F401 - a fixture
from tests.acting import TESTER
from tests.web.serving import client_of
from tests.web.test_permissions import OPERATIONS, written

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery staple"
BOOTSTRAP = "open-sesame"
NOTHING: frozenset[Permission] = frozenset()
REMOTE = ("10.0.0.7", 1)
UI = UI_PATHS | {f"{UI_FILES}{{name}}"}
FOR_ANYBODY = HEALTH_PATHS | SIGN_IN_PATHS | UI


@dataclass(frozen=True)
class Way:
    """A way to be somebody."""

    name: str
    headers: Mapping[str, str]
    permissions: frozenset[Permission] | None
    """None: nobody; requests are refused but for public routes."""


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def session(token: str) -> dict[str, str]:
    return {"Cookie": f"__Host-agentguard-session={token}", HEADER: csrf_token(token)}


async def keys(accounts: Accounts) -> AsyncIterator[Way]:
    """Yield a key of each scope, and keys that are not accepted."""
    for scope in Permission:
        made = await accounts.keys.create(TESTER, scope, [scope])
        yield Way(f"key {scope}", bearer(made.token.text), frozenset({scope}))
    expired = await accounts.keys.create(TESTER, "expired", EVERY_PERMISSION)
    await accounts.keys.expire(TESTER, expired.key.id, 0)
    yield Way("expired key", bearer(expired.token.text), None)
    revoked = await accounts.keys.create(TESTER, "revoked", EVERY_PERMISSION)
    await accounts.keys.revoke(TESTER, revoked.key.id)
    yield Way("revoked key", bearer(revoked.token.text), None)
    yield Way("wrong secret", bearer(replace(revoked.token, secret="A" * 43).text), None)


async def users(accounts: Accounts) -> AsyncIterator[Way]:
    """Yield a session and a token of each role, and those of a user who is gone."""
    for role in Role:
        await accounts.users.create(TESTER, role, role, PASSWORD)
        signed_in = await accounts.sign_in.sign_in(role, PASSWORD, "10.0.0.7")
        script = await accounts.sign_in.token(role, PASSWORD, "10.0.0.7")
        yield Way(f"session {role}", session(signed_in.token), PERMISSIONS[role])
        yield Way(f"token {role}", bearer(script), PERMISSIONS[role])
    await accounts.users.create(TESTER, "gone", Role.ADMIN, PASSWORD)
    signed_in = await accounts.sign_in.sign_in("gone", PASSWORD, "10.0.0.7")
    script = await accounts.sign_in.token("gone", PASSWORD, "10.0.0.7")
    await accounts.users.remove(TESTER, "gone")
    yield Way("session of a removed user", session(signed_in.token), None)
    yield Way("token of a removed user", bearer(script), None)


@dataclass(frozen=True)
class Installation:
    """Accounts, and every way to be somebody there."""

    identities: Identities
    ways: tuple[Way, ...]

    def authenticator(self, **more) -> Authenticator:
        return Authenticator(BOOTSTRAP.encode(), frozenset(), self.identities, **more)


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    async with open_app(Settings(data_dir=tmp_path), in_processes=False) as app:
        accounts = app.accounts
        found = [
            Way("bootstrap key", bearer(BOOTSTRAP), EVERY_PERMISSION),
            Way("nobody", {}, None),
            Way("no such key", bearer("x" * 40), None),
            Way("no such session", session(secrets.token_urlsafe(32)), None),
            *[way async for way in keys(accounts)],
            *[way async for way in users(accounts)],
        ]
        yield Installation(accounts.identities, tuple(found))


def client_with(authenticator: Authenticator, peer: tuple[str, int] = REMOTE) -> httpx.AsyncClient:
    """Return a client of all routes, with nothing behind them: whoever is let in gets 500."""
    layers = [
        Middleware(Authentication, authenticator=authenticator, refused=RefusedAccess(system_clock))
    ]
    url = "http://127.0.0.1:8000" if peer[0] == "127.0.0.1" else "https://agents.example"
    return client_of(new_api(layers), peer=peer, url=url, raise_app_exceptions=False)


async def decisions(client: httpx.AsyncClient, headers: Mapping[str, str]) -> dict:
    """Return the decision about each route: let in (None), or the status of the refusal."""
    found = {}
    for method, path, _ in OPERATIONS:
        answer = await client.request(method, written(str(path)), headers=headers)
        found[method, path] = answer.status_code if answer.status_code in (401, 403) else None
    return found


def expected(permissions: frozenset[Permission] | None) -> dict:
    return {
        (method, path): _refusal(permission, permissions) for method, path, permission in OPERATIONS
    }


def _refusal(needed: Permission | None, has: frozenset[Permission] | None) -> int | None:
    if needed is None:
        return None
    if has is None:
        return 401
    return None if needed in has else 403


async def test_every_route_decides_by_its_permission_for_every_way_to_be_somebody(installation):
    async with client_with(installation.authenticator()) as client:
        for way in installation.ways:
            assert await decisions(client, way.headers) == expected(way.permissions), way.name

    assert len(installation.ways) == 22
    assert len(OPERATIONS) * len(installation.ways) > 1000


async def test_a_session_changes_nothing_without_its_csrf_token(installation):
    way = next(way for way in installation.ways if way.name == "session admin")
    async with client_with(installation.authenticator()) as client:
        found = await decisions(client, {"Cookie": way.headers["Cookie"]})

    changing = {(method, path) for method, path in found if method not in ("GET", "HEAD")}
    refused = {route for route, decision in found.items() if decision == 403}
    assert refused == {(method, path) for method, path in changing if path not in SIGN_IN_PATHS}


async def test_a_key_for_ingestion_reaches_nothing_but_otlp(installation):
    way = next(way for way in installation.ways if way.name == "key ingest")
    async with client_with(installation.authenticator()) as client:
        found = await decisions(client, way.headers)

    let_in = {path for (_, path), decision in found.items() if decision is None}
    assert let_in == {"/v1/traces", "/v1/logs", "/v1/metrics"} | FOR_ANYBODY


@pytest.mark.parametrize("known", [False, True])
async def test_without_credentials_loopback_and_proxy_are_all_or_nothing(tmp_path, known):
    """Until a key or user exists, this machine may do everything; then nothing."""
    async with open_app(Settings(data_dir=tmp_path), in_processes=False) as app:
        if known:
            await app.accounts.keys.create(TESTER, "k", [Permission.READ])
        open_ = Authenticator(None, frozenset(), app.accounts.identities)
        behind_proxy = replace(open_, proxy_authenticates=True)
        async with client_with(open_, ("127.0.0.1", 1)) as local, client_with(open_) as remote:
            of_loopback, of_remote = await decisions(local, {}), await decisions(remote, {})
        async with client_with(behind_proxy) as proxied:
            of_proxy = await decisions(proxied, {})

    assert of_loopback == expected(None if known else EVERY_PERMISSION)
    nothing = {route: None if route[1] in UI else 403 for route in of_remote}
    assert of_remote == (expected(None) if known else nothing)
    assert of_proxy == expected(EVERY_PERMISSION)


async def test_a_public_log_lets_anybody_read_hashes_and_nothing_else(installation):
    async with client_with(installation.authenticator(log_is_public=True)) as client:
        found = await decisions(client, {})

    opened = {path for (_, path), decision in found.items() if decision is None}
    log = {path for _, path, _ in OPERATIONS if path.startswith(LOG_PREFIX)}
    assert opened == log | FOR_ANYBODY


async def test_otlp_over_grpc_decides_as_otlp_over_http(installation):
    exports: Any = Exports.__new__(Exports)
    exports._authenticator = installation.authenticator()  # noqa: SLF001
    exports._state = _NoState()  # noqa: SLF001
    for way in installation.ways:
        headers = [(name.lower().encode(), value.encode()) for name, value in way.headers.items()]
        scope = {"type": "http", "path": "/x/Export", "headers": headers, "client": REMOTE}
        assert await _is_let_in(exports, scope) is (
            way.permissions is not None and Permission.INGEST in way.permissions
        ), way.name


class _NoState:
    class serving:  # noqa: N801
        refused = RefusedAccess(system_clock)


async def _is_let_in(exports: Any, scope: dict) -> bool:
    try:
        await exports._actor(scope)  # noqa: SLF001
    except AgentGuardError:
        return False
    return True


async def test_an_idle_session_is_over(tmp_path):
    moment = system_clock()
    settings = Settings(data_dir=tmp_path, session_idle_hours=1)
    async with open_app(settings, in_processes=False) as app:
        unit_of_work: Any = app.audit.unit_of_work
        accounts = accounts_of(settings, replace(unit_of_work, clock=lambda: moment))
        await accounts.users.create(TESTER, "ada", Role.VIEWER, PASSWORD)
        token = (await accounts.sign_in.sign_in("ada", PASSWORD, "x")).token
        for hours in (0.9, 0.9, 0.9):
            moment += int(hours * NS_PER_HOUR)
            assert await accounts.identities.of_session(token) is not None
            await accounts.identities.store_uses()
            accounts.identities.forget_session(token)

        moment += NS_PER_HOUR
        assert await accounts.identities.of_session(token) is None
