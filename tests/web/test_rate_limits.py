"""How often a client may ask."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from agentguard.accounts.roles import Role
from agentguard.web.app import create_app
from tests.acting import TESTER
from tests.services import redis_url
from tests.web.serving import client_of, opened, served
from tests.web.systems import shop

pytestmark = pytest.mark.anyio

KEY = "a-key"
AUTHORISED = {"Authorization": f"Bearer {KEY}"}


def standing(answer: httpx.Response) -> tuple[int, int]:
    """Return what is left, and for how many seconds that may be used."""
    found = re.fullmatch(r'"minute";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
    assert found is not None
    return int(found[1]), int(found[2])


async def test_without_the_setting_any_number_of_requests_may_come(tmp_path: Path):
    async with served(tmp_path) as client:
        answers = [await client.get("/api/datasets") for _ in range(100)]

    assert {answer.status_code for answer in answers} == {200}
    assert not any("ratelimit" in answer.headers for answer in answers)


async def test_a_client_is_told_what_is_left_and_then_when_to_come_again(tmp_path: Path):
    async with served(tmp_path, rate_limit=3) as client:
        answers = [await client.get("/api/datasets") for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert [standing(answer)[0] for answer in answers] == [2, 1, 0, 0, 0]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"minute";q=3;w=60'}
    assert all(1 <= standing(answer)[1] <= 60 for answer in answers)


async def test_the_refusal_is_a_problem_with_a_stable_code(tmp_path: Path):
    async with served(tmp_path, rate_limit=1) as client:
        await client.get("/api/datasets")
        refused = await client.get("/api/datasets")

    assert refused.headers["content-type"] == "application/problem+json"
    assert int(refused.headers["retry-after"]) == standing(refused)[1]
    assert refused.json() == {
        "type": "urn:agentguard:problem:too-many-requests",
        "title": "Too many requests",
        "status": 429,
        "code": "too-many-requests",
        "detail": (
            "This client sent more than 1 requests within a minute. Retry after"
            f" {refused.headers['retry-after']} s."
        ),
        "violated-policies": ["minute"],
    }


async def test_problems_and_streams_of_the_api_count_too(tmp_path: Path):
    async with served(tmp_path, rate_limit=3) as client:
        answers = [
            await client.get("/api/nothing"),
            await client.post("/api/simulate", content=b"{"),
            await client.post("/api/scan", json=shop()),
            await client.post("/api/scan", json=shop()),
        ]

    assert [answer.status_code for answer in answers] == [404, 422, 200, 429]
    assert [standing(answer)[0] for answer in answers] == [2, 1, 0, 0]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/health",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/docs",
        "/openapi.json",
        "/apiary",
    ],
)
async def test_what_is_not_the_api_is_not_limited(tmp_path: Path, path: str):
    async with served(tmp_path, rate_limit=1) as client:
        answers = [await client.get(path) for _ in range(3)]
        first = await client.get("/api/datasets")

    assert not any(answer.status_code == 429 or "ratelimit" in answer.headers for answer in answers)
    assert first.status_code == 200


async def test_deliveries_of_spans_are_not_limited(tmp_path: Path):
    async with served(tmp_path, rate_limit=1) as client:
        answers = [await client.post("/v1/traces", json=shop(1)) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]


async def test_a_key_has_one_limit_wherever_it_is_used_from_and_whatever_clients_say(
    tmp_path: Path,
):
    async with opened(tmp_path, rate_limit=1, api_key=KEY) as app:
        api, answers = create_app(app), []
        for peer in ("192.0.2.1", "192.0.2.2", "2001:db8::1"):
            for n in range(2):
                said = {
                    "X-Forwarded-For": f"203.0.113.{n}",
                    "Forwarded": f"for=203.0.113.{n}",
                    "X-Real-IP": f"203.0.113.{n}",
                }
                async with client_of(
                    api, peer=(peer, 50_000 + n), headers=AUTHORISED | said
                ) as client:
                    answers.append((await client.get("/api/datasets")).status_code)

    assert answers == [200, *[429] * 5]


async def test_a_user_has_one_limit_with_sessions_and_tokens_alike(tmp_path: Path):
    who = {"name": "ada", "password": "correct horse battery staple"}
    async with opened(tmp_path, rate_limit=3, api_key=KEY) as app:
        for name in ("ada", "bob"):
            await app.accounts.users.create(TESTER, name, Role.VIEWER, who["password"])
        async with client_of(create_app(app)) as client:
            assert (await client.post("/api/auth/sign-in", json=who)).status_code == 200
            issued = (await client.post("/api/auth/token", json=who)).json()["access_token"]
            other = await client.post("/api/auth/token", json=who | {"name": "bob"})
            answers = [await client.get("/api/datasets") for _ in range(2)]
            client.cookies.clear()
            for token in (issued, issued, other.json()["access_token"]):
                headers = {"Authorization": f"Bearer {token}"}
                answers.append(await client.get("/api/datasets", headers=headers))

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 200]


async def test_who_has_no_key_uses_up_nobodys_requests(tmp_path: Path):
    async with served(tmp_path, rate_limit=1, api_key=KEY) as client:
        strangers = [
            await client.get("/api/datasets", headers=headers)
            for headers in ({}, {"Authorization": "Bearer wrong"}) * 3
        ]
        holder = await client.get("/api/datasets", headers=AUTHORISED)

    assert {answer.status_code for answer in strangers} == {401}
    assert not any("ratelimit" in answer.headers for answer in strangers)
    assert holder.status_code == 200


async def test_pages_of_allowed_origins_may_read_the_fields(tmp_path: Path):
    async with served(tmp_path, rate_limit=1, cors_origins=("http://localhost:3000",)) as client:
        answer = await client.get("/api/datasets", headers={"Origin": "http://localhost:3000"})
        refused = await client.get("/api/datasets", headers={"Origin": "http://localhost:3000"})
        preflight = await client.options(
            "/api/datasets",
            headers={"Origin": "http://localhost:3000", "Access-Control-Request-Method": "GET"},
        )

    for each in (answer, refused):
        assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= set(
            each.headers["access-control-expose-headers"].split(", ")
        )
    assert (refused.status_code, preflight.status_code) == (429, 200)


async def test_servers_with_one_redis_count_together(tmp_path: Path):
    url, answers = redis_url(), []
    settings = {"rate_limit": 3, "api_key": KEY, "redis_url": url, "redis_timeout_seconds": 20}
    peer = uuid4().hex
    async with (
        opened(tmp_path / "one", **settings) as one,
        opened(tmp_path / "two", **settings) as two,
    ):
        for app in (one, two, one, two, one):
            async with client_of(create_app(app), peer=(peer, 1), headers=AUTHORISED) as client:
                answers.append((await client.get("/api/datasets")).status_code)

    assert answers == [200, 200, 200, 429, 429]
