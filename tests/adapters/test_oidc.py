"""The client of an OpenID Connect provider, against one in this process that can misbehave."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from agentguard.accounts.single_sign_on import (
    Attempt,
    ProviderUnavailableError,
    SingleSignOnFailedError,
)
from agentguard.adapters.oidc.provider import Client, OIDCProvider

pytestmark = pytest.mark.anyio

ATTEMPT = Attempt("state", "nonce", "verifier" * 6)
ID = "agentguard"


def new_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid})


class Issuer(ThreadingHTTPServer):
    """Signs with `key`; what it says of itself can be changed by `more`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.key, self.names_keys = new_key("first"), True
        self.more: dict[str, Any] = {}
        self.token_status = 200
        self.reads: list[str] = []
        self.forms: list[dict[str, list[str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, path: str) -> dict[str, Any]:
        if path == "/keys":
            key = dict(self.key.as_dict(private=False))
            if not self.names_keys:
                del key["kid"]
            return {"keys": [key]}
        if path == "/token":
            header = {"alg": "RS256"} | ({"kid": self.key.kid} if self.names_keys else {})
            return {"access_token": "a", "id_token": jwt.encode(header, self.claims(), self.key)}
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize?tenant=1",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
        } | self.more

    def claims(self) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": self.url,
            "aud": ID,
            "sub": "ada",
            "nonce": ATTEMPT.nonce,
            "iat": now,
            "exp": now + 60,
        }


class Handler(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        self.server.reads.append(self.path)
        self._send(200)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.server.forms.append(parse_qs(body))
        self._send(self.server.token_status)

    def _send(self, status: int) -> None:
        body = json.dumps(self.server.answer(self.path)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def provider_of(issuer: Issuer, secret: str | None = None) -> OIDCProvider:
    return OIDCProvider(Client(issuer.url, ID, secret, "http://127.0.0.1/back", 5))


@pytest.mark.parametrize("named", [True, False])
async def test_users_sign_in_right_after_the_provider_rotates_its_key(issuer, named):
    issuer.names_keys = named
    provider = provider_of(issuer)
    await provider.identify("code", ATTEMPT)

    issuer.key = new_key("second")
    found = await provider.identify("code", ATTEMPT)
    await provider.identify("code", ATTEMPT)

    assert found.subject.name == "ada"
    assert issuer.reads.count("/keys") == 2


async def test_a_token_of_an_unpublished_key_is_refused_after_one_more_look(issuer):
    provider = provider_of(issuer)
    published, foreign = issuer.answer("/keys"), new_key("foreign")
    issuer.key = foreign
    answer = issuer.answer
    issuer.answer = lambda path: published if path == "/keys" else answer(path)

    with pytest.raises(SingleSignOnFailedError):
        await provider.identify("code", ATTEMPT)

    assert issuer.reads.count("/keys") == 2


async def test_certificates_are_read_once_at_the_start(issuer, monkeypatch):
    provider, read = provider_of(issuer), []
    load = ssl.SSLContext.load_verify_locations

    def counted(self, *args, **how):
        read.append(args or how)
        return load(self, *args, **how)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted)
    await provider.authorization_url(ATTEMPT)
    await provider.identify("code", ATTEMPT)

    assert read == []


@pytest.mark.parametrize("secret", ["secret", None])
async def test_a_public_client_names_itself_in_the_form(issuer, secret):
    await provider_of(issuer, secret).identify("code", ATTEMPT)

    assert issuer.forms == [
        {
            "grant_type": ["authorization_code"],
            "code": ["code"],
            "redirect_uri": ["http://127.0.0.1/back"],
            "code_verifier": [ATTEMPT.verifier],
        }
        | ({} if secret else {"client_id": [ID]})
    ]


async def test_the_endpoints_own_query_is_kept(issuer):
    url = await provider_of(issuer).authorization_url(ATTEMPT)

    assert url.startswith(f"{issuer.url}/authorize?tenant=1&response_type=code&client_id={ID}&")


@pytest.mark.parametrize("bad", ["http://[", "http://a:b", "http://127.0.0.1:9/", "x", 5])
async def test_endpoints_that_cannot_be_asked_are_said_to_be_the_providers_fault(issuer, bad):
    for name in ("token_endpoint", "userinfo_endpoint", "jwks_uri"):
        issuer.more = {name: bad}

        with pytest.raises(ProviderUnavailableError):
            await provider_of(issuer).identify("code", ATTEMPT)


@pytest.mark.parametrize("bad", ["http://[", 5])
async def test_so_is_an_authorization_endpoint_that_is_no_url(issuer, bad):
    issuer.more = {"authorization_endpoint": bad}

    with pytest.raises(ProviderUnavailableError):
        await provider_of(issuer).authorization_url(ATTEMPT)


@pytest.mark.parametrize(
    ("status", "raised"), [(400, SingleSignOnFailedError), (500, ProviderUnavailableError)]
)
async def test_a_rejected_code_is_told_from_a_broken_provider(issuer, status, raised):
    issuer.token_status = status

    with pytest.raises(raised):
        await provider_of(issuer).identify("code", ATTEMPT)
