"""The client for URLs of users: what it connects to, and what it refuses. Servers are real."""

from __future__ import annotations

import datetime as dt
import logging
import socket
import ssl
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agentguard.adapters.http.guarded_client import (
    MOST_BYTES,
    GuardedClient,
    TargetRefusedError,
    TargetUnreachableError,
)
from agentguard.adapters.http.targets import Allowed
from tests.notifications.servers import LOOPBACK, resolver, serving, status

pytestmark = pytest.mark.anyio

NAME = "hooks.example.com"


async def post(client: GuardedClient, url: str, body: bytes = b"{}"):
    return await client.post(url, body, {"Content-Type": "application/json"})


async def test_it_connects_to_the_address_that_was_checked_and_keeps_the_name():
    resolve, asked = resolver(["127.0.0.1"], ["10.0.0.1"])
    with serving() as server:
        client = GuardedClient(LOOPBACK, resolve=resolve)
        response = await post(client, f"http://{NAME}:{server.port}/a?b=c", b'{"x":1}')

    assert response.status == 200
    assert asked == [NAME]
    (request,) = server.requests
    assert request.headers["Host"] == f"{NAME}:{server.port}"
    assert (request.path, request.body) == ("/a?b=c", b'{"x":1}')


async def test_a_name_that_turns_private_between_check_and_use_is_looked_up_once():
    """DNS rebinding: a second look would find the server, on an address that is not allowed."""
    resolve, asked = resolver(["127.0.0.2"], ["127.0.0.1"])
    client = GuardedClient(Allowed.parse(["127.0.0.2"]), resolve=resolve)
    with serving() as server:
        with pytest.raises(TargetUnreachableError, match="cannot be connected to"):
            await post(client, f"http://{NAME}:{server.port}/")
        assert asked == [NAME]
        with pytest.raises(TargetRefusedError, match="loopback"):
            await post(client, f"http://{NAME}:{server.port}/")

    assert server.requests == []


async def test_one_private_address_among_public_ones_refuses_the_name():
    resolve, _ = resolver(["93.184.216.34", "2606:4700::1", "10.0.0.1"])
    client = GuardedClient(Allowed(), resolve=resolve)

    with pytest.raises(TargetRefusedError, match=r"hooks\.example\.com is a private address"):
        await post(client, f"https://{NAME}/SECRET")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"]
)
async def test_every_spelling_of_this_machine_is_refused(host):
    with serving() as server, pytest.raises((TargetRefusedError, TargetUnreachableError)):
        await post(GuardedClient(Allowed()), f"http://{host}:{server.port}/")

    assert server.requests == []


async def test_another_address_is_tried_where_one_takes_no_connection():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        resolve, _ = resolver(["127.0.0.2", "127.0.0.1"])
        with serving() as server:
            client = GuardedClient(LOOPBACK, resolve=resolve)
            response = await post(client, f"http://{NAME}:{server.port}/")

    assert response.status == 200


async def test_a_redirect_is_not_followed():
    with serving() as elsewhere, serving(status(307, Location=elsewhere.url)) as server:
        response = await post(GuardedClient(LOOPBACK), server.url)

    assert response.status == 307
    assert elsewhere.requests == []


async def test_proxies_of_the_environment_are_ignored(monkeypatch):
    with serving() as proxy, serving() as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        await post(GuardedClient(LOOPBACK), server.url)

    assert (len(proxy.requests), len(server.requests)) == (0, 1)


async def test_of_a_large_response_the_beginning_is_read():
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 65536)
        except OSError:
            return

    with serving(endless) as server:
        response = await post(GuardedClient(LOOPBACK), server.url)

    assert len(response.body) == MOST_BYTES


async def test_a_server_that_sends_slowly_is_left_in_time():
    def dripping(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(100):
                handler.wfile.write(b"x")
                handler.wfile.flush()
                time.sleep(0.05)
        except OSError:
            return

    began = time.monotonic()
    with serving(dripping) as server:
        with pytest.raises(TargetUnreachableError, match=r"within 0\.4 s") as failed:
            await post(GuardedClient(LOOPBACK, seconds=0.4), server.url)
        took = time.monotonic() - began

    assert took < 3
    assert "SECRET" not in str(failed.value)


async def test_a_compressed_response_is_not_unpacked():
    with serving(status(200, b"\x1f\x8bnot gzip at all", Content_Encoding="gzip")) as server:
        response = await post(GuardedClient(LOOPBACK), server.url)

    assert response.body == b"\x1f\x8bnot gzip at all"
    assert server.requests[0].headers["Accept-Encoding"] == "identity"


async def test_a_closed_port_and_a_broken_connection_are_told_apart():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(TargetUnreachableError, match="cannot be connected to"):
            await post(
                GuardedClient(LOOPBACK), f"http://127.0.0.1:{unused.getsockname()[1]}/SECRET"
            )
    with (
        serving(lambda handler: handler.connection.close()) as server,
        pytest.raises(TargetUnreachableError, match="breaks off") as failed,
    ):
        await post(GuardedClient(LOOPBACK), server.url)

    assert "SECRET" not in str(failed.value)


async def test_no_log_has_more_of_the_url_than_its_host(caplog):
    caplog.set_level(logging.DEBUG)
    with serving(status(200), status(500)) as server:
        for _ in range(2):
            await post(GuardedClient(LOOPBACK), server.url)

    assert len(server.requests) == 2
    assert caplog.records  # of httpcore
    assert "SECRET" not in caplog.text


async def test_an_unknown_name_is_unreachable():
    async def unknown(_host: str, _port: int):
        raise socket.gaierror

    with pytest.raises(TargetUnreachableError, match="unknown to the resolver"):
        await post(GuardedClient(resolve=unknown), f"https://{NAME}/")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and a self-signed certificate for the name, not for an address."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    signed = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(pem)
    )
    return file


async def test_the_certificate_must_be_that_of_the_name(certificate):
    asked = list[str | None]()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    tls.sni_callback = lambda _socket, name, _context: asked.append(name)
    trusting = ssl.create_default_context(cafile=certificate)
    resolve, _ = resolver(["127.0.0.1"])
    client = GuardedClient(LOOPBACK, resolve=resolve, certificates=lambda: trusting)
    with serving(tls=tls) as server:
        response = await post(client, f"https://{NAME}:{server.port}/")
        with pytest.raises(TargetUnreachableError, match="certificate that is not trusted"):
            await post(client, f"https://other.example.com:{server.port}/")
        with pytest.raises(TargetUnreachableError, match="certificate that is not trusted"):
            await post(GuardedClient(LOOPBACK, resolve=resolve), f"https://{NAME}:{server.port}/")

    assert response.status == 200
    assert asked[0] == NAME
    assert len(server.requests) == 1
