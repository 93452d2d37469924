"""Receivers on the loopback, which answer as they are told and keep what they got."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message as Headers
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, TypeAlias

import orjson

from agentguard.adapters.http.guarded_client import Resolve
from agentguard.adapters.http.targets import Allowed

LOOPBACK = Allowed.parse(["127.0.0.0/8"])


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    path: str
    headers: Headers
    body: bytes

    @property
    def document(self) -> Any:
        return orjson.loads(self.body)


Answer: TypeAlias = Callable[[BaseHTTPRequestHandler], None]


def status(code: int, body: bytes = b"", **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@dataclass
class Server:
    """Answers POST by each answer in turn; the last one stands for all further requests."""

    answers: Sequence[Answer] = (status(200),)
    requests: list[Request] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook/SECRET-PATH?key=SECRET-QUERY"

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        number = len(self.requests)
        self.requests.append(Request(handler.path, handler.headers, body))
        self.answers[min(number, len(self.answers) - 1)](handler)


@contextmanager
def serving(*answers: Answer, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Serve on a free port of 127.0.0.1."""
    server = Server(answers or (status(200),))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            server.handle(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        if tls is not None:
            listening.socket = tls.wrap_socket(listening.socket, server_side=True)
        server.port = listening.server_port
        thread = Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()


def resolver(*answers: Sequence[str]) -> tuple[Resolve, list[str]]:
    """Return a resolver that gives each answer in turn, and the list of what it was asked."""
    asked = list[str]()

    async def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    return resolve, asked
