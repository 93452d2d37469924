"""The audit log over HTTP: entries, proofs and checks, each from one snapshot."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from agentguard.audit.anchoring import Anchor, AnchorState, Receipt
from agentguard.audit.anchors import AnchorReceipt
from agentguard.audit.bundles import Bundle
from agentguard.audit.checkpoints import SignedCheckpoint
from agentguard.audit.documents import verification_document
from agentguard.audit.encoding import parse_base64
from agentguard.audit.merkle import digest, leaf_hash, verify_consistency, verify_inclusion
from agentguard.audit.recording import AuditTrail
from agentguard.audit.verification import Outcome, Trust, verify_bundle
from agentguard.audit.verifying import OriginalData, VerificationService
from agentguard.bootstrap import opening
from agentguard.bootstrap.app import App
from agentguard.bootstrap.audit_keys import verifier_of
from agentguard.bootstrap.auditing import key_of
from agentguard.web.app import create_app
from tests.acting import TESTER
from tests.audit.logs import Chain, receipt
from tests.web.serving import client_of, opened, until

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _nothing_is_entered_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The logs of these tests hold only what the tests append."""

    async def nothing(*_: object) -> None:
        pass

    monkeypatch.setattr(opening, "enter_startup_facts", nothing)


SECRET = "sk-planted-in-a-payload"
TX_HASH = "0x" + "ab" * 32


async def append(app: App, *objects: str, action: str = "dataset.deleted") -> None:
    async def work(stores) -> None:
        for each in objects:
            await AuditTrail().record(
                stores.audit, TESTER, action, object_id=each, payload={"note": SECRET}
            )

    await app.audit.unit_of_work.run(work)


async def sequenced(app: App, size: int) -> None:
    async def done() -> bool:
        newest = await app.audit.checkpoint()
        return size == 0 or (newest is not None and newest.size >= size)

    await until(done)


@asynccontextmanager
async def log_of(
    directory: Path, *objects: str, **settings
) -> AsyncIterator[tuple[App, httpx.AsyncClient]]:
    async with opened(directory, **settings) as app, client_of(create_app(app)) as client:
        await append(app, *objects)
        await sequenced(app, len(objects))
        yield app, client


async def answer(client: httpx.AsyncClient, path: str, status: int = 200, **parameters) -> dict:
    found = await client.get(path, params=parameters)
    assert found.status_code == status, found.text
    return found.json()


async def test_entries_are_listed_filtered_and_paged(tmp_path):
    async with log_of(tmp_path, "a", "b", "a") as (app, client):
        await append(app, "a", action="scan.stored")
        await sequenced(app, 4)
        whole = await answer(client, "/api/audit/entries")
        page = await answer(client, "/api/audit/entries", limit=3)
        rest = await answer(client, "/api/audit/entries", limit=3, before=page["next"])

        async def found(**wanted) -> list[int]:
            document = await answer(client, "/api/audit/entries", **wanted)
            return [entry["index"] for entry in document["entries"]]

        assert await found(object="a") == [3, 2, 0]
        assert await found(object="a", action="dataset.deleted") == [2, 0]
        assert await found(actor="nobody") == []
        assert await found(since="1h") == [3, 2, 1, 0]
        assert await found(until="1h") == []

    assert (whole["size"], whole["pending"], whole["next"]) == (4, 0, None)
    assert page["entries"] + rest["entries"] == whole["entries"]
    assert rest["next"] is None


async def test_one_entry_is_shown_and_a_missing_one_is_a_problem(tmp_path):
    async with log_of(tmp_path, "a") as (_, client):
        entry = await answer(client, "/api/audit/entries/0")
        missing = await answer(client, "/api/audit/entries/1", 404)
        unproven = await answer(client, "/api/audit/proof/1", 404)
        wrong = [
            await answer(client, f"/api/audit/{path}", 422)
            for path in ("entries/-1", "entries/x", f"proof/{2**63}", "consistency?from=0")
        ]

    assert (entry["object"], entry["payload"]) == ("a", {"note": SECRET})
    assert missing["code"] == unproven["code"] == "unknown-entry"
    assert {each["code"] for each in wrong} == {"invalid-request"}


