"""A loopback server that speaks the REST API of Gemini, as google-genai calls it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One response."""

    status: int = 200
    body: Any = None
    """A JSON value, or text that is sent as it is."""
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_seconds: float = 0


@dataclass(frozen=True)
class Asked:
    """One request, as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


@dataclass
class FakeServer:
    """Sends the replies in order, the last one for ever, and keeps what it was asked."""

    replies: list[Reply]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    def next(self) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@contextmanager
def serving(*replies: Reply) -> Iterator[FakeServer]:
    """Serve the replies on a free port of 127.0.0.1."""
    fake = FakeServer(list(replies))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            fake.asked.append(Asked(self.path, dict(self.headers), json.loads(body)))
            reply = fake.next()
            time.sleep(reply.wait_seconds)
            text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
            content = text.encode("utf-8", "surrogatepass")
            try:
                self.send_response(reply.status)
                self.send_header("content-type", "application/json; charset=utf-8")
                self.send_header("content-length", str(len(content)))
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
            except OSError:
                return  # the client gave up: what a slow reply is for

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def said(
    text: str | None,
    *,
    finish: str = "STOP",
    tokens: tuple[int, int] | None = (1200, 300),
    more_parts: Sequence[Mapping[str, Any]] = (),
) -> Reply:
    """Return a reply of generateContent with this text."""
    parts = [*more_parts, *([] if text is None else [{"text": text}])]
    body: dict[str, Any] = {
        "candidates": [
            {"content": {"role": "model", "parts": parts}, "finishReason": finish, "index": 0}
        ],
        "modelVersion": "gemini-fake-001",
        "responseId": "r1",
    }
    if tokens is not None:
        body["usageMetadata"] = {
            "promptTokenCount": tokens[0],
            "candidatesTokenCount": tokens[1],
            "totalTokenCount": sum(tokens),
        }
    return Reply(body=body)


def blocked(reason: str = "SAFETY") -> Reply:
    """Return a reply whose question was blocked."""
    return Reply(
        body={"promptFeedback": {"blockReason": reason}, "usageMetadata": {"promptTokenCount": 9}}
    )


def failed(status: int, code: str, **headers: str) -> Reply:
    """Return an error of the API."""
    error = {"code": status, "message": "told by the fake", "status": code}
    return Reply(status, {"error": error}, {k.replace("_", "-"): v for k, v in headers.items()})
