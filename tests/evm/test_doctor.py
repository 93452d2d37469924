"""`agentguard doctor` says what an anchor would meet, and never the URL or the key."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from agentguard.adapters.evm.chain import EVMChain
from agentguard.adapters.evm.deploying import deploy
from tests.diagnosis.doctor import PASSWORD, Doctor
from tests.evm.endpoints import FaultError, altered, endpoint
from tests.evm.node import ETHER, Node

pytestmark = pytest.mark.xdist_group("evm")

KEY = "5e" * 32
Found = list[tuple[str, str]]
Examine = Callable[..., Found]


@pytest.fixture
def examine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Examine:
    monkeypatch.chdir(tmp_path)

    def examined(**settings: str) -> Found:
        checks = Doctor(monkeypatch).examine(**settings)["anchors"]
        found = [(one["finding"], one["detail"]) for one in checks]
        assert settings.get("WEB3_PRIVATE_KEY", "none") not in str(found)
        return found

    return examined


@pytest.fixture(scope="module")
def contract(node: Node) -> str:
    return deploy(node.chain(), wait_seconds=10)


def settings_of(chain: EVMChain, node: Node, **more: str) -> dict[str, str]:
    host = urlsplit(node.url).netloc
    return {
        "WEB3_PROVIDER_URL": f"http://user:{PASSWORD}@{host}/?key={PASSWORD}",
        "WEB3_PRIVATE_KEY": chain.signer.key.hex(),
        **more,
    }


def test_without_an_endpoint_nothing_is_anchored(examine: Examine) -> None:
    assert examine() == [
        ("fine", "WEB3_PROVIDER_URL is not set: the audit log is not anchored on a chain.")
    ]


def test_a_key_without_an_endpoint_is_a_warning(examine: Examine) -> None:
    ((finding, detail),) = examine(WEB3_PRIVATE_KEY=KEY)

    assert finding == "warning"
    assert detail.startswith("WEB3_PROVIDER_URL is not set")


def test_without_its_package_a_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, examine: Examine
) -> None:
    monkeypatch.setitem(sys.modules, "agentguard.adapters.evm.chain", None)
    ((finding, detail),) = examine(WEB3_PROVIDER_URL="http://127.0.0.1:1", WEB3_PRIVATE_KEY=KEY)

    assert finding == "broken"
    assert detail.startswith("WEB3_PROVIDER_URL is set, but the package")
    assert "pip install 'agentguard[web3]'" in detail


def test_an_endpoint_without_a_key_anchors_nothing(examine: Examine) -> None:
    ((finding, detail),) = examine(WEB3_PROVIDER_URL="http://127.0.0.1:1")

    assert finding == "broken"
    assert "WEB3_PRIVATE_KEY is not set" in detail


def test_all_that_an_anchor_needs_is_shown(node: Node, contract: str, examine: Examine) -> None:
    chain = node.chain()
    found = examine(**settings_of(chain, node, WEB3_CONTRACT_ADDRESS=contract))

    assert [finding for finding, _ in found] == ["fine"] * 3
    served, deployed, account = (detail for _, detail in found)
    assert f"{node.url} serves chain 80002 (Polygon Amoy)" in served
    assert "blocks are final by its tag" in served
    assert deployed == f"The contract {contract} is AgentGuard's."
    assert f"The account {chain.signer.address} has 100.000000" in account


def test_the_number_of_anchors_is_what_the_balance_pays(node: Node, examine: Examine) -> None:
    chain = node.chain()
    cost = chain.anchor_gas(bytes(range(96)))
    market = chain.market(80002)
    node.call(
        "anvil_setBalance", chain.signer.address, hex(cost * (market.base_fee + market.tip) * 7)
    )

    (_, (finding, detail)) = examine(**settings_of(chain, node))

    assert finding == "warning"
    assert "it can pay for 7. Send it some more." in detail


def test_an_empty_account_is_told_with_its_address(node: Node, examine: Examine) -> None:
    chain = node.chain(balance=0)

    (_, (finding, detail)) = examine(**settings_of(chain, node))

    assert finding == "broken"
    assert chain.signer.address in detail
    assert "it can pay for none. Send it some; if it is another account" in detail


def test_an_address_without_a_contract_is_broken(node: Node, examine: Examine) -> None:
    address = "0x" + "0c" * 20
    (_, (finding, detail)) = examine(
        **settings_of(node.chain(), node, WEB3_CONTRACT_ADDRESS=address)
    )

    assert finding == "broken"
    assert f"There is no contract at {address} on chain 80002" in detail


def test_another_contract_is_a_warning(node: Node, examine: Examine) -> None:
    address = "0x" + "0d" * 20
    node.call("anvil_setCode", address, "0x00")
    found = examine(**settings_of(node.chain(), node, WEB3_CONTRACT_ADDRESS=address))

    assert ("warning", True) in [(f, "is another contract than" in d) for f, d in found]


def test_another_chain_is_broken(node: Node, examine: Examine) -> None:
    ((finding, detail),) = examine(
        **settings_of(node.chain(), node, AGENTGUARD_WEB3_CHAIN_ID="137")
    )

    assert finding == "broken"
    assert "serves chain 80002" in detail


def test_fees_above_the_limit_are_a_warning(node: Node, examine: Examine) -> None:
    *_, (finding, detail) = examine(
        **settings_of(node.chain(), node, AGENTGUARD_WEB3_MAX_FEE_GWEI="25")
    )

    assert finding == "warning"
    assert "above AGENTGUARD_WEB3_MAX_FEE_GWEI (25.00): anchors wait." in detail


def test_a_mistyped_address_is_broken(node: Node, examine: Examine) -> None:
    wrong = "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    ((finding, detail),) = examine(**settings_of(node.chain(), node, WEB3_CONTRACT_ADDRESS=wrong))

    assert finding == "broken"
    assert "wrong checksum" in detail


def test_an_endpoint_without_the_tag_is_told(node: Node, examine: Examine) -> None:
    honest, chain = altered(node), node.chain(balance=ETHER)

    def answer(method: str, params: list[object]) -> object:
        if params and params[0] == "finalized":
            raise FaultError("unknown tag", -32602)
        return honest(method, params)

    with endpoint(answer) as url:
        found = examine(**settings_of(chain, Node(url)))

    assert "AGENTGUARD_WEB3_FINALITY_DEPTH decides" in found[0][1]


def test_an_endpoint_that_is_away_is_broken(examine: Examine, node: Node) -> None:
    ((finding, detail),) = examine(**settings_of(node.chain(), Node("http://127.0.0.1:1")))

    assert (finding, "http://127.0.0.1:1 is unreachable" in detail) == ("broken", True)