async def test_without_an_entry_there_is_no_checkpoint(tmp_path):
    async with log_of(tmp_path) as (_, client):
        for path in ("/api/audit/checkpoint", "/log/checkpoint"):
            assert (await answer(client, path, 404))["code"] == "unknown-checkpoint"


async def test_a_proof_verifies_by_its_members_alone(tmp_path):
    async with log_of(tmp_path, *"abcde") as (_, client):
        proof = await answer(client, "/api/audit/proof/3")
        checkpoint = await answer(client, "/api/audit/checkpoint")

    leaf = digest(bytes.fromhex(proof["data_hash"]), "test")
    steps = [parse_base64(step, "test") for step in proof["proof"]]
    root = digest(bytes.fromhex(proof["checkpoint"]["root"]), "test")
    verify_inclusion(leaf, 3, proof["checkpoint"]["size"], steps, root)
    assert proof["checkpoint"]["note"] == checkpoint["note"]
    assert proof["checkpoint"]["time"] == checkpoint["time"] is not None
    assert [(s["kind"], s["outcome"]) for s in checkpoint["signatures"]] == [("log", "verified")]


@pytest.mark.parametrize(
    ("query", "headers"), [("?format=tlog-proof", {}), ("", {"Accept": "text/plain"})]
)
async def test_a_proof_is_also_a_file_for_the_verifier(tmp_path, query, headers):
    async with log_of(tmp_path, "a", "b") as (app, client):
        file = await client.get(f"/api/audit/proof/1{query}", headers=headers)
        key = await verifier_of(app)

    assert file.headers["content-type"].startswith("text/plain")
    assert 'filename="entry-1.tlog-proof"' in file.headers["content-disposition"]
    assert verify_bundle(file.content, Trust(keys=(key,))).outcome is Outcome.VERIFIED


async def test_a_proof_can_be_had_in_an_older_checkpoint(tmp_path):
    async with log_of(tmp_path, "a", "b") as (app, client):
        await append(app, "c")
        await sequenced(app, 3)
        old = await answer(client, "/api/audit/proof/1", size=2)
        uncovered = await answer(client, "/api/audit/proof/2", 404, size=2)
        unknown = await answer(client, "/api/audit/proof/0", 404, size=999)

    assert old["checkpoint"]["size"] == 2
    assert (uncovered["code"], unknown["code"]) == ("unknown-entry", "unknown-checkpoint")


async def test_two_checkpoints_are_proven_to_be_of_one_log(tmp_path):
    async with log_of(tmp_path, "a", "b") as (app, client):
        old = SignedCheckpoint.parse((await client.get("/log/checkpoint")).content).checkpoint
        await append(app, *"cdefg")
        await sequenced(app, 7)
        new = SignedCheckpoint.parse((await client.get("/log/checkpoint")).content).checkpoint
        document = await answer(client, "/api/audit/consistency", **{"from": 2})
        lines = await client.get(
            "/api/audit/consistency?from=2&to=7", headers={"Accept": "text/plain"}
        )
        wrong = await answer(client, "/api/audit/consistency", 400, **{"from": 8})

    assert (document["from"], document["to"], wrong["code"]) == (2, 7, "bad-audit-range")
    assert lines.text.splitlines() == document["proof"]
    steps = [parse_base64(step, "test") for step in document["proof"]]
    verify_consistency(old.size, old.root, new.size, new.root, steps)


