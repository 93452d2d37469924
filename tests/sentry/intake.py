"""A Sentry intake on loopback: it speaks the envelope endpoint, and keeps what comes."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any

KEY, PROJECT = "0123456789abcdef0123456789abcdef", "42"


@dataclass
class Intake:
    """What came, as it came; `released` lets a slow intake answer."""

    answer: int = 200
    port: int = 0
    bodies: list[bytes] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    arrival: threading.Condition = field(default_factory=threading.Condition)

    @property
    def dsn(self) -> str:
        return f"http://{KEY}@127.0.0.1:{self.port}/{PROJECT}"

    def wait(self, count: int = 1) -> list[dict[str, Any]]:
        """Return the events once there are so many."""
        with self.arrival:
            assert self.arrival.wait_for(lambda: len(self.bodies) >= count, timeout=60), (
                f"{len(self.bodies)} envelopes came"
            )
            return self.events()

    def event(self, log_event: str) -> dict[str, Any]:
        """Return the first event that was logged under this name, once there is one."""
        with self.arrival:
            assert self.arrival.wait_for(lambda: _named(self.events(), log_event), timeout=60), (
                self.events()
            )
            return _named(self.events(), log_event)[0]

    def events(self) -> list[dict[str, Any]]:
        return [event for body in self.bodies for event in read_envelope(body)]

    def keep(self, body: bytes) -> None:
        with self.arrival:
            self.bodies.append(body)
            self.arrival.notify_all()


def read_envelope(body: bytes) -> list[dict[str, Any]]:
    """Return the envelope's events (https://develop.sentry.dev/sdk/data-model/envelopes).

    Anything else in it fails.
    """
    header, _, rest = body.partition(b"\n")
    assert json.loads(header)["event_id"]
    events = []
    while rest:
        described, _, rest = rest.partition(b"\n")
        item = json.loads(described)
        assert item["type"] == "event"
        payload, rest = rest[: item["length"]], rest[item["length"] :].removeprefix(b"\n")
        events.append(json.loads(payload))
    return events


@contextmanager
def intake(*, answer: int = 200, slow: bool = False) -> Iterator[Intake]:
    there = Intake(answer)
    if not slow:
        there.released.set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(there))
    there.port = server.server_port
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield there
    finally:
        there.released.set()
        server.shutdown()
        serving.join()
        server.server_close()


def _named(events: list[dict[str, Any]], log_event: str) -> list[dict[str, Any]]:
    return [event for event in events if event["tags"].get("log_event") == log_event]


def _handler(there: Intake) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            packed = self.rfile.read(int(self.headers["Content-Length"]))
            known = (
                self.path == f"/api/{PROJECT}/envelope/"
                and f"sentry_key={KEY}" in self.headers["X-Sentry-Auth"]
            )
            there.keep(_unpacked(packed, self.headers.get("Content-Encoding")))
            there.released.wait(60)
            self.send_response(there.answer if known else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _unpacked(body: bytes, encoding: str | None) -> bytes:
    if encoding == "br":
        return bytes(
            import_module("brotli").decompress(body)
        )  # the SDK packs with it where it is installed
    return gzip.decompress(body) if encoding == "gzip" else body
