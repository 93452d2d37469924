from __future__ import annotations

import asyncio
import gzip
import os
import time
import tracemalloc
import zlib
from functools import partial

import orjson
import pytest
import zstandard

from agentguard.bootstrap.app import App
from agentguard.traces.errors import IngestFullError
from agentguard.traces.store import SpanBatch
from agentguard.traces.validation import COSTLY
from agentguard.web import bodies
from agentguard.web.app import create_app
from tests.traces.spans import json, protobuf
from tests.web.serving import client_of, live_spans, opened, served, serving_of, until
from tests.web.systems import shop

pytestmark = pytest.mark.anyio

JSON = {"Content-Type": "application/json"}
MIB = 1024 * 1024


def zeros_gzipped(size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([*(packer.compress(bytes(MIB)) for _ in range(size // MIB)), packer.flush()])


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_300_mb_of_zeros_are_refused_without_being_held(tmp_path, encoding):
    body = (
        zeros_gzipped(300 * MIB)
        if encoding == "gzip"
        else zstandard.ZstdCompressor().compress(bytes(300 * MIB))
    )
    assert len(body) < MIB
    async with served(tmp_path, max_body_bytes=8 * MIB) as client:
        tracemalloc.start()
        try:
            answers = [
                await client.post(path, content=body, headers=JSON | {"Content-Encoding": encoding})
                for path in ("/v1/traces", "/v1/logs")
            ]
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert [answer.status_code for answer in answers] == [413, 413]
    assert "larger" in answers[0].json()["message"]
    assert peak < 64 * MIB


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_a_body_that_expands_too_much_is_refused_within_its_size_limit(tmp_path, encoding):
    zeros = bytes(40 * MIB)
    body = gzip.compress(zeros) if encoding == "gzip" else zstandard.compress(zeros)
    headers = JSON | {"Content-Encoding": encoding}
    async with served(tmp_path) as client:
        spans = await client.post("/v1/traces", content=body, headers=headers)
        scan = await client.post("/api/scan", content=body, headers=headers)

    assert [spans.status_code, scan.status_code] == [413, 413]
    assert "250 times" in spans.json()["message"]


async def test_bytes_are_counted_while_they_are_unpacked():
    held = 0

    def grow(size: int) -> None:
        nonlocal held
        if held + size > 3 * MIB:
            raise IngestFullError
        held += size

    body = gzip.compress(os.urandom(MIB) * 20)
    with pytest.raises(IngestFullError):
        await bodies.unpacked(body, "gzip", 64 * MIB, grow)
    assert MIB < held <= 3 * MIB

    held = 0
    content = os.urandom(2 * MIB + 5)
    assert await bodies.unpacked(gzip.compress(content), "gzip", 64 * MIB, grow) == content
    assert held == len(content)


async def test_a_delivery_of_too_many_empty_spans_is_refused_for_good(tmp_path):
    empty = b"\x0a\x00" * 700_000
    body = orjson.dumps({"resourceSpans": [{}]})[:-2] + b",{}" * 4_000_001 + b"]}"
    async with served(tmp_path) as client:
        protobuf = await client.post(
            "/v1/traces", content=empty, headers={"Content-Type": "application/x-protobuf"}
        )
        documents = await client.post("/v1/traces", content=body, headers=JSON)
        after = await client.post("/v1/traces", content=json([1]).body, headers=JSON)

    assert [protobuf.status_code, documents.status_code, after.status_code] == [400, 400, 200]
    assert b"500,000 spans" in protobuf.content
    assert "4,000,000 JSON values" in documents.json()["message"]


async def test_health_tells_of_bodies_that_were_too_costly_to_decode(tmp_path):
    async with opened(tmp_path) as app, client_of(create_app(app)) as client:

        async def workers(*, told: bool):
            answer = await client.get("/health/ready")
            found = answer.json()["parts"]["workers"]
            return found if answer.status_code == 200 and told == bool(found["detail"]) else None

        await until(partial(workers, told=False))
        serving_of(app).receiver.refused[COSTLY] = 1234
        after = await until(partial(workers, told=True))

    assert after["detail"].startswith("1,234 OTLP requests were refused")


async def test_a_scan_of_packed_zeros_is_refused(tmp_path):
    async with served(tmp_path, max_upload_bytes=8 * MIB) as client:
        packed = await client.post(
            "/api/scan",
            content=zeros_gzipped(30 * MIB),
            headers=JSON | {"Content-Encoding": "gzip"},
        )
        upload = await client.post(
            "/api/scan", files={"file": ("zeros.json.gz", zeros_gzipped(30 * MIB))}
        )
        large = await client.post("/api/scan", files={"file": ("zeros.json", bytes(9 * MIB))})

    assert (packed.status_code, packed.json()["code"]) == (413, "body-too-large")
    assert (upload.status_code, upload.json()["code"]) == (
        400,
        "no-usable-spans",
    )  # the first zeros show that it is no trace
    assert (large.status_code, large.json()["code"]) == (413, "body-too-large")
    assert list((tmp_path / "data" / "uploads").iterdir()) == []


async def test_the_limit_of_a_scan_holds_unpacked_whatever_says_that_it_is_packed(tmp_path):
    body = orjson.dumps(shop(40)) + b"\n"
    packed = gzip.compress(body)
    frames = b"".join(len(packed).to_bytes(4, "big") + packed for _ in range(3))
    async with served(tmp_path, max_upload_bytes=len(body) * 2) as client:
        answers = [
            await client.post("/api/scan", files={"file": ("u.json.gz", packed * 3)}),
            await client.post("/api/scan", content=packed * 3, headers=JSON),
            await client.post(
                "/api/scan", content=packed * 3, headers=JSON | {"Content-Encoding": "gzip"}
            ),
            await client.post("/api/scan", files={"file": ("u.bin", frames)}),
        ]
        fits = await client.post("/api/scan", files={"file": ("u.json.gz", packed * 2)})
        nothing = {
            dataset["name"] for dataset in (await client.get("/api/datasets")).json()["datasets"]
        } - {fits.json()["dataset"]}

    assert len(frames) < len(body)
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (413, "body-too-large")
    ] * 4
    assert fits.status_code == 200
    assert not nothing


async def test_a_job_whose_upload_unpacks_too_large_fails_and_says_so(tmp_path):
    packed = gzip.compress(orjson.dumps(shop(40)))
    async with served(tmp_path, max_upload_bytes=2 * len(packed), job_bytes=10) as client:
        accepted = await client.post("/api/scan", files={"file": ("u.json.gz", packed)})

        async def finished():
            job = (await client.get(accepted.headers["location"])).json()
            return job if job["state"] in ("succeeded", "failed") else None

        async def cleared():
            return not list((tmp_path / "data" / "uploads").iterdir())

        job = await until(finished)
        await until(cleared)

    assert (job["state"], job["error"]["code"]) == ("failed", "body-too-large")


@pytest.mark.parametrize("path", ["/api/simulate", "/api/playbook"])
async def test_json_requests_are_bounded_while_they_come_in(tmp_path, path):
    sent = 0

    async def endless():
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 64 * 1024

    async with served(tmp_path, max_body_bytes=MIB) as client:
        streamed = await client.post(path, content=endless(), headers=JSON)
        whole = await client.post(path, content=b" " * (MIB + 1), headers=JSON)
        fits = await client.post(path, content=b" " * 1000 + b'{"agent_id": "x"}', headers=JSON)

    assert [(answer.status_code, answer.json()["code"]) for answer in (streamed, whole)] == [
        (413, "body-too-large")
    ] * 2
    assert sent <= 18
    assert fits.json()["code"] == "no-graph"


async def test_more_scans_than_may_run_at_once_are_told_to_come_again(tmp_path, monkeypatch):
    begun, go = asyncio.Event(), asyncio.Event()
    async with (
        opened(tmp_path, scan_max_requests=1) as app,
        client_of(create_app(app)) as client,
        asyncio.TaskGroup() as tasks,
    ):
        accept = app.uploaded.accept

        async def slow(*arguments, **more):
            begun.set()
            await go.wait()
            return await accept(*arguments, **more)

        monkeypatch.setattr(type(app.uploaded), "accept", lambda _self, *a, **k: slow(*a, **k))
        first = tasks.create_task(client.post("/api/scan", json=shop(1)))
        await begun.wait()
        second = await client.post("/api/scan", json=shop(1))
        go.set()
        await asyncio.wait([first])
        third = await client.post("/api/scan", json=shop(1))

    assert (second.status_code, second.headers["retry-after"]) == (503, "1")
    assert (first.result().status_code, third.status_code) == (200, 200)


@pytest.mark.parametrize(
    ("path", "limit"),
    [("/api/scan", {"scan_max_requests": 1}), ("/v1/traces", {"ingest_max_requests": 1})],
)
async def test_slow_bodies_hold_no_slot(tmp_path, path, limit):
    begun, go = [asyncio.Event() for _ in range(5)], asyncio.Event()
    body = orjson.dumps(shop(1))

    async def slow(each: asyncio.Event):
        yield body[:5]
        each.set()
        await go.wait()
        yield body[5:]

    async with served(tmp_path, **limit) as client, asyncio.TaskGroup() as tasks:
        waiting = [
            tasks.create_task(client.post(path, content=slow(each), headers=JSON)) for each in begun
        ]
        for each in begun:
            await each.wait()
        quick = await client.post(path, content=body, headers=JSON)
        for task in waiting[1:]:
            task.cancel()
        await asyncio.wait(waiting[1:])
        go.set()
        first = await waiting[0]

    assert (quick.status_code, first.status_code) == (200, 200)


@pytest.mark.parametrize("path", ["/api/scan", "/v1/traces", "/api/simulate"])
async def test_a_body_that_trickles_is_given_up(tmp_path, monkeypatch, path):
    """Also one whose first part came quickly: the rate of its last seconds counts."""
    monkeypatch.setattr(bodies, "in_time", partial(bodies.in_time, slow_seconds=0.2))

    async def trickle():
        yield b" " * 100_000
        while True:
            yield b" "
            await asyncio.sleep(0.01)

    async with served(tmp_path) as client:
        answer = await client.post(path, content=trickle(), headers=JSON)

    assert answer.status_code == (503 if path == "/v1/traces" else 408)
    assert path == "/v1/traces" or answer.json()["code"] == "body-too-slow"
    assert not list((tmp_path / "data").glob("uploads/*"))


async def test_waiting_for_the_end_of_a_connection_takes_as_long_as_it_does():
    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive():
        if not messages:
            await asyncio.sleep(0.3)
            return {"type": "http.disconnect"}
        return messages.pop()

    patient = bodies.in_time(receive, slow_seconds=0.1)

    assert [(await patient())["type"] for _ in range(2)] == ["http.request", "http.disconnect"]


async def test_an_upload_that_never_ends_is_not_waited_for(tmp_path):
    async def slow():
        yield b"{"
        await asyncio.Event().wait()

    async with served(tmp_path, upload_seconds=0.1) as client:
        answer = await client.post("/api/scan", content=slow(), headers=JSON)

    assert (answer.status_code, answer.json()["code"]) == (408, "upload-too-slow")
    assert list((tmp_path / "data" / "uploads").iterdir()) == []


async def test_a_body_without_an_announced_length_is_bounded_too(tmp_path):
    async def endless():
        while True:
            yield bytes(64 * 1024)

    async with served(tmp_path, max_body_bytes=MIB, max_upload_bytes=MIB) as client:
        assert (await client.post("/v1/traces", content=endless(), headers=JSON)).status_code == 413
        assert (await client.post("/api/scan", content=endless(), headers=JSON)).status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(json([1]).body)[:-1],
        gzip.compress(json([1]).body)[:20],
        gzip.compress(json([1]).body)[:-8] + bytes(8),
        b"\x1f\x8b",
        b"",
        zstandard.ZstdCompressor().compress(json([1]).body),
    ],
    ids=["end", "beginning", "checksum", "magic", "empty", "zstd"],
)
async def test_damaged_gzip_is_a_bad_request(tmp_path, body):
    async with served(tmp_path) as client:
        answer = await client.post(
            "/v1/traces", content=body, headers=JSON | {"Content-Encoding": "gzip"}
        )

    assert (answer.status_code, answer.json()["code"]) == (400, 3)


async def test_gzip_members_one_after_the_other_are_one_body(tmp_path):
    body = json([1, 2]).body
    async with served(tmp_path) as client:
        packed = gzip.compress(body[:50]) + gzip.compress(body[50:])
        assert (
            await client.post(
                "/v1/traces", content=packed, headers=JSON | {"Content-Encoding": "gzip"}
            )
        ).status_code == 200


async def test_when_too_much_is_in_work_senders_are_told_to_come_again(tmp_path, monkeypatch):
    """A store that takes its time fills the places.

    Nothing of what was turned away is kept, all that was taken is.
    """
    go = asyncio.Event()
    async with opened(tmp_path, ingest_max_requests=3) as app, client_of(create_app(app)) as client:
        receiver, store = serving_of(app).receiver, serving_of(app).spans

        class Slow:
            async def append(self, batch: SpanBatch) -> None:
                await go.wait()
                await store.append(batch)

        monkeypatch.setattr(receiver, "store", Slow())
        async with asyncio.TaskGroup() as tasks:
            taken = [
                tasks.create_task(client.post("/v1/traces", content=json([n]).body, headers=JSON))
                for n in (1, 2, 3)
            ]
            await until(lambda: _places(app, 3))
            refused = await client.post("/v1/traces", content=json([4]).body, headers=JSON)
            also = await client.post(
                "/v1/traces",
                content=protobuf([5]).body,
                headers={"Content-Type": "application/x-protobuf"},
            )
            go.set()
        again = await client.post("/v1/traces", content=json([4]).body, headers=JSON)
        shown = await until(lambda: _shown(client, 4))

    assert [task.result().status_code for task in taken] == [200, 200, 200]
    assert (refused.status_code, refused.json()["code"], also.status_code) == (429, 8, 429)
    assert int(refused.headers["retry-after"]) >= 1
    assert again.status_code == 200
    assert shown == 4
    assert receiver.load.requests == receiver.load.bytes == 0


async def test_bytes_in_work_are_bounded(tmp_path):
    async with served(tmp_path, ingest_max_bytes=100_000) as client:
        answers = await asyncio.gather(
            *[
                client.post("/v1/traces", content=b" " * 60_000 + json([n]).body, headers=JSON)
                for n in range(1, 9)
            ]
        )

    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 429}


async def test_a_store_that_began_to_write_is_waited_for(tmp_path, monkeypatch):
    """What is answered with 503 is never stored, so there is no answer before the store's."""
    began, answered = asyncio.Event(), asyncio.Event()
    async with (
        opened(tmp_path, acknowledge_seconds=0.2) as app,
        client_of(create_app(app)) as client,
    ):

        class Hangs:
            async def append(self, _batch: SpanBatch) -> None:
                began.set()
                await answered.wait()

        monkeypatch.setattr(serving_of(app).receiver, "store", Hangs())
        posting = asyncio.create_task(
            client.post("/v1/traces", content=json([1]).body, headers=JSON)
        )
        await began.wait()
        await asyncio.sleep(0.5)
        waiting = not posting.done()
        answered.set()
        answer = await posting

    assert waiting
    assert answer.status_code == 200


async def test_a_body_that_never_ends_is_not_waited_for(tmp_path):
    async def slow():
        yield b"{"
        await asyncio.Event().wait()

    async with served(tmp_path, acknowledge_seconds=0.2) as client:
        assert (await client.post("/v1/traces", content=slow(), headers=JSON)).status_code == 503


async def test_deliveries_share_one_sync(tmp_path, monkeypatch):
    syncs: list[int] = []
    real = os.fdatasync

    def counted(handle: int) -> None:
        syncs.append(handle)
        time.sleep(0.05)  # so that what arrives meanwhile waits for the next one
        real(handle)

    monkeypatch.setattr(os, "fdatasync", counted)
    async with served(tmp_path) as client:
        answers = await asyncio.gather(
            *[
                client.post("/v1/traces", content=json([n]).body, headers=JSON)
                for n in range(1, 101)
            ]
        )
        shown = await until(lambda: _shown(client, 100))

    assert {answer.status_code for answer in answers} == {200}
    assert shown == 100
    assert len(syncs) < 50


async def test_deep_json_is_a_bad_request(tmp_path):
    deep = (
        orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": []}]}]})[:-1]
        + b","
        + b'"x":'
        + b"[" * 5000
        + b"]" * 5000
        + b"}"
    )
    async with served(tmp_path) as client:
        assert (await client.post("/v1/traces", content=deep, headers=JSON)).status_code == 400


async def _places(app: App, wanted: int) -> bool:
    return serving_of(app).receiver.load.requests >= wanted


async def _shown(client, wanted: int) -> int:
    shown = await live_spans(client)
    return shown if shown >= wanted else 0
