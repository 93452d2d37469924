"""Small scans and queries wait neither for large scans nor for each other's kind."""

from __future__ import annotations

import asyncio
import gzip
import os
import threading
from pathlib import Path

import orjson
import pytest

from agentguard.accounts.principal import system_principal
from agentguard.bootstrap.opening import open_app
from agentguard.ingest.sources import exceeds
from agentguard.scan.live import TooManyWindowsError
from agentguard.settings import Settings
from agentguard.traces.window import TimeWindow

pytestmark = pytest.mark.anyio

ACTOR = system_principal("test")
LINE = orjson.dumps([{"traceId": "a", "spans": [{"spanId": "1", "serviceName": "PricingAgent"}]}])


def written(path: Path, lines: int) -> Path:
    path.write_bytes(gzip.compress((LINE + b"\n") * lines))
    return path


@pytest.mark.parametrize(("limit", "larger"), [(10 * len(LINE), False), (9 * len(LINE), True)])
def test_size_is_that_of_the_content_however_well_it_is_compressed(
    tmp_path: Path, limit: int, *, larger: bool
) -> None:
    path = tmp_path / "spans.gz"
    path.write_bytes(gzip.compress(LINE * 10))

    assert exceeds(path, limit) is larger


def test_content_that_cannot_be_decompressed_is_not_large(tmp_path: Path) -> None:
    (tmp_path / "spans.gz").write_bytes(b"\x1f\x8b" + b"x" * 100)

    assert not exceeds(tmp_path / "spans.gz", 10)


def test_a_pipe_is_left_to_the_scan_which_can_read_it_only_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert exceeds(tmp_path / "pipe", 10)


async def test_a_small_scan_does_not_wait_for_a_large_one(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", job_bytes=20 * len(LINE))
    small, large = written(tmp_path / "small", 1), written(tmp_path / "large", 100)
    goes_on = threading.Event()
    async with open_app(settings, in_processes=False) as app:
        blocked = asyncio.create_task(app.scans.large_workers.run(lambda _: goes_on.wait(60)))
        waiting = asyncio.create_task(app.scans.scan_file(ACTOR, large, "large"))

        found = await app.scans.scan_file(ACTOR, small, "small")

        assert found["total_agents"] == 1
        assert not waiting.done()
        goes_on.set()
        assert (await waiting)["total_agents"] == 1
        await blocked


async def test_each_kind_of_work_has_workers_of_its_own(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, otlp_port=0)
    async with open_app(settings, serving=True, in_processes=False) as app:
        assert app.serving is not None
        pools = {id(pool) for pool in (*app.workers, app.serving.live.workers)}
        pools.add(id(app.serving.receiver.decoders))

    assert len(pools) == 5


async def test_more_windows_than_the_limit_are_refused(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, window_max_requests=2)
    goes_on = threading.Event()
    async with open_app(settings, in_processes=False) as app:
        blocked = asyncio.create_task(app.windows.workers.run(lambda _: goes_on.wait(60)))
        waiting = [asyncio.create_task(app.windows.graph(TimeWindow(1, n))) for n in (2, 3)]
        await asyncio.sleep(0)

        with pytest.raises(TooManyWindowsError):
            await app.windows.graph(TimeWindow(1, 4))

        goes_on.set()
        await asyncio.gather(blocked, *waiting)
        await app.windows.graph(TimeWindow(1, 4))