async def test_sizes_match_while_the_log_grows(tmp_path):
    """Every proof and bundle is of one snapshot, while another task appends and sequences."""
    async with log_of(tmp_path, "a") as (app, client):
        key = await verifier_of(app)

        async def appending() -> None:
            while True:
                await append(app, "more")
                await asyncio.sleep(0.01)

        running = asyncio.create_task(appending())
        seen: set[int] = set()
        while len(seen) < 3:
            file = await client.get("/api/audit/proof/0?format=tlog-proof")
            report = verify_bundle(file.content, Trust(keys=(key,)))
            assert report.outcome is Outcome.VERIFIED, report
            proof = await answer(client, "/api/audit/proof/0")
            verify_inclusion(
                digest(bytes.fromhex(proof["data_hash"]), "test"),
                0,
                proof["checkpoint"]["size"],
                [parse_base64(step, "test") for step in proof["proof"]],
                digest(bytes.fromhex(proof["checkpoint"]["root"]), "test"),
            )
            seen.add(proof["checkpoint"]["size"])
        running.cancel()
        await asyncio.wait([running])


def outcomes(document: dict) -> dict[str, str]:
    return {check["check"]: check["outcome"] for check in document["checks"]}


@pytest.mark.parametrize("as_text", [True, False])
async def test_a_bundle_is_verified_against_this_log(tmp_path, as_text):
    async with log_of(tmp_path, "a", "b") as (app, client):
        file = (await client.get("/api/audit/proof/1?format=tlog-proof")).text
        await append(app, "c")
        await sequenced(app, 3)

        async def verified(text: str) -> dict:
            body = {"content": text} if as_text else {"json": {"bundle": text}}
            headers = {"Content-Type": "text/plain"} if as_text else {}
            found = await client.post("/api/audit/verify", headers=headers, **body)
            assert found.status_code == 200
            return found.json()

        good = await verified(file)
        bad = await verified(file.replace("index 1", "index 0"))
        none = await verified("no proof")

    assert (good["verified"], good["outcome"]) == (True, "verified")
    assert outcomes(good)["signature"] == outcomes(good)["checkpoint"] == "verified"
    assert outcomes(good)["anchor"] == "not checkable"
    assert (good["chain"], good["tx_hash"], good["block"], good["timestamp"]) == (None,) * 4
    assert (bad["verified"], outcomes(bad)["inclusion"]) == (False, "failed")
    assert (none["verified"], none["data_hash"]) == (False, None)


async def test_a_bundle_of_another_log_is_not_verified(tmp_path):
    async with log_of(tmp_path / "one", "a") as (_, other):
        file = (await other.get("/api/audit/proof/0?format=tlog-proof")).text
    async with log_of(tmp_path / "two", "a") as (_, client):
        found = (await client.post("/api/audit/verify", json={"bundle": file})).json()

    assert (found["verified"], found["outcome"]) == (False, "failed")
    assert outcomes(found)["signature"] == outcomes(found)["checkpoint"] == "failed"


async def test_without_an_anchor_original_data_are_not_called_verified(tmp_path):
    async with log_of(tmp_path, "a", "b") as (_, client):
        proof = await answer(client, "/api/audit/proof/1")
        body = {"tx_hash": TX_HASH, "data": proof["data"]}
        found = (await client.post("/api/audit/verify", json=body)).json()
        body["data"]["payload"]["note"] = "changed"
        changed = (await client.post("/api/audit/verify", json=body)).json()
        body["data"]["entry"]["action"] = "nothing.done"
        unknown = (await client.post("/api/audit/verify", json=body)).json()

    assert (found["verified"], found["outcome"]) == (None, "not checkable")
    assert found["data_hash"] == proof["data_hash"]
    assert outcomes(found)["inclusion"] == outcomes(found)["payload"] == "verified"
    anchor = found["checks"][-1]
    assert (anchor["check"], anchor["outcome"]) == ("anchor", "not checkable")
    assert f"knows of no anchor by transaction {TX_HASH}" in anchor["detail"]
    assert (outcomes(changed)["payload"], changed["outcome"]) == ("failed", "failed")
    assert (unknown["checks"][0]["detail"], unknown["verified"]) == (
        "this log has no entry with these data",
        False,
    )


