"""A full, read-only or broken disk: one answer on every route, one line in the log."""

from __future__ import annotations

import errno

import pytest
from structlog.testing import capture_logs

from agentguard.kernel.errors import storage_error
from agentguard.traces.errors import RpcCode
from agentguard.web import storage
from agentguard.web.app import create_app
from agentguard.web.otlp import failure_of
from agentguard.web.repetition import Repetition
from tests.traces.spans import json
from tests.web.serving import client_of, opened, serving_of
from tests.web.systems import shop

pytestmark = pytest.mark.anyio

FULL = OSError(errno.ENOSPC, "No space left on device")
JSON = {"Content-Type": "application/json"}
REQUESTS = [
    ("GET", "/api/graph", None),
    ("GET", "/api/agents", None),
    ("GET", "/api/datasets", None),
    ("GET", "/api/components/x", None),
    ("GET", "/api/analysis", None),
    ("GET", "/api/jobs", None),
    ("GET", "/api/jobs/x", None),
    ("POST", "/api/simulate", b'{"agent_id":"x"}'),
    ("POST", "/api/simulate", b'{"agent_id":"x","background":true}'),
    ("POST", "/api/playbook", b'{"agent_id":"x"}'),
    ("DELETE", "/api/datasets/x", None),
]


@pytest.fixture(autouse=True)
def fresh_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_UNAVAILABLE", Repetition("storage_unavailable"))


@pytest.mark.parametrize("error", [FULL, storage_error(FULL)], ids=["raw", "declared"])
async def test_a_full_disk_is_507_on_every_route_and_one_line_in_the_log(
    tmp_path, monkeypatch, error
):
    async with (
        opened(tmp_path) as app,
        client_of(create_app(app), raise_app_exceptions=False) as client,
    ):

        async def fails(*_arguments, **_more):
            raise error

        for method in ("run", "read"):
            monkeypatch.setattr(type(app.graphs.unit_of_work), method, fails)
        with capture_logs() as logs:
            answers = [
                await client.request(method, path, content=body, headers=JSON if body else {})
                for method, path, body in REQUESTS
            ]
        monkeypatch.undo()

    assert [answer.status_code for answer in answers] == [507] * len(REQUESTS)
    assert {answer.json()["code"] for answer in answers} == {"storage-full"}
    assert "No space left" in answers[0].json()["detail"]
    assert [entry["event"] for entry in logs].count("storage_unavailable") == 1
    assert not {entry["event"] for entry in logs} & {"request_crashed", "request_failed"}


@pytest.mark.parametrize("error", [FULL, storage_error(FULL)], ids=["raw", "declared"])
async def test_exporters_are_told_to_repeat_while_the_disk_is_full(tmp_path, monkeypatch, error):
    async with opened(tmp_path) as app, client_of(create_app(app)) as client:

        class Full:
            async def append(self, _batch):
                raise error

        monkeypatch.setattr(serving_of(app).receiver, "store", Full())
        with capture_logs() as logs:
            answers = [
                await client.post("/v1/traces", content=json([n]).body, headers=JSON)
                for n in range(1, 4)
            ]

    assert {(answer.status_code, answer.headers["retry-after"]) for answer in answers} == {
        (503, "1")
    }
    assert [entry["event"] for entry in logs] == ["storage_unavailable"]


async def test_an_upload_to_a_full_disk_is_507(tmp_path, monkeypatch):
    async with (
        opened(tmp_path) as app,
        client_of(create_app(app), raise_app_exceptions=False) as client,
    ):

        def full():
            raise FULL

        monkeypatch.setattr(type(app.uploaded), "new_upload", lambda _: full())
        body = await client.post("/api/scan", json=shop(1))

    assert (body.status_code, body.json()["code"]) == (507, "storage-full")


@pytest.mark.parametrize(
    ("number", "status"),
    [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EROFS, 503), (errno.EIO, 503)],
)
def test_each_fault_of_a_disk_has_its_status(number: int, status: int):
    failure = storage.storage_failure(OSError(number, "x"))

    assert failure is not None
    assert failure.status == status


@pytest.mark.parametrize("error", [FULL, storage_error(FULL)], ids=["raw", "declared"])
def test_each_error_of_the_disk_is_counted_once_on_otlp(monkeypatch, error):
    times = iter([0.0, 1.0, 2.0, 60.0])
    log = Repetition("storage_unavailable", lambda: next(times))
    monkeypatch.setattr(storage, "_UNAVAILABLE", log)
    with capture_logs() as logs:
        failed = [failure_of(error) for _ in range(4)]

    assert {(each.status, each.rpc) for each in failed} == {(503, RpcCode.UNAVAILABLE)}
    assert [entry.get("left_out") for entry in logs] == [None, 2]


@pytest.mark.parametrize("error", [OSError(errno.ENOENT, "x"), ValueError("x"), None])
def test_other_errors_say_nothing_of_the_disk(error):
    assert storage.storage_failure(error) is None
