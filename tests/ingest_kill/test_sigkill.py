"""What was acknowledged is there, once, whenever the server was killed."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest

from tests.ingest_kill.senders import Senders, shown_live, stored, wait_for
from tests.web.process import running


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.matrix)])
def test_kills_during_ingest_lose_and_double_nothing(tmp_path: Path, kills: int):
    senders, chance = Senders(), random.Random(3)
    for _ in range(kills):
        with running(tmp_path) as server:
            before = len(senders.acknowledged)
            threads = senders.send_until_it_dies(server.port)
            wait_for(senders, before + 50)  # the workers are up
            time.sleep(chance.uniform(0, 1.5))
            server.kill()
            for thread in threads:
                thread.join(30)

    with running(tmp_path) as server:
        shown = shown_live(server.port, len(senders.acknowledged))
        assert server.stop() == 0
        assert "lease_of_dead_process_taken" in server.log.read_text()
    kept = asyncio.run(stored(tmp_path / "data"))

    assert len(senders.acknowledged) >= kills * 50
    assert senders.acknowledged - kept.keys() == set()
    assert {span for span, times in kept.items() if times != 1} == set()
    assert shown == {"spans": len(kept), "duplicates": 0}
    assert list((tmp_path / "data" / "log").iterdir()) == []
