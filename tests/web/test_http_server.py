"""The HTTP server's answer to clients that do not speak HTTP/1.1."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx

from tests.web.process import running

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
"""RFC 9113 §3.4, with an empty SETTINGS frame."""


def first_line(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        return connection.makefile("rb").readline()


def test_grpc_clients_on_the_http_port_are_logged_once_a_minute(tmp_path: Path):
    with running(tmp_path) as server:
        answers = {first_line(server.port, PREFACE) for _ in range(3)}
        httpx.get(f"{server.url}/health/live", timeout=30).raise_for_status()
        log = server.log.read_text()

    assert all(answer.startswith(b"HTTP/1.1 4") for answer in answers)
    assert log.count("grpc_client_on_http_port") == 1
    assert f"A gRPC client connected to the HTTP port {server.port}. Send OTLP/gRPC to" in log


def test_a_preface_inside_a_body_is_not_logged(tmp_path: Path):
    head = b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    with (
        running(tmp_path) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection,
    ):
        connection.sendall(head % len(PREFACE))
        connection.sendall(PREFACE)
        status = connection.makefile("rb").readline()
        log = server.log.read_text()

    assert b"415" in status
    assert "grpc_client_on_http_port" not in log