@pytest.mark.parametrize(
    ("index", "changes", "outcome"),
    [
        (1, {}, "verified"),
        (2, {}, "failed"),
        (1, {"finalised": False}, "not checkable"),
        (1, {"block_hash": "0x" + "cc" * 32}, "failed"),
    ],
    ids=["anchored", "anchored before it", "not final", "reorganised"],
)
async def test_an_anchored_entry_is_verified_by_its_transaction(tmp_path, index, changes, outcome):
    async with log_of(tmp_path, "a", "b") as (app, _):
        signed = SignedCheckpoint.parse((await app.audit.published()).note)
        await append(app, "c")
        await sequenced(app, 3)
        anchored: AnchorReceipt = replace(receipt(signed), tx_hash=TX_HASH)
        stored = Anchor(
            2,
            signed.note.encode(),
            created_at=1,
            state=AnchorState.FINALISED,
            receipt=Receipt(anchored, gas_used=1, gas_price=1),
        )
        await app.audit.unit_of_work.run(lambda stores: stores.anchors.add(stored))
        service = VerificationService(
            app.audit, await verifier_of(app), Chain.of(anchored, **changes)
        )
        bundle = await app.audit.bundle(index)
        found = await service.original(data_of(bundle), TX_HASH)

    assert found.outcome == found.report.checks[-1].outcome == outcome, found.report
    known = {"verified": True, "failed": False, "not checkable": None}
    document = verification_document(found)
    assert document["verified"] is known[outcome]
    assert document["data_hash"] == leaf_hash(bundle.leaf).hex()
    assert (document["tx_hash"], document["chain_id"]) == (TX_HASH, 80002 if index == 1 else None)


def data_of(bundle: Bundle) -> OriginalData:
    assert bundle.payload is not None
    return OriginalData(
        json.loads(bundle.leaf), json.loads(bundle.payload.canonical), bundle.payload.salt.hex()
    )


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "invalid-request"),
        ({"bundle": "x", "tx_hash": TX_HASH}, 422, "invalid-request"),
        ({"tx_hash": TX_HASH}, 422, "invalid-request"),
        ({"tx_hash": "0x12", "data": {"entry": {}}}, 422, "invalid-request"),
        ({"bundle": "x", "more": 1}, 422, "invalid-request"),
        ('{"bundle": "a", "bundle": "b"}', 400, "audit-format"),
        ("[" * 1000, 400, "audit-format"),
        ('{"bundle": "' + "x" * (3 << 20) + '"}', 413, "body-too-large"),
    ],
)
async def test_other_bodies_are_problems(tmp_path, body, status, code):
    async with log_of(tmp_path) as (_, client):
        content = body if isinstance(body, str) else json.dumps(body)
        found = await client.post(
            "/api/audit/verify", content=content, headers={"Content-Type": "application/json"}
        )

    assert (found.status_code, found.json()["code"]) == (status, code)


async def test_reading_and_verifying_leave_no_entry(tmp_path):
    async with log_of(tmp_path, "a") as (_, client):
        proof = await answer(client, "/api/audit/proof/0")
        await client.post("/api/audit/verify", json={"tx_hash": TX_HASH, "data": proof["data"]})
        after = await answer(client, "/api/audit/entries")

    assert (after["size"], after["pending"]) == (1, 0)


def keys_of(documents: Sequence[dict]) -> set[str]:
    return {document["key"] for document in documents}


async def test_the_key_in_a_proof_is_that_of_the_server(tmp_path):
    async with log_of(tmp_path, "a") as (app, client):
        proofs = [await answer(client, "/api/audit/proof/0")]
        served = (await client.get("/log/key")).text.strip()

    assert keys_of(proofs) == {served} == {key_of(app.settings).verifier.encode()}
