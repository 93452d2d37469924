"""Who sends deliveries to a server that may be killed, and looks afterwards what is there."""

from __future__ import annotations

import http.client
import json as jsonlib
import threading
import time
from collections import Counter
from pathlib import Path

from agentguard.adapters.files.spans import open_span_store
from agentguard.kernel.clock import system_clock
from agentguard.traces.store import Delivery, Encoding
from tests.traces.spans import HOUR, START, counts, json, protobuf

SENDERS = 4
SPANS = 5


class Senders:
    """Threads that send deliveries, every span once, and note what was acknowledged."""

    def __init__(self) -> None:
        self.acknowledged: set[int] = set()
        self.sent = 0
        self._lock = threading.Lock()
        self._enough = threading.Event()

    def send_until_it_dies(self, port: int) -> list[threading.Thread]:
        self._enough.clear()
        threads = [threading.Thread(target=self._send_all, args=(port,)) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        return threads

    def stop(self, threads: list[threading.Thread]) -> None:
        """Let those whose server lives end too."""
        self._enough.set()
        for thread in threads:
            thread.join(60)

    def _send_all(self, port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            while not self._enough.is_set():
                ids = self._new_ids()
                delivery = (json if ids[0] % 2 else protobuf)(ids, start=START + ids[0] % 3 * HOUR)
                if not self._send(connection, delivery):
                    return
                with self._lock:
                    self.acknowledged.update(ids)
        except (OSError, http.client.HTTPException):
            return
        finally:
            connection.close()

    def _new_ids(self) -> range:
        with self._lock:
            first = self.sent + 1
            self.sent += SPANS
        return range(first, first + SPANS)

    def _send(self, connection: http.client.HTTPConnection, delivery: Delivery) -> bool:
        kind = (
            "application/json" if delivery.encoding is Encoding.JSON else "application/x-protobuf"
        )
        connection.request("POST", "/v1/traces", delivery.body, {"Content-Type": kind})
        answer = connection.getresponse()
        answer.read()
        return answer.status == 200


def wait_for(senders: Senders, acknowledged: int) -> None:
    until = time.monotonic() + 120
    while len(senders.acknowledged) < acknowledged:
        assert time.monotonic() < until
        time.sleep(0.01)


def shown_live(port: int, least: int) -> dict[str, int]:
    """Wait until the live graph shows at least so many spans, and return what it says of them."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/api/graph?dataset=live")
        answer = connection.getresponse()
        document = jsonlib.loads(answer.read())
        connection.close()
        if answer.status == 200 and document["coverage"]["spans"] >= least:
            return {name: document["coverage"][name] for name in ("spans", "duplicates")}
        time.sleep(0.1)
    raise AssertionError(f"{least} spans were acknowledged; the live graph says: {document}")


async def stored(directory: Path) -> Counter[int]:
    async def nothing_left(deliveries: object) -> None:
        raise AssertionError(deliveries)

    async with (
        open_span_store(directory, nothing_left, system_clock, keep_bodies=False) as store,
        store.window(0) as window,
    ):
        return counts(table for source in window.sources for table in source.tables())
