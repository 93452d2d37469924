"""The committed contract is what its source compiles to, and its events are the anchors."""

from __future__ import annotations

import json
import os
import secrets

import pytest
from eth_utils.crypto import keccak

from agentguard.adapters.evm.addresses import AddressError
from agentguard.adapters.evm.chain import EVMChain, EVMSettings, open_chain
from agentguard.adapters.evm.contract import anchor_call, deployed_code
from agentguard.adapters.evm.deploying import deploy
from agentguard.audit.anchors import anchor_data
from agentguard.audit.chain import ChainUnavailableError, TransactionRefusedError, WrongChainError
from agentguard.audit.checkpoints import Checkpoint
from agentguard.audit.merkle import Digest
from scripts.contracts import ARTIFACT, artifact
from scripts.services.process import ServiceError
from tests.evm.node import ETHER, Node, mined

pytestmark = pytest.mark.xdist_group("evm")

REVERTING = "0x" + "c0" * 20
REASON = "08c379a0" + f"{32:064x}" + f"{6:064x}" + b"closed".hex().ljust(64, "0")  # Error("closed")
REVERTING_CODE = "0x60646014600039606460" + "00" + "fd" + "00" * 8 + REASON
"""Copies the reason from its own code into memory, and reverts with it."""


@pytest.fixture(scope="module")
def contract(node: Node) -> str:
    return deploy(node.chain(), wait_seconds=10)


def through(node: Node, contract: str) -> EVMChain:
    return node.chain(contract=contract)


def test_the_committed_bytecode_is_what_the_source_compiles_to() -> None:
    try:
        built = artifact()
    except ServiceError as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))

    assert built == ARTIFACT.read_text("utf-8")


def test_the_deployed_code_is_the_committed_one(node: Node, contract: str) -> None:
    assert node.call("eth_getCode", contract, "latest") == f"0x{deployed_code().hex()}"


def test_the_events_data_are_exactly_the_anchor(node: Node, contract: str) -> None:
    checkpoint = Checkpoint("example.com/log", 2**63, Digest(os.urandom(32)))
    chain = through(node, contract)

    sent = mined(chain, anchor_data(checkpoint))

    assert chain.transaction(sent.hash).data == {
        contract: (anchor_data(checkpoint), anchor_call(anchor_data(checkpoint)))
    }
    assert chain.target == contract


def test_the_event_names_who_mined(node: Node, contract: str) -> None:
    chain = through(node, contract)
    sent = mined(chain, bytes(96))

    (event,) = node.call("eth_getTransactionReceipt", sent.hash)["logs"]

    signature = keccak(text="Anchored(address,bytes32,uint256,bytes32)").hex()
    assert event["topics"] == [f"0x{signature}", f"0x{chain.account().address[2:]:0>64}"]


def test_the_abi_has_one_function_and_one_event() -> None:
    abi = json.loads(ARTIFACT.read_text("utf-8"))["abi"]

    assert sorted((part["type"], part["name"]) for part in abi) == [
        ("event", "Anchored"),
        ("function", "anchor"),
    ]


def test_the_contract_takes_no_money_and_no_other_calls(node: Node, contract: str) -> None:
    sender = node.chain().signer.address
    for call in (
        {"data": "0x"},
        {"data": "0x" + "00" * 96},
        {"data": "0x" + anchor_call(bytes(95)).hex()},
        {"data": "0x" + anchor_call(bytes(96)).hex(), "value": "0x1"},
    ):
        answer = node.ask("eth_call", {"from": sender, "to": contract, **call}, "latest")
        assert "revert" in answer["error"]["message"]


def test_an_address_without_a_contract_is_refused_before_anything_is_paid(node: Node) -> None:
    chain = through(node, "0x" + secrets.token_hex(20))

    with pytest.raises(TransactionRefusedError, match="There is no contract at 0x"):
        chain.sign(bytes(96), 0)


def test_the_chain_is_checked_before_the_contract(node: Node) -> None:
    chain = node.chain(contract="0x" + secrets.token_hex(20), chain_id=137)

    with pytest.raises(WrongChainError):
        chain.sign(bytes(96), 0)


def test_a_contract_that_reverts_is_refused_with_its_reason(node: Node) -> None:
    node.call("anvil_setCode", REVERTING, REVERTING_CODE)

    with pytest.raises(TransactionRefusedError, match=r"refuses the anchor: .*closed"):
        through(node, REVERTING).sign(bytes(96), 0)


def test_a_transaction_that_reverted_on_the_chain_has_not_succeeded(node: Node) -> None:
    node.call("anvil_setCode", REVERTING, "0x00")
    chain = through(node, REVERTING)
    signed = chain.sign(bytes(96), 0)
    node.call("anvil_setCode", REVERTING, REVERTING_CODE)
    chain.send(signed.raw)
    node.mine()

    assert not chain.transaction(signed.hash).succeeded


def test_deploying_waits_only_so_long(node: Node) -> None:
    chain = node.chain()
    with node.mining_by_hand(), pytest.raises(ChainUnavailableError, match="not mined within"):
        deploy(chain, wait_seconds=0.2)


def test_an_address_whose_checksum_is_wrong_is_refused() -> None:
    right = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    wrong = right.replace("5aAeb", "5aaeb")
    for accepted in (right, right.lower(), "0x" + right[2:].upper()):
        open_chain("http://127.0.0.1:1", "1" * 64, 1, EVMSettings(contract=accepted))

    with pytest.raises(AddressError, match="wrong checksum"):
        open_chain("http://127.0.0.1:1", "1" * 64, 1, EVMSettings(contract=wrong))


def test_an_anchor_through_the_contract_costs_little(node: Node, contract: str) -> None:
    sent = mined(through(node, contract), os.urandom(96))

    assert node.chain().transaction(sent.hash).gas_used < 40_000
    assert sent.gas_limit * sent.max_fee < ETHER // 100
