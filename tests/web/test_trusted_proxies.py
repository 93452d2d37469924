"""Whose forwarding headers are believed, and what they then say."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from agentguard.settings import Settings
from agentguard.web.trusted_proxies import TrustedProxies, networks_of

pytestmark = pytest.mark.anyio

TRUSTED = ("10.0.0.0/8", "::1", "192.0.2.7")


async def seen(peer: str | None, headers: dict[str, str], trusted=TRUSTED) -> dict:
    """Return the request as the application behind sees it."""
    found: dict = {}

    async def app(scope, _receive, _send) -> None:
        found.update(scope)

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http",
        "scheme": "http",
        "client": None if peer is None else (peer, 5),
        "headers": [(b"host", b"inside:8000"), *raw],
    }
    await TrustedProxies(app, networks=networks_of(trusted))(scope, None, None)  # type: ignore[arg-type]  # unused
    return found


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", "8.8.8.8", "8.8.8.8"),
        ("10.0.0.1", "127.0.0.1, 8.8.8.8", "8.8.8.8"),  # the client wrote the first
        ("10.0.0.1", "8.8.8.8, 10.0.0.9, 192.0.2.7", "8.8.8.8"),
        ("10.0.0.1", "10.0.0.3", "10.0.0.3"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "8.8.8.8", "8.8.8.8"),
        ("::1", "8.8.8.8", "8.8.8.8"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "8.8.8.8, nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("192.0.2.8", "127.0.0.1", "192.0.2.8"),  # not trusted
        ("8.8.8.8", "10.0.0.1", "8.8.8.8"),
    ],
)
async def test_the_client_is_the_last_address_that_no_proxy_of_ours_has(peer, forwarded, client):
    assert (await seen(peer, {"X-Forwarded-For": forwarded}))["client"][0] == client


async def test_a_trusted_proxy_says_scheme_and_host_and_its_headers_are_used_up():
    headers = {
        "X-Forwarded-For": "8.8.8.8",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "agents.example",
        "Via": "1.1 proxy",
    }

    found = await seen("10.0.0.1", headers)

    assert found["scheme"] == "https"
    assert found["headers"] == [(b"host", b"agents.example"), (b"via", b"1.1 proxy")]


async def test_headers_of_others_stay_and_say_nothing():
    headers = {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https"}
    for trusted in (TRUSTED, ()):
        found = await seen("203.0.113.9", headers, trusted)

        assert (found["client"][0], found["scheme"]) == ("203.0.113.9", "http")
        assert (b"x-forwarded-for", b"127.0.0.1") in found["headers"]
    assert (await seen(None, headers))["client"] is None


@pytest.mark.parametrize("wrong", ["proxy.example", "10.0.0.0/40", "*"])
def test_only_addresses_and_networks_are_trusted(wrong: str):
    with pytest.raises(ValidationError, match="is not an address or network"):
        Settings(trusted_proxies=(wrong,))
