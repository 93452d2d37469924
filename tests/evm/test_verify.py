"""`agentguard audit verify --rpc`: a stranger asks the chain for the anchor of a bundle."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agentguard.adapters.evm.chain import EVMChain
from agentguard.adapters.evm.deploying import deploy
from agentguard.audit.anchors import AnchorReceipt, anchor_data
from agentguard.audit.bundles import Bundle
from agentguard.cli.main import app
from tests.audit.keys import KEY
from tests.audit.logs import Log
from tests.evm.endpoints import altered, endpoint
from tests.evm.node import Node, mined

pytestmark = pytest.mark.xdist_group("evm")

LOG = Log.of(13)
SIZE = 11
SIGNED = LOG.signed(SIZE)
DATA = anchor_data(SIGNED.checkpoint)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of somebody who has the log's key, and no settings."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.key").write_text(KEY.verifier.encode())
    return tmp_path


@pytest.fixture(scope="module")
def contract(node: Node) -> str:
    return deploy(node.chain(), wait_seconds=10)


def receipt_of(chain: EVMChain, tx_hash: str) -> AnchorReceipt:
    found = chain.transaction(tx_hash)
    return AnchorReceipt(
        chain_id=chain.chain_id(),
        tx_hash=tx_hash,
        block_number=found.block_number,
        block_hash=found.block_hash,
        block_time=found.block_time,
        contract=chain.target,
        data=DATA,
    )


def anchored_bundle(chain: EVMChain, **changes: Any) -> Bundle:
    sent = mined(chain, DATA)
    return LOG.bundle(5, SIZE, receipt=replace(receipt_of(chain, sent.hash), **changes))


def verify(bundle: Bundle, *options: str) -> dict[str, tuple[str, str]]:
    """Return outcome and detail of each check, and of the whole with the exit code."""
    Path("entry.proof").write_bytes(bundle.encode())
    command = ["audit", "verify", "entry.proof", "--key", "log.key", "--format", "json"]
    done = CliRunner().invoke(app, [*command, *options], prog_name="agentguard")
    document = json.loads(done.stdout)
    checks = {one["check"]: (one["outcome"], one["detail"]) for one in document["checks"]}
    return {**checks, "whole": (document["outcome"], str(done.exit_code))}


@pytest.mark.parametrize("through_contract", [True, False], ids=["event", "calldata"])
def test_an_anchor_is_verified_once_it_is_final(
    node: Node, contract: str, home: Path, through_contract: bool
) -> None:
    chain = node.chain(contract=contract if through_contract else None)
    bundle = anchored_bundle(chain)
    options = ("--rpc", node.url, "--chain-id", "80002", "--contract", chain.target)

    early = verify(bundle, *options)["anchor"]
    node.mine(64)
    late = verify(bundle, *options)

    assert early[0] == "not checkable"
    assert "is not final yet" in early[1]
    assert late["anchor"][0] == "verified"
    assert "anchored through the trusted contract" in late["anchor"][1]
    assert late["whole"] == ("verified", "0")


def away(node: Node, bundle: Bundle) -> None:
    """Let the chain reorganise the anchor's block away."""
    newest = int(node.call("eth_blockNumber"), 16)
    node.reorganise(newest - bundle.receipt.block_number + 1)


TAMPERED: dict[str, tuple[dict[str, Any], str]] = {
    "another contract": ({"contract": "0x" + "0c" * 20}, "does not concern the contract"),
    "another block": ({"block_number": 1}, "is in block"),
    "another block's hash": ({"block_hash": "0x" + "0b" * 32}, "has another hash"),
    "another time": ({"block_time": 1_700_000_000}, "not 1700000000 s"),
    "a transaction that never was": ({"tx_hash": "0x" + "0a" * 32}, "it was never mined"),
}


@pytest.mark.parametrize(("changes", "words"), TAMPERED.values(), ids=TAMPERED)
def test_a_receipt_that_the_chain_does_not_have_fails(
    node: Node, contract: str, home: Path, changes: dict[str, Any], words: str
) -> None:
    bundle = anchored_bundle(node.chain(contract=contract), **changes)

    found = verify(bundle, "--rpc", node.url)

    assert found["anchor"][0] == "failed"
    assert words in found["anchor"][1]
    assert found["whole"] == ("failed", "1")


FORGETFUL: dict[str, tuple[dict[str, Any], str]] = {
    "its records": ({}, "although block"),
    "its blocks too": ({"eth_getBlockByNumber": lambda _: None}, "nor of block"),
}


