"""Neither the URL of an RPC endpoint nor the account's key appears in any message."""

from __future__ import annotations

import base64
import logging
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.adapters.evm.chain import EVMSettings, open_chain
from agentguard.adapters.evm.redaction import Secrets
from agentguard.audit.chain import ChainUnavailableError, TransactionRefusedError
from tests.evm.endpoints import FaultError, Raw, altered, endpoint
from tests.evm.node import Node

pytestmark = pytest.mark.xdist_group("evm")

KEY = "5e" * 32
SECRETS = ("usr-7Gq", "pwd-9Xk", "path-4Tz", "query-2Lm")
PLANTED = "/v3/{2}/rpc?apikey={3}".format(*SECRETS)


def with_secrets(url: str) -> str:
    return f"http://{SECRETS[0]}:{SECRETS[1]}@{urlsplit(url).netloc}{PLANTED}"


def echo(*_: Any) -> Any:
    raise FaultError(f"invalid key {SECRETS[3]} of project {SECRETS[2]} at http://h{PLANTED}")


def fail_with(message: str) -> Callable[..., Any]:
    def answer(*_: Any) -> Any:
        raise FaultError(message)

    return answer


def echo_page(*_: Any) -> Raw:
    return Raw(f"<html>{PLANTED}</html>".encode(), 403, {"Location": PLANTED, "X-Key": SECRETS[3]})


ANSWERS = {
    "an error that repeats the URL": echo,
    "a revert that repeats the URL": fail_with(f"execution reverted: {PLANTED}"),
    "a refusal that repeats the URL": fail_with(f"nonce too low {PLANTED}"),
    "low funds that repeat the URL": fail_with(f"insufficient funds {PLANTED}"),
    "a page": echo_page,
    "a redirect": lambda *_: Raw(b"", 302, {"Location": f"http://127.0.0.1:1{PLANTED}"}),
    "no JSON": lambda *_: Raw(PLANTED.encode()),
    "no JSON-RPC": lambda *_: Raw(f'["{PLANTED}"]'.encode()),
    "a text as everything": lambda *_: PLANTED,
    "an object as everything": lambda *_: {"hash": PLANTED, "number": PLANTED},
    "an error that is none": lambda *_: Raw(
        f'{{"jsonrpc":"2.0","id":1,"error":"{PLANTED}"}}'.encode()
    ),
}


def messages_of(url: str) -> list[str]:
    """Return everything that the errors of all calls print."""
    chain = open_chain(url, KEY, 2, EVMSettings(chain_id=80002))
    calls: list[Callable[[], object]] = [
        chain.chain_id,
        chain.account,
        lambda: chain.transaction("0x" + "ab" * 32),
        lambda: chain.sign(bytes(96), 0),
        lambda: chain.send(b"\2" * 100),
    ]
    shown = [repr(chain), str(chain), repr(chain.reader)]
    for call in calls:
        try:
            call()
        except (ChainUnavailableError, TransactionRefusedError) as error:
            shown += [str(error), repr(error), "".join(traceback.format_exception(error))]
    return shown


def assert_silent(shown: list[str], *kept: str) -> None:
    text = "\n".join(shown)
    pair = base64.b64encode(f"{SECRETS[0]}:{SECRETS[1]}".encode()).decode()
    for secret in (*SECRETS, PLANTED, pair, KEY, *kept):
        assert secret not in text


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_no_error_shows_more_than_the_endpoints_host(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "web3")
    with endpoint(answer) as url:
        shown = messages_of(with_secrets(url))

    assert_silent(shown)
    assert_silent([caplog.text])
    assert any(urlsplit(url).netloc in one for one in shown)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "https://127.0.0.1:1", "http://no-such-host.invalid"]
)
def test_an_endpoint_that_cannot_be_reached_is_named_by_its_host(url: str) -> None:
    parts = urlsplit(url)
    shown = messages_of(f"{parts.scheme}://{SECRETS[0]}:{SECRETS[1]}@{parts.netloc}{PLANTED}")

    assert_silent(shown)
    assert any(f"{url} is unreachable" in one for one in shown)


def test_a_server_without_tls_is_named_by_its_host() -> None:
    with endpoint(echo) as url:
        shown = messages_of(with_secrets(url).replace("http://", "https://"))

    assert_silent(shown)


def test_an_endpoint_that_is_late_is_named_by_its_host(node: Node) -> None:
    import time  # noqa: PLC0415 - only here

    with endpoint(lambda *_: time.sleep(1)) as url:
        chain = open_chain(with_secrets(url), KEY, 0.2, EVMSettings())
        with pytest.raises(ChainUnavailableError, match=r"within 0\.2 s") as caught:
            chain.chain_id()

    assert_silent(["".join(traceback.format_exception(caught.value))])


def test_what_the_endpoint_says_beside_the_key_is_shown(node: Node) -> None:
    with endpoint(echo) as url, pytest.raises(ChainUnavailableError, match="invalid key … of"):
        open_chain(with_secrets(url), KEY, 2, EVMSettings()).chain_id()


def test_credentials_in_the_url_reach_the_endpoint(node: Node) -> None:
    with endpoint(altered(node)) as url:
        assert open_chain(with_secrets(url), KEY, 5, EVMSettings()).chain_id() == 80002


@given(
    secret=st.text("abcXYZ019-_~", min_size=4, max_size=40),
    before=st.text(max_size=300),
    after=st.text(max_size=300),
)
def test_a_secret_never_survives_in_a_text(secret: str, before: str, after: str) -> None:
    known = Secrets.of(f"https://user@host/v2/{secret}")

    assert secret not in known.removed_from(before + secret + after)
