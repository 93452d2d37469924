"""What browsers are told about every response."""

from __future__ import annotations

import pytest

from agentguard.accounts.roles import Role
from agentguard.web.app import create_app
from agentguard.web.security_headers import ALWAYS
from tests.accounts.quick import _quick_hashes  # noqa: F401 - a fixture
from tests.acting import TESTER
from tests.web.serving import client_of, opened

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery staple"
PATHS = ["/", "/docs", "/docs/assets/swagger-ui.css", "/api/datasets", "/nothing", "/sign-in"]


@pytest.mark.parametrize("key", [None, "open-sesame"])
async def test_every_response_has_the_headers_refusals_and_errors_too(tmp_path, key):
    async with opened(tmp_path, api_key=key) as app, client_of(create_app(app)) as client:
        answers = [await client.get(path) for path in PATHS]
        answers.append(await client.post("/v1/traces", content=b"x"))
        answers.append(await client.options("/api/scan"))

    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "strict-transport-security" not in answer.headers
    assert len({answer.status_code for answer in answers}) > 1
    assert len(ALWAYS) == 3


@pytest.mark.parametrize(
    ("seconds", "url", "told"),
    [
        (600, "https://agents.example", "max-age=600"),
        (600, "http://agents.example", None),
        (0, "https://agents.example", None),
    ],
)
async def test_tls_is_told_to_stay_by_setting_and_over_tls_only(tmp_path, seconds, url, told):
    async with (
        opened(tmp_path, api_key="k", hsts_seconds=seconds) as app,
        client_of(create_app(app), url=url, peer=("10.0.0.7", 1)) as client,
    ):
        answer = await client.get("/health/live")

    assert answer.headers.get("strict-transport-security") == told


async def test_the_sign_in_page_runs_our_script_only_and_says_no_secret(tmp_path):
    async with opened(tmp_path, api_key="open-sesame") as app, client_of(create_app(app)) as client:
        page, script = await client.get("/sign-in"), await client.get("/sign-in/page.js")

    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    assert script.headers["content-type"].startswith("text/javascript")
    assert "open-sesame" not in page.text + script.text
    assert "<p hidden><a" in page.text


async def test_pages_of_allowed_origins_may_ask_but_never_with_a_users_cookie(tmp_path):
    origin = {"Origin": "http://localhost:3000"}
    asked = origin | {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    who = {"name": "ada", "password": PASSWORD}
    async with opened(tmp_path, api_key="k") as app, client_of(create_app(app)) as client:
        await app.accounts.users.create(TESTER, "ada", Role.ADMIN, PASSWORD)
        with_key = await client.get("/", headers=origin | {"Authorization": "Bearer k"})
        signed_in = await client.post("/api/auth/sign-in", json=who)
        token = {"X-CSRF-Token": signed_in.json()["csrf_token"]}
        foreign = {"Origin": "https://evil.example"}
        refused = [
            await client.get("/api/datasets", headers=foreign),
            await client.delete("/api/datasets/x", headers=foreign | token),
        ]
        answers = [
            with_key,
            await client.options("/api/scan", headers=asked),
            await client.get("/api/datasets", headers=origin),
            await client.delete("/api/datasets/x", headers=origin | token),
        ]

    assert client.cookies
    assert [each.status_code for each in answers] == [200, 200, 200, 404]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
        assert "access-control-allow-credentials" not in answer.headers
    for answer in refused:
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign-page")
        assert "access-control-allow-origin" not in answer.headers
