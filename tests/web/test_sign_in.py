"""Users over HTTP: sessions, tokens, set-up and what ends them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from agentguard.accounts.back_off import ACCOUNT
from agentguard.accounts.roles import Role
from agentguard.audit.entries import Entry
from agentguard.audit.store import EntryFilter
from agentguard.bootstrap.app import App
from agentguard.web.app import create_app
from agentguard.web.schemas import users as users_schemas
from agentguard.web.schemas.requests import RequestBody
from agentguard.web.set_up_link import print_set_up_link, url_of
from agentguard.web.validation import InvalidRequestError
from tests.accounts.quick import _quick_hashes  # noqa: F401 - a fixture
from tests.acting import TESTER
from tests.web.serving import client_of, opened, until

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery staple"
PLAIN, SECURE = "agentguard-session", "__Host-agentguard-session"


@asynccontextmanager
async def serving(
    folder: Path, *users: str, peer: str = "127.0.0.1", url: str = "http://127.0.0.1:8000", **more
) -> AsyncIterator[tuple[App, httpx.AsyncClient]]:
    async with opened(folder, **more) as app:
        for name in users:
            await app.accounts.users.create(TESTER, name, Role(name), PASSWORD)
        async with client_of(create_app(app), peer=(peer, 1), url=url) as client:
            yield app, client


async def sign_in(client: httpx.AsyncClient, name: str, password: str = PASSWORD) -> httpx.Response:
    answer = await client.post("/api/auth/sign-in", json={"name": name, "password": password})
    if answer.status_code == 200:
        client.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
    return answer


async def token(client: httpx.AsyncClient, name: str) -> dict[str, str]:
    answer = await client.post("/api/auth/token", json={"name": name, "password": PASSWORD})
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def status(client: httpx.AsyncClient, path: str = "/api/datasets", **more) -> int:
    return (await client.get(path, **more)).status_code


async def test_a_session_serves_the_api_its_documentation_and_its_streams(tmp_path):
    async with serving(tmp_path, "viewer") as (app, _), client_of(api := create_app(app)) as client:
        assert await status(client) == 401

        answer = await sign_in(client, "VIEWER")

        assert answer.json()["user"]["name"] == "viewer"
        for path in ("/api/datasets", "/docs", "/openapi.json", "/log/key", "/api/auth/me"):
            assert await status(client, path) in (200, 404), path
        api.state.agentguard.streams.end()
        assert await status(client, "/api/events") == 200
        assert await status(client, "/api/keys") == 403
        me = (await client.get("/api/auth/me")).json()
        assert (me["kind"], me["permissions"]) == ("session", ["read"])
        assert me["csrf_token"] == answer.json()["csrf_token"]


@pytest.mark.parametrize(
    ("url", "peer", "name", "secure"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1", PLAIN, False),
        ("http://agents.example", "10.0.0.7", SECURE, True),
        ("https://agents.example", "10.0.0.7", SECURE, True),
        ("http://agents.example", "127.0.0.1", SECURE, True),
    ],
)
async def test_the_cookie_is_kept_from_pages_from_other_sites_and_from_plain_http(
    tmp_path, url, peer, name, secure
):
    async with serving(tmp_path, "viewer", url=url, peer=peer) as (_, client):
        answer = await sign_in(client, "viewer")

    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{name}=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert ("Secure" in cookie) is secure
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("odd", ['a={"x":1}', "a@b=1", "a=b=c", "=", "\xff=1"])
async def test_odd_cookies_of_other_programs_do_not_hide_the_session(tmp_path, odd):
    async with serving(tmp_path, "viewer") as (_, client):
        await sign_in(client, "viewer")
        own = f"{PLAIN}={client.cookies[PLAIN]}"
        client.cookies.clear()

        for text in (f"{odd}; {own}", f"{own}; {odd}"):
            assert await status(client, headers={"Cookie": text.encode("latin-1")}) == 200
        assert await status(client, headers={"Cookie": odd.encode("latin-1")}) == 401


async def test_a_change_with_a_session_needs_its_csrf_token(tmp_path):
    async with serving(tmp_path, "operator") as (_, client):
        await sign_in(client, "operator")
        good = client.headers.pop("X-CSRF-Token")

        async def delete(headers: dict[str, str]) -> tuple[int, str]:
            answer = await client.delete("/api/datasets/x", headers=headers)
            return answer.status_code, answer.json()["code"]

        assert await delete({}) == (403, "csrf-token-missing")
        assert await delete({"X-CSRF-Token": good[:-1]}) == (403, "csrf-token-missing")
        assert await delete({"X-CSRF-Token": ""}) == (403, "csrf-token-missing")
        assert await delete({"X-CSRF-Token": good}) == (404, "no-graph")
        evil = {"X-CSRF-Token": good, "Origin": "https://evil.example"}
        assert await delete(evil) == (403, "foreign-page")
        assert await delete({"Sec-Fetch-Site": "cross-site"}) == (403, "foreign-page")
        assert await status(client, headers={"Sec-Fetch-Site": "cross-site"}) == 403
        assert await status(client) == 200


async def test_a_foreign_page_signs_nobody_in(tmp_path):
    async with serving(tmp_path, "viewer") as (_, client):
        client.headers["Origin"] = "https://evil.example"
        assert (await sign_in(client, "viewer")).status_code == 403


async def test_wrong_names_and_passwords_get_one_answer(tmp_path):
    async with serving(tmp_path, "viewer", api_key="open-sesame") as (_, client):
        answers = [
            await sign_in(client, "viewer", "wrong"),
            await sign_in(client, "nobody"),
            await sign_in(client, "a\0b", "\ud800"[:0] or "x"),
        ]

    assert {(a.status_code, a.json()["detail"]) for a in answers} == {
        (401, "Name or password is wrong.")
    }
    assert not any("set-cookie" in a.headers for a in answers)


async def test_failed_attempts_make_the_next_wait_for_users_and_strangers_alike(tmp_path):
    async with serving(tmp_path, "viewer") as (_, client):
        for name in ("viewer", "nobody"):
            answers = [await sign_in(client, name, "wrong") for _ in range(ACCOUNT.free + 1)]
            assert [a.status_code for a in answers] == [401] * ACCOUNT.free + [429]
            assert answers[-1].json()["code"] == "too-many-attempts"
            assert int(answers[-1].headers["retry-after"]) == 1
        assert (await sign_in(client, "viewer")).status_code == 429

        async def signed_in() -> bool:
            return (await sign_in(client, "viewer")).status_code == 200

        await until(signed_in, seconds=10)
        answers = [await sign_in(client, "viewer", "wrong") for _ in range(ACCOUNT.free)]
        assert {a.status_code for a in answers} == {401}  # the count began anew


async def test_signing_out_ends_this_session_or_all_and_tokens_too(tmp_path):
    async with serving(tmp_path, "viewer") as (app, one), client_of(create_app(app)) as other:
        await sign_in(one, "viewer")
        await sign_in(other, "viewer")
        script = await token(other, "viewer")
        assert (await one.post("/api/auth/sign-out", json={})).status_code == 200
        assert await status(one) == 401
        assert await status(other) == 200

        await sign_in(one, "viewer")
        assert await status(one, headers={**script, "Cookie": ""}) == 200
        ended = await one.post("/api/auth/sign-out", json={"everywhere": True})

        assert ended.status_code == 200
        await refused_soon(other)
        async with client_of(create_app(app)) as bare:
            await refused_soon(bare, headers=script)


async def refused_soon(client: httpx.AsyncClient, seconds: float = 10, **more) -> None:
    async def refused() -> bool:
        return await status(client, **more) == 401

    await until(refused, seconds=seconds)


async def test_roles_removals_and_sign_outs_hold_in_other_processes_soon(tmp_path):
    async with (
        serving(tmp_path, "admin", "viewer") as (app, _),
        serving(tmp_path) as (second, other),
    ):
        await sign_in(other, "viewer")
        script = await token(other, "viewer")
        assert await status(other) == 200
        users = app.accounts.users

        await users.set_role(TESTER, "viewer", Role.ADMIN)

        async def promoted() -> bool:
            return await status(other, "/api/keys") == 200

        await until(promoted, seconds=10)
        await users.remove(TESTER, "viewer")
        await refused_soon(other)
        async with client_of(create_app(second)) as bare:
            await refused_soon(bare, headers=script)


async def test_a_token_is_for_scripts_and_needs_no_csrf_token(tmp_path):
    async with serving(tmp_path, "operator") as (_, client):
        headers = await token(client, "operator")

        assert await status(client, headers=headers) == 200
        deleted = await client.delete("/api/datasets/x", headers=headers)
        assert deleted.status_code == 404
        me = (await client.get("/api/auth/me", headers=headers)).json()
        assert (me["kind"], me["csrf_token"], me["user"]["name"]) == ("script", None, "operator")
        wrong = await client.post("/api/auth/token", json={"name": "operator", "password": "x"})
        assert wrong.status_code == 401


async def test_the_last_administrator_stays(tmp_path):
    async with serving(tmp_path, "admin") as (_, client):
        await sign_in(client, "admin")
        answers = [
            await client.delete("/api/users/admin"),
            await client.post("/api/users/admin/role", json={"role": "viewer"}),
        ]
        assert {(a.status_code, a.json()["code"]) for a in answers} == {(409, "last-admin")}

        second = {"name": "second", "role": "admin", "password": PASSWORD}
        assert (await client.post("/api/users", json=second)).status_code == 201
        taken = await client.post("/api/users", json={"name": "SECOND", "role": "viewer"})
        assert (taken.status_code, taken.json()["code"]) == (409, "name-taken")
        assert (await client.delete("/api/users/admin")).status_code == 200
        await refused_soon(client)


async def test_the_first_start_prints_a_link_that_works_once(tmp_path, capsys):
    async with serving(tmp_path, users=True) as (app, client):
        assert await status(client) == 401
        await print_set_up_link(app, "http://127.0.0.1:8000")
        found = re.search(r"http://127\.0\.0\.1:8000/sign-in#set-up=(\S+)", capsys.readouterr().err)
        assert found is not None
        wanted = {"token": found[1], "name": "ada", "password": PASSWORD}

        wrong = await client.post("/api/auth/set-up", json=wanted | {"token": "x" * 43})
        short = await client.post("/api/auth/set-up", json=wanted | {"password": "short"})
        done = await client.post("/api/auth/set-up", json=wanted)
        again = await client.post("/api/auth/set-up", json=wanted | {"name": "eve"})
        await print_set_up_link(app, "http://127.0.0.1:8000")

        assert (wrong.status_code, short.status_code) == (409, 422)
        assert (done.status_code, done.json()["user"]["role"]) == (200, "admin")
        assert await status(client) == 200
        assert (again.status_code, again.json()["code"]) == (409, "set-up-link-invalid")
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("listening", "public_url", "printed"),
    [
        ("http://0.0.0.0:8000", None, "http://localhost:8000"),
        ("http://[::]:8000", None, "http://localhost:8000"),
        ("http://[::1]:8000", None, "http://[::1]:8000"),
        ("http://10.0.0.7:8000", None, "http://10.0.0.7:8000"),
        ("http://0.0.0.0:8000", "https://agents.example/", "https://agents.example"),
    ],
)
async def test_the_link_is_one_that_a_browser_can_open(
    tmp_path, capsys, listening, public_url, printed
):
    async with opened(tmp_path, users=True, public_url=public_url) as app:
        await print_set_up_link(app, listening)

    assert f"\n  {printed}/sign-in#set-up=" in capsys.readouterr().err


@pytest.mark.parametrize(("host", "url"), [("::1", "http://[::1]:8"), ("h", "http://h:8")])
def test_the_url_of_an_address(host, url):
    assert url_of(host, 8) == url


SECRETS = [
    (model, name)
    for model in vars(users_schemas).values()
    if isinstance(model, type) and issubclass(model, RequestBody)
    for name, field in model.model_fields.items()
    if "SecretStr" in str(field.annotation)
]


@pytest.mark.parametrize(("model", "name"), SECRETS)
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("zq9" * 400, "must have at most "),
        (912912, "must be a string."),
        (["zq912"], "must be a string."),
    ],
)
def test_a_wrong_secret_is_refused_without_being_repeated(model, name, wrong, told):
    with pytest.raises(ValidationError) as refused:
        model.model_validate({name: wrong})

    faults = [{**each, "loc": ("body", *each["loc"])} for each in refused.value.errors()]
    error = InvalidRequestError([each for each in faults if each["type"] != "missing"])
    assert f"`{name}` {told}" in str(error)
    for part in ("zq9", "912", "item"):
        assert part not in str(error)
        assert part not in str(error.extensions)


async def test_a_short_password_is_not_repeated_either(tmp_path):
    async with serving(tmp_path, "admin") as (_, client):
        await sign_in(client, "admin")
        short = {"name": "eve", "role": "viewer", "password": "zq9-open-sesame"[:14]}
        answer = await client.post("/api/users", json=short)

    assert answer.status_code == 422
    assert "`password` must have at least 15 character(s)." in answer.json()["detail"]
    assert "zq9" not in answer.text


async def test_a_password_is_changed_by_its_owner_who_knows_it(tmp_path):
    async with serving(tmp_path, "viewer") as (_, client):
        await sign_in(client, "viewer")
        new = "another horse, another battery"
        wrong = {"former": "wrong", "password": new}
        assert (await client.post("/api/auth/password", json=wrong)).status_code == 401

        right = {"former": PASSWORD, "password": new}
        assert (await client.post("/api/auth/password", json=right)).status_code == 200

        await refused_soon(client)
        assert (await sign_in(client, "viewer")).status_code == 401
        assert (await sign_in(client, "viewer", new)).status_code == 200


async def test_a_key_is_no_user(tmp_path):
    async with serving(tmp_path, "viewer", api_key="open-sesame") as (_, client):
        headers = {"Authorization": "Bearer open-sesame"}
        for path, body in (
            ("sign-out", {}),
            ("password", {"former": PASSWORD, "password": PASSWORD}),
        ):
            answer = await client.post(f"/api/auth/{path}", json=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (409, "not-signed-in")
        me = (await client.get("/api/auth/me", headers=headers)).json()
        assert (me["id"], me["user"]) == ("api-key:bootstrap", None)


async def test_what_users_do_and_what_is_refused_is_in_the_audit_log(tmp_path):
    async with serving(tmp_path, "viewer") as (app, client):
        await sign_in(client, "viewer", "wrong-guess")
        await sign_in(client, "viewer")
        await client.post("/api/auth/sign-out", json={})
        counts = app.serving.refused.take(unfinished=True)

        async def entries() -> list[tuple[str, str]]:
            found = (await app.audit.entries(EntryFilter(), 50)).entries
            read = [Entry.parse(each.leaf) for each in found]
            return [(each.action, each.actor.id) for each in read if each.action[:4] == "user"]

        await until(lambda: _length(entries, 3))
        done = await entries()
        leaves = [each.leaf for each in (await app.audit.entries(EntryFilter(), 50)).entries]

    user = next(id_ for action, id_ in done if action == "user.signed_in")
    assert done == [
        ("user.signed_out", user),
        ("user.signed_in", user),
        ("user.created", TESTER.id),
    ]
    [count] = counts.values()
    assert dict(count.reasons) == {"sign-in-failed": 1}
    assert dict(count.routes) == {"auth": 1}
    assert not any(b"wrong-guess" in leaf or b"viewer" in leaf for leaf in leaves)


async def _length(read, least: int) -> bool:
    return len(await read()) >= least


async def test_no_password_and_no_session_is_stored_in_clear(tmp_path):
    async with serving(tmp_path, "viewer", session_hours=1) as (app, client):
        await sign_in(client, "viewer")
        script = (await token(client, "viewer"))["Authorization"].split()[1]
        session = client.cookies[PLAIN]
        dump = await app.audit.unit_of_work.read(_dump)

    for secret in (PASSWORD, script, session, client.headers["X-CSRF-Token"]):
        assert secret not in dump


async def _dump(stores) -> str:
    raw = await stores.connection.get_raw_connection()
    return "\n".join([line async for line in raw.driver_connection.iterdump()])
