"""Endpoints are reached by TLS; their certificate is checked, and the deadline holds there too."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agentguard.adapters.evm.reader import open_reader
from agentguard.audit.chain import ChainUnavailableError
from tests.evm.endpoints import Raw, endpoint

NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and a certificate that it has signed itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder(NAME, NAME, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
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


@pytest.fixture(scope="module")
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_certificate_that_is_trusted_is_accepted(
    tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))

    with endpoint(lambda *_: "0x89", tls) as url:
        assert url.startswith("https://")
        assert open_reader(url, 30).chain_id() == 137


def test_a_certificate_of_a_stranger_is_refused(tls: ssl.SSLContext) -> None:
    with (
        endpoint(lambda *_: "0x89", tls) as url,
        pytest.raises(ChainUnavailableError, match="cannot be reached by TLS"),
    ):
        open_reader(url, 30).chain_id()


def test_the_deadline_holds_over_tls(
    tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    before = time.monotonic()
    with (
        endpoint(lambda *_: Raw(b" ", endless=True), tls) as url,
        pytest.raises(ChainUnavailableError, match=r"did not answer within 1 s"),
    ):
        open_reader(url, 1).chain_id()

    assert time.monotonic() - before < 15
