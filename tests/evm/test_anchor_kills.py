"""Whenever a process is killed while it anchors, a checkpoint gets one anchor, and gets it."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agentguard.audit.anchoring import AnchorState
from tests.evm.anchored_log import FINAL_AFTER, AnchoredLog, anchored_log
from tests.evm.dying import READY, Anchorer, Moment
from tests.evm.node import Node
from tests.forking import ForkedProcess
from tests.web.process import inherited

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("evm")]

MOMENTS = [moment for moment in Moment if moment is not Moment.NEVER]
QUICK = (Moment.SIGNED, Moment.STORED, Moment.SENT)


@pytest.fixture
async def log(node: Node, tmp_path: Path) -> AsyncIterator[AnchoredLog]:
    async with anchored_log(node, tmp_path) as opened:
        yield opened


def start(log: AnchoredLog, folder: Path, moment: Moment) -> ForkedProcess:
    key = bytes(log.chain.signer.key).hex()
    anchorer = Anchorer(log.node.url, key, folder / "data", moment)
    return ForkedProcess(anchorer, folder / "log", directory=folder, environment=inherited())


async def ready(process: ForkedProcess, folder: Path, times: int) -> None:
    """Wait until the process anchors: it says so in the log, as those before it did."""
    until = time.monotonic() + 60
    said = folder / "log"
    while not said.exists() or said.read_text().count(READY) < times:
        if process.poll() is not None:
            return
        assert time.monotonic() < until
        await asyncio.sleep(0.02)


async def finished(log: AnchoredLog, folder: Path) -> None:
    """Let a process that does not die end what was begun, and check what is on the chain."""
    process = start(log, folder, Moment.NEVER)
    try:
        until = time.monotonic() + 60
        while (found := await log.newest()) is None or found.state is not AnchorState.FINALISED:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until, found
            if found is not None and found.state is AnchorState.MINED:
                log.node.mine(FINAL_AFTER)
            await asyncio.sleep(0.1)
    finally:
        process.kill()
        process.wait(30)
    anchors = await log.unit_of_work.read(lambda stores: stores.anchors.newest(100))
    written = Counter(log.anchored_data())
    assert set(written.values()) == {1}
    assert written.keys() == {anchor.data for anchor in anchors}


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(moment, marks=() if moment in QUICK else pytest.mark.matrix, id=moment.name)
        for moment in MOMENTS
    ],
)
async def test_a_process_that_dies_at_a_moment(log: AnchoredLog, tmp_path: Path, moment: Moment):
    await log.add("a")
    process = start(log, tmp_path, moment)
    assert process.wait(60) == -9, (tmp_path / "log").read_text()

    await finished(log, tmp_path)


@pytest.mark.matrix
@pytest.mark.parametrize("seed", range(3))
async def test_a_process_that_is_killed_again_and_again(
    log: AnchoredLog, tmp_path: Path, seed: int
):
    randomness, kills = random.Random(seed), 8
    for number in range(kills):
        await log.add(f"{number}")
        process = start(log, tmp_path, randomness.choice([*MOMENTS, Moment.NEVER]))
        await ready(process, tmp_path, number + 1)
        until = time.monotonic() + randomness.uniform(0, 1.5)
        while process.poll() is None and time.monotonic() < until:
            if randomness.random() < 0.3:
                log.node.mine(randomness.choice([1, FINAL_AFTER]))
            await asyncio.sleep(0.02)
        process.kill()
        process.wait(30)

    await finished(log, tmp_path)
    anchors = len(log.anchored_data())
    assert anchors > 1
    print(f"{kills} kills, {anchors} anchors")
