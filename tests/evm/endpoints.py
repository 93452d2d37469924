"""RPC endpoints on loopback that answer as a test wants: wrongly, late, or not at all."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.evm.node import Node


@dataclass(frozen=True)
class Raw:
    """An HTTP answer as it is."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    endless: bool = False
    """The body is sent again and again."""


class FaultError(Exception):
    """A JSON-RPC error."""

    def __init__(self, message: Any, code: Any = -32000) -> None:
        super().__init__(message)
        self.document = {"code": code, "message": message}


Answer = Callable[[str, list[Any]], Any]
"""Returns the result of a method, or Raw, or raises FaultError."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    answer: Answer


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply = _reply(self.server.answer, question)
        try:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)
            while reply.endless:
                time.sleep(0.05)
                self.wfile.write(reply.body)
        except OSError:
            return  # the client has gone

    def log_message(self, *_: Any) -> None:
        """Be silent."""


def _reply(answer: Answer, question: dict[str, Any]) -> Raw:
    envelope: dict[str, Any] = {"jsonrpc": "2.0", "id": question["id"]}
    try:
        result = answer(question["method"], question["params"])
    except FaultError as fault:
        return Raw(json.dumps({**envelope, "error": fault.document}).encode())
    if isinstance(result, Raw):
        return result
    return Raw(json.dumps({**envelope, "result": result}).encode())


@contextmanager
def endpoint(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Yield the URL of an endpoint that answers so."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.answer = answer
    if tls is not None:
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def altered(node: Node, **changes: Callable[[Any], Any]) -> Answer:
    """Return the node's answers; those of the methods named here are changed."""

    def answer(method: str, params: list[Any]) -> Any:
        found = node.ask(method, *params)
        if "error" in found:
            raise FaultError(found["error"]["message"], found["error"]["code"])
        change = changes.get(method, lambda result: result)
        return change(found["result"])

    return answer
