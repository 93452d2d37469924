"""API keys over HTTP: who may do what with them, from when and until when."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from agentguard.accounts.principal import EVERY_PERMISSION
from agentguard.adapters.sql.errors import DatabaseUnavailableError
from agentguard.audit.entries import Entry
from agentguard.audit.store import EntryFilter
from agentguard.bootstrap.app import App
from agentguard.web.app import create_app
from tests.web.serving import client_of, opened, until

pytestmark = pytest.mark.anyio

BOOTSTRAP = "open-sesame"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@asynccontextmanager
async def serving(folder: Path, **settings) -> AsyncIterator[tuple[App, httpx.AsyncClient]]:
    async with opened(folder, **settings) as app, client_of(create_app(app)) as client:
        yield app, client


async def created(client: httpx.AsyncClient, key: str | None, *scopes: str, **more) -> dict:
    answer = await client.post(
        "/api/keys",
        json={"name": "k", "scopes": scopes, **more},
        headers=bearer(key) if key else {},
    )
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


async def status(client: httpx.AsyncClient, key: str, path: str = "/api/datasets") -> int:
    return (await client.get(path, headers=bearer(key))).status_code


async def test_the_first_key_ends_access_without_credentials(tmp_path):
    async with serving(tmp_path) as (_, client):
        assert (await client.get("/api/datasets")).status_code == 200

        admin = await created(client, None, "admin", "read")

        async def refused() -> bool:
            return (await client.get("/api/datasets")).status_code == 401

        await until(refused, seconds=5)
        assert await status(client, admin["key"]) == 200
        assert await status(client, admin["key"], "/api/keys") == 200
        assert (await client.get("/health/live")).status_code == 200


async def test_a_key_may_do_what_its_scopes_say_and_nothing_else(tmp_path):
    async with serving(tmp_path, api_key=BOOTSTRAP) as (_, client):
        for scope in EVERY_PERMISSION:
            key = (await created(client, BOOTSTRAP, scope))["key"]
            answers = {
                "read": await client.get("/api/datasets", headers=bearer(key)),
                "admin": await client.get("/api/keys", headers=bearer(key)),
                "ingest": await client.post(
                    "/v1/traces", content=b"{}", headers={**bearer(key), **JSON}
                ),
                "operate": await client.delete("/api/datasets/x", headers=bearer(key)),
                "simulate": await client.post(
                    "/api/simulate", json={"agent_id": "x"}, headers=bearer(key)
                ),
            }

            assert {each for each, a in answers.items() if a.status_code != 403} == {scope}


JSON = {"Content-Type": "application/json"}


async def test_the_secret_is_shown_once_and_neither_listed_nor_stored_nor_logged(
    tmp_path, caplog, capfd
):
    caplog.set_level(logging.DEBUG)
    async with serving(tmp_path, api_key=BOOTSTRAP, debug=True) as (app, client):
        made = await created(client, BOOTSTRAP, "read", expires="90d")
        listed = await client.get("/api/keys", headers=bearer(BOOTSTRAP))
        assert await status(client, made["key"]) == 200
        assert await status(client, made["key"] + "x") == 401
        entries = await app.audit.entries(EntryFilter(action="key.created"), 10)
        database = await app.audit.unit_of_work.read(_dump)

    secret = made["key"].removeprefix(made["prefix"] + "_")
    assert listed.json()["keys"] == [{k: v for k, v in made.items() if k != "key"}]
    assert len(secret) == 43
    for place in (listed.text, str(entries), database, caplog.text, *capfd.readouterr()):
        assert secret not in place


async def _dump(stores) -> str:
    raw = await stores.connection.get_raw_connection()
    return "\n".join([line async for line in raw.driver_connection.iterdump()])


async def test_keys_expire_rotate_and_are_revoked(tmp_path):
    async with serving(tmp_path, api_key=BOOTSTRAP) as (_, client):
        admin = bearer(BOOTSTRAP)
        made = await created(client, BOOTSTRAP, "read")
        path = f"/api/keys/{made['id']}"

        rotated = (await client.post(f"{path}/rotate", json={}, headers=admin)).json()
        assert rotated["key"] != made["key"]
        assert rotated["prefix"] == made["prefix"]
        await gone(client, made["key"])
        assert await status(client, rotated["key"]) == 200

        overlapping = await client.post(
            f"{path}/rotate", json={"overlap_seconds": 60}, headers=admin
        )
        assert await status(client, rotated["key"]) == 200
        assert await status(client, overlapping.json()["key"]) in (200, 401)  # read 0.5 s ago

        expired = await client.post(f"{path}/expire", json={"expires": "0s"}, headers=admin)
        assert expired.json()["state"] == "expired"
        await gone(client, overlapping.json()["key"])
        await client.post(f"{path}/expire", json={"expires": None}, headers=admin)
        await back(client, overlapping.json()["key"])

        revoked = await client.delete(path, headers=admin)
        assert revoked.json()["state"] == "revoked"
        await gone(client, overlapping.json()["key"])
        assert (await client.post(f"{path}/rotate", json={}, headers=admin)).status_code == 409
        unknown = await client.delete("/api/keys/nothing", headers=admin)
        assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown-key")


async def gone(client: httpx.AsyncClient, key: str, seconds: float = 10) -> None:
    async def refused() -> bool:
        return await status(client, key) == 401

    await until(refused, seconds=seconds)


async def back(client: httpx.AsyncClient, key: str) -> None:
    async def accepted() -> bool:
        return await status(client, key) == 200

    await until(accepted, seconds=5)


@pytest.mark.parametrize(
    ("body", "status_code"),
    [
        ({"name": "k", "scopes": []}, 422),
        ({"name": "k", "scopes": ["root"]}, 422),
        ({"name": " ", "scopes": ["read"]}, 422),
        ({"name": "a\nb", "scopes": ["read"]}, 422),
        ({"name": "k", "scopes": ["read"], "expires": "2020-01-01T00:00:00Z"}, 422),
        ({"name": "k", "scopes": ["read"], "expires": "500w"}, 201),
        ({"name": "k", "scopes": ["read"], "expires": "9000w"}, 422),
        ({"name": "k", "scopes": ["read"], "expires": "soon"}, 400),
    ],
)
async def test_impossible_keys_are_refused(tmp_path, body, status_code):
    async with serving(tmp_path) as (_, client):
        answer = await client.post("/api/keys", content=json.dumps(body), headers=JSON)

        assert answer.status_code == status_code


async def test_every_change_leaves_an_entry_with_its_actor(tmp_path):
    async with serving(tmp_path, api_key=BOOTSTRAP) as (app, client):
        admin = await created(client, BOOTSTRAP, "admin")
        made = await created(client, admin["key"], "read")
        path, headers = f"/api/keys/{made['id']}", bearer(admin["key"])
        await client.post(f"{path}/rotate", json={}, headers=headers)
        await client.post(f"{path}/expire", json={"expires": "1d"}, headers=headers)
        await client.delete(path, headers=headers)
        await client.delete(path, headers=headers)
        found = EntryFilter(object=made["id"])

        async def entered() -> bool:
            return len((await app.audit.entries(found, 10)).entries) == 4

        await until(entered)
        entries = (await app.audit.entries(found, 10)).entries

    assert [Entry.parse(each.leaf).action for each in reversed(entries)] == [
        "key.created",
        "key.rotated",
        "key.expiry_changed",
        "key.revoked",
    ]
    assert {Entry.parse(each.leaf).actor.id for each in entries} == {f"api-key:{admin['id']}"}


async def test_what_one_process_revokes_is_refused_by_another_soon(tmp_path):
    async with (
        serving(tmp_path, api_key=BOOTSTRAP) as (_, one),
        serving(tmp_path, api_key=BOOTSTRAP) as (_, other),
    ):
        made = await created(one, BOOTSTRAP, "read")
        assert await status(other, made["key"]) == 200

        await one.delete(f"/api/keys/{made['id']}", headers=bearer(BOOTSTRAP))

        await gone(other, made["key"])


async def test_the_last_use_is_listed(tmp_path):
    async with serving(tmp_path, api_key=BOOTSTRAP) as (app, client):
        made = await created(client, BOOTSTRAP, "read")
        assert made["last_used_at"] is None
        await status(client, made["key"])

        await app.accounts.identities.store_uses()

        listed = await client.get("/api/keys", headers=bearer(BOOTSTRAP))
        assert listed.json()["keys"][0]["last_used_at"] > made["created_at"]


async def test_while_the_database_is_unreachable_the_bootstrap_key_still_works(
    tmp_path, monkeypatch
):
    async with serving(tmp_path, api_key=BOOTSTRAP) as (app, client):
        made = await created(client, BOOTSTRAP, "read", "ingest")
        await _make_unreachable(app, monkeypatch)

        refused = await client.get("/api/datasets", headers=bearer(made["key"]))
        delivery = await client.post(
            "/v1/traces", content=b"{}", headers={**bearer(made["key"]), **JSON}
        )
        accepted = await client.get("/docs", headers=bearer(BOOTSTRAP))

    assert (refused.status_code, delivery.status_code) == (503, 503)
    assert "retry-after" in refused.headers
    assert accepted.status_code == 200


async def _make_unreachable(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unreachable:
        async def read(self, _work):
            raise DatabaseUnavailableError("db", "gone", "Start it.")

        run = read

    monkeypatch.setattr(app.accounts.identities, "_unit_of_work", Unreachable())


async def test_an_installation_with_one_key_goes_on_as_it_was(tmp_path):
    async with serving(tmp_path, api_key=BOOTSTRAP) as (_, client):
        assert await status(client, BOOTSTRAP) == 200
        assert (await client.get("/api/keys", headers=bearer(BOOTSTRAP))).json()["keys"] == []
        assert await status(client, "ag_000000000000_" + 43 * "A") == 401
        made = await created(client, BOOTSTRAP, "read")
        assert await status(client, BOOTSTRAP) == 200
        assert await status(client, made["key"]) == 200
