"""/log: the hashes of the audit log, and nothing else."""

from __future__ import annotations

import asyncio
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentguard.audit.handovers import Handover, KeyChain
from agentguard.audit.keys import SigningKey
from agentguard.audit.merkle import leaf_hash
from agentguard.audit.monitor import Finding, observe
from agentguard.audit.rotation import KeyRotation
from agentguard.audit.tiles import tiles
from agentguard.bootstrap import opening
from agentguard.bootstrap.audit_keys import verifier_of
from agentguard.bootstrap.auditing import key_of
from agentguard.kernel.clock import system_clock
from agentguard.web.app import create_app
from tests.acting import TESTER
from tests.audit.logs import Files
from tests.web.serving import client_of
from tests.web.test_audit import SECRET, append, log_of, sequenced

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _nothing_is_entered_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The logs of these tests hold only what the tests append."""

    async def nothing(*_: object) -> None:
        pass

    monkeypatch.setattr(opening, "enter_startup_facts", nothing)


async def test_the_published_files_are_a_log_that_a_monitor_accepts(tmp_path):
    async with log_of(tmp_path, *map(str, range(300))) as (app, client):
        size = (await app.audit.published()).size
        paths = ["checkpoint", *(tile.path for tile in tiles(size))]
        files = {path: (await client.get(f"/log/{path}")).content for path in paths}
        keys = KeyChain.follow([await verifier_of(app)])

    assert observe(Files(files), keys, None).finding is Finding.FIRST_SEEN
    assert not any(SECRET.encode() in content for content in files.values())


async def test_a_tile_holds_leaf_hashes_only(tmp_path):
    async with log_of(tmp_path, "a", "b") as (app, client):
        tile = (await client.get("/log/tile/0/000.p/2")).content
        entries = [await app.audit.entry(index) for index in (0, 1)]

    assert tile == b"".join(leaf_hash(entry.leaf) for entry in entries)


async def test_tiles_may_be_kept_for_ever_and_checkpoints_for_a_second(tmp_path):
    async with log_of(tmp_path, "a", "b", audit_log_public=True) as (app, client):
        tile = await client.get("/log/tile/0/000.p/1")
        checkpoint = await client.get("/log/checkpoint")
        await append(app, "c")
        await sequenced(app, 3)
        again = await client.get("/log/tile/0/000.p/1")
        tag = {"If-None-Match": tile.headers["etag"]}
        unchanged = await client.get("/log/tile/0/000.p/1", headers=tag)
        stale = {"If-None-Match": checkpoint.headers["etag"]}
        newer = await client.get("/log/checkpoint", headers=stale)

    assert tile.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert checkpoint.headers["cache-control"] == "public, max-age=1"
    assert tile.headers["content-type"] == "application/octet-stream"
    assert tile.headers["etag"] == f'"{sha256(tile.content).hexdigest()[:32]}"'
    assert again.content == tile.content
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert (newer.status_code, newer.content != checkpoint.content) == (200, True)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("tile/0/001", 404, "audit-hash-missing"),
        ("tile/0/000", 404, "audit-hash-missing"),
        ("tile/0/000.p/3", 404, "audit-hash-missing"),
        ("tile/1/000.p/1", 404, "audit-hash-missing"),
        ("tile/63/x999/999", 404, "audit-hash-missing"),
        ("tile/entries/000", 404, "entries-not-published"),
        ("tile/entries/000.p/2", 404, "entries-not-published"),
        ("tile/0/0", 400, "audit-format"),
        ("tile/64/000", 400, "audit-format"),
        ("tile/0/000.p/0", 400, "audit-format"),
        ("tile/0/000.p/256", 400, "audit-format"),
        ("tile/0/%2e%2e/checkpoint", 400, "audit-format"),
        ("tile/0/000?full=1", 422, "unknown-parameter"),
        ("entries", 404, "not-found"),
    ],
)
async def test_other_paths_are_problems(tmp_path, path, status, code):
    async with log_of(tmp_path, "a", "b") as (_, client):
        found = await client.get(f"/log/{path}")

    assert (found.status_code, found.json()["code"]) == (status, code)


async def test_any_path_of_a_tile_is_answered_or_refused(tmp_path):
    async with log_of(tmp_path, "a", "b") as (_, client):
        texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
        near = st.from_regex(
            r"[0-9]{1,2}/(x[0-9]{3}/){0,7}[0-9]{3}(\.p/[0-9]{1,3})?", fullmatch=True
        )
        found: list[int] = []

        @settings(max_examples=150, suppress_health_check=list(HealthCheck), deadline=None)
        @given(texts | near)
        def draw(path: str) -> None:
            paths.append(path)

        paths: list[str] = []
        draw()
        for path in paths:
            url = client.base_url.join("/log/tile/x").copy_with(
                raw_path=b"/log/tile/" + _quoted(path)
            )
            found.append((await client.get(url)).status_code)

    assert set(found) <= {200, 400, 404}
    assert {400, 404} <= set(found)


def _quoted(path: str) -> bytes:
    return "".join(f"%{byte:02X}" for byte in path.encode()).encode()


@pytest.mark.parametrize("public", [True, False])
async def test_without_a_key_only_a_public_log_is_read(tmp_path, public):
    settings_ = {"api_key": "open-sesame", "audit_log_public": public}
    async with log_of(tmp_path, "a", **settings_) as (app, client):
        status = (await client.get("/log/checkpoint")).status_code
        with_key = {"Authorization": "Bearer open-sesame"}
        known = await client.get("/log/checkpoint", headers=with_key)
        entries = (await client.get("/api/audit/entries")).status_code
        posted = (await client.post("/log/checkpoint")).status_code
        async with client_of(create_app(app), peer=("8.8.8.8", 1)) as stranger:
            remote = (await stranger.get("/log/tile/0/000.p/1")).status_code

    assert (status, remote) == ((200, 200) if public else (401, 401))
    assert known.status_code == 200
    assert known.headers["cache-control"].startswith("public" if public else "private")
    assert (entries, posted) == (401, 401)


@pytest.mark.parametrize("public", [True, False])
async def test_without_any_key_only_a_public_log_is_read_from_elsewhere(tmp_path, public):
    async with (
        log_of(tmp_path, "a", audit_log_public=public) as (app, _),
        client_of(create_app(app), peer=("8.8.8.8", 1)) as stranger,
    ):
        log = (await stranger.get("/log/checkpoint")).status_code
        api = (await stranger.get("/api/audit/checkpoint")).status_code

    assert (log, api) == (200 if public else 403, 403)


async def test_hand_overs_are_served_by_number(tmp_path):
    async with log_of(tmp_path, "a") as (app, client):
        before = await client.get("/log/handover/0")
        key = await asyncio.to_thread(key_of, app.settings)
        next_key = SigningKey(key.name, bytes(32))
        await KeyRotation(app.audit.unit_of_work, system_clock).rotate(TESTER, key, next_key)
        first = await client.get("/log/handover/0")
        second = await client.get("/log/handover/1")
        odd = (await client.get("/log/handover/-1")).status_code

    assert (before.status_code, before.json()["code"]) == (404, "audit-hash-missing")
    assert Handover.parse(first.content).new == next_key.verifier
    assert first.headers["cache-control"] == "private, max-age=60"
    assert (second.status_code, odd) == (404, 422)


async def test_requests_to_the_log_are_limited_like_others(tmp_path):
    async with log_of(tmp_path, "a", rate_limit=2) as (_, client):
        found = [(await client.get("/log/checkpoint")).status_code for _ in range(3)]

    assert found == [200, 200, 429]
