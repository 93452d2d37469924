"""Single sign-on with a real OpenID provider: npm's oidc-provider, on loopback."""

from __future__ import annotations

import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from agentguard.accounts.roles import Role
from agentguard.accounts.single_sign_on import RoleRules
from agentguard.bootstrap.app import App
from agentguard.web.app import create_app
from scripts.services.packages import node, oidc_provider
from scripts.services.process import ServiceError
from tests.acting import TESTER
from tests.services import _missing
from tests.web.serving import client_of, opened

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("sso")]

PUBLIC = "http://127.0.0.1:8000"
CALLBACK = f"{PUBLIC}/api/auth/sso/callback"
ROLES = {"sre": Role.OPERATOR, "everybody": Role.VIEWER, "platform": Role.ADMIN}
SETTINGS: dict[str, Any] = {
    "oidc_client_id": "agentguard",
    "oidc_client_secret": "a-secret-of-the-test",
    "oidc_roles": ROLES,
    "public_url": PUBLIC,
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running provider."""
    try:
        program, modules = node(), oidc_provider() / "node_modules"
    except ServiceError as error:
        _missing(str(error))
    log = (tmp_path_factory.mktemp("provider") / "log").open("w")
    command = [program, str(Path(__file__).with_name("provider.mjs")), str(modules), CALLBACK]
    with log, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@asynccontextmanager
async def serving(
    folder: Path, issuer: str, **more
) -> AsyncIterator[tuple[App, httpx.AsyncClient]]:
    settings = SETTINGS | {"oidc_issuer": issuer} | more
    async with opened(folder, **settings) as app:
        await app.accounts.users.create(TESTER, "root", Role.ADMIN)
        async with client_of(create_app(app)) as client:
            yield app, client


async def at_provider(url: str, name: str) -> str:
    """Sign in on the provider's pages, as a browser does; return the way back."""
    async with httpx.AsyncClient(follow_redirects=False, timeout=20) as browser:
        answer = await browser.get(url)
        for _ in range(12):
            if answer.is_redirect:
                target = answer.headers["location"]
                if target.startswith(CALLBACK):
                    return target
                answer = await browser.get(str(answer.url.join(target)))
                continue
            action = re.search(r'<form[^>]*action="([^"]+)"', answer.text)
            assert action is not None, answer.text[:2000]
            hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="(\w+)"', answer.text))
            fields = {**hidden, "login": name, "password": "any"}
            answer = await browser.post(str(answer.url.join(action[1])), data=fields)
    raise AssertionError("the provider did not come to an end")


async def begun(client: httpx.AsyncClient) -> str:
    answer = await client.get("/api/auth/sso")
    assert answer.status_code == 302
    return answer.headers["location"]


async def signed_in(client: httpx.AsyncClient, name: str) -> httpx.Response:
    return await client.get(await at_provider(await begun(client), name))


async def test_a_user_of_the_provider_gets_a_session_with_the_role_of_the_claim(tmp_path, issuer):
    async with serving(tmp_path, issuer) as (app, client):
        answer = await signed_in(client, "ada")

        assert (answer.status_code, answer.headers["location"]) == (302, "/docs")
        me = (await client.get("/api/auth/me")).json()
        assert (me["kind"], me["user"]["name"], me["user"]["role"]) == ("session", "ada", "admin")
        assert (me["user"]["issuer"], me["user"]["has_password"]) == (issuer, False)

        await app.accounts.users.set_role(TESTER, "ada", Role.VIEWER)
        await signed_in(client, "ada")
        users = await app.accounts.users.page(TESTER, 9)
        assert [(each.name, each.role) for each in users] == [
            ("root", Role.ADMIN),
            ("ada", Role.ADMIN),  # the claim decides anew at each sign-in
        ]


async def test_the_request_has_pkce_state_and_nonce(tmp_path, issuer):
    async with serving(tmp_path, issuer) as (_, client):
        asked = parse_qs(urlsplit(await begun(client)).query)

    assert asked["code_challenge_method"] == ["S256"]
    assert asked["response_type"] == ["code"]
    assert asked["redirect_uri"] == [CALLBACK]
    assert len({asked[name][0] for name in ("code_challenge", "state", "nonce")}) == 3


async def test_a_user_without_a_role_gets_no_access(tmp_path, issuer):
    async with serving(tmp_path, issuer) as (app, client):
        refused = await signed_in(client, "eve")
        assert (refused.status_code, refused.json()["code"]) == (403, "no-role")
        assert len(await app.accounts.users.page(TESTER, 9)) == 1

    async with serving(tmp_path / "other", issuer, oidc_default_role=Role.VIEWER) as (_, client):
        assert (await signed_in(client, "eve")).status_code == 302


async def test_a_local_user_of_the_same_name_is_another_user(tmp_path, issuer):
    async with serving(tmp_path, issuer) as (app, client):
        await app.accounts.users.create(TESTER, "bob", Role.ADMIN)
        await signed_in(client, "bob")

        me = (await client.get("/api/auth/me")).json()["user"]
        assert (me["name"], me["role"]) == (f"bob ({me['id']})", "operator")


async def test_only_the_browser_that_began_comes_back_and_only_once(tmp_path, issuer):
    async with serving(tmp_path, issuer) as (app, client):
        back = await at_provider(await begun(client), "bob")
        async with client_of(create_app(app)) as other:
            await begun(other)
            stolen = await other.get(back)
        changed = await client.get(back.replace("state=", "state=x"))
        done = await client.get(back)
        client.cookies.clear()
        again = await client.get(back)
        refused = await client.get(f"{CALLBACK}?error=access_denied")

    assert done.status_code == 302
    for answer in (stolen, changed, again, refused):
        assert (answer.status_code, answer.json()["code"]) == (401, "single-sign-on-failed")


async def test_a_code_is_worth_nothing_without_its_verifier_or_nonce(tmp_path, issuer):
    for index in (1, 2):
        async with serving(tmp_path / str(index), issuer) as (_, client):
            back = await at_provider(await begun(client), "bob")
            [kept] = [each for each in client.cookies.jar if each.name == "agentguard-sso"]
            parts = str(kept.value).split(".")
            parts[index] = "x" * 64
            cookie = {"Cookie": f"agentguard-sso={'.'.join(parts)}"}
            client.cookies.clear()

            refused = await client.get(back, headers=cookie)

            assert (refused.status_code, refused.json()["code"]) == (401, "single-sign-on-failed")


async def test_a_provider_that_is_unreachable_or_another_is_said_to_be(tmp_path, issuer):
    for number, wrong in enumerate(("http://127.0.0.1:9", f"{issuer}/")):
        async with serving(tmp_path / str(number), wrong) as (_, client):
            answer = await client.get("/api/auth/sso")

            assert answer.status_code == 503
            assert answer.json()["code"] == "identity-provider-unavailable"


async def test_without_a_provider_there_is_none(tmp_path):
    async with opened(tmp_path) as app, client_of(create_app(app)) as client:
        answer = await client.get("/api/auth/sso")

    assert (answer.status_code, answer.json()["code"]) == (404, "no-identity-provider")


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"groups": ["sre", "everybody"]}, Role.OPERATOR),
        ({"groups": "sre"}, Role.OPERATOR),
        ({"groups": ["SRE"]}, None),
        ({"groups": [["sre"], {"sre": 1}, None, 5]}, None),
        ({"groups": {"sre": True}}, None),
        ({}, None),
    ],
)
def test_the_highest_role_of_the_claims_values_counts(claims, role):
    assert RoleRules("groups", ROLES, None).role_of(claims) is role