@pytest.mark.parametrize(("changes", "words"), FORGETFUL.values(), ids=FORGETFUL)
def test_an_endpoint_that_has_dropped_old_records_contradicts_nothing(
    node: Node, contract: str, home: Path, changes: dict[str, Any], words: str
) -> None:
    bundle = anchored_bundle(node.chain(contract=contract))
    pruned = altered(node, eth_getTransactionReceipt=lambda _: None, **changes)
    with endpoint(pruned) as url:
        found = verify(bundle, "--rpc", url)

    assert found["anchor"][0] == "not checkable"
    assert "no record of transaction" in found["anchor"][1]
    assert words in found["anchor"][1]
    assert found["whole"] == ("not checkable", "3")


def test_an_event_with_other_data_fails(node: Node, contract: str, home: Path) -> None:
    chain = node.chain(contract=contract)
    other = mined(chain, os.urandom(96))
    bundle = LOG.bundle(5, SIZE, receipt=receipt_of(chain, other.hash))

    assert verify(bundle, "--rpc", node.url)["anchor"] == (
        "failed",
        "the transaction anchors other data than the receipt",
    )


def test_a_reorganised_anchor_fails(node: Node, home: Path) -> None:
    chain = node.chain()
    node.mine()
    bundle = anchored_bundle(chain)
    with node.mining_by_hand():
        away(node, bundle)

        found = verify(bundle, "--rpc", node.url)

    assert found["anchor"][0] == "failed"
    assert "reorganised away" in found["anchor"][1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--chain-id", "137"), "of chain 80002, not 137"),
        (("--contract", "0x" + "0c" * 20), "of the contract 0x"),
    ],
    ids=["chain", "contract"],
)
def test_an_anchor_elsewhere_than_expected_fails(
    node: Node, home: Path, options: tuple[str, ...], words: str
) -> None:
    found = verify(anchored_bundle(node.chain()), "--rpc", node.url, *options)

    assert found["anchor"][0] == "failed"
    assert words in found["anchor"][1]


def test_an_endpoint_that_does_not_answer_makes_the_anchor_not_checkable(
    node: Node, home: Path
) -> None:
    secret = "zq9-open-sesame"
    found = verify(
        anchored_bundle(node.chain()), "--rpc", f"http://u:{secret}@127.0.0.1:1/{secret}"
    )

    assert found["anchor"][0] == "not checkable"
    assert "127.0.0.1:1 is unreachable" in found["anchor"][1]
    assert secret not in str(found)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--rpc", "ws://host/zq9"), "The URL of the RPC endpoint is not a supported URL"),
        (("--contract", "0x12"), "'0x12' is not an address"),
    ],
    ids=["scheme", "address"],
)
def test_options_that_cannot_be_used_are_named(
    home: Path, options: tuple[str, ...], words: str
) -> None:
    Path("entry.proof").write_bytes(b"")
    command = ["audit", "verify", "entry.proof", *options]
    done = CliRunner().invoke(app, command, prog_name="agentguard")

    assert done.exit_code == 2
    assert words in done.output
    assert "zq9" not in done.output


def deploying(monkeypatch: pytest.MonkeyPatch, **settings: str) -> Callable[[], Any]:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return lambda: CliRunner().invoke(app, ["audit", "deploy-contract"], prog_name="agentguard")


def test_deploy_contract_prints_a_setting_that_anchors(
    node: Node, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = node.chain().signer.key.hex()
    run = deploying(monkeypatch, WEB3_PROVIDER_URL=node.url, WEB3_PRIVATE_KEY=key)

    done = run()

    assert done.exit_code == 0, done.output
    name, _, address = done.stdout.strip().partition("=")
    assert name == "WEB3_CONTRACT_ADDRESS"
    assert node.chain(contract=address).sign(DATA, 0).gas_limit < 50_000
    assert key not in done.output


def test_deploy_contract_needs_an_account_and_no_contract(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = deploying(monkeypatch)
    assert "Set WEB3_PROVIDER_URL and WEB3_PRIVATE_KEY first." in run().output

    run = deploying(
        monkeypatch,
        WEB3_PROVIDER_URL="http://127.0.0.1:1",
        WEB3_PRIVATE_KEY="5e" * 32,
        WEB3_CONTRACT_ADDRESS="0x" + "0c" * 20,
    )
    assert "WEB3_CONTRACT_ADDRESS is set already" in run().output
