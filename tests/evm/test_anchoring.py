"""Anchors are signed, sent, mined, replaced and reorganised on a real node."""

from __future__ import annotations

import os

import pytest

from agentguard.audit.chain import (
    ChainUnavailableError,
    FeesTooHighError,
    LowBalanceError,
    NonceUsedError,
    TransactionRefusedError,
    UnderpricedError,
    WrongChainError,
)
from scripts.services.anvil import CHAIN_ID
from tests.evm.node import Node, anchored, mined

pytestmark = pytest.mark.xdist_group("evm")

FINAL_AFTER = 64
"""Blocks after which anvil's tag `finalized` has reached one."""


def test_an_anchor_is_calldata_to_the_account_itself(node: Node) -> None:
    chain, data = node.chain(), os.urandom(96)

    sent = mined(chain, data)

    found = chain.transaction(sent.hash)
    assert found.succeeded
    assert found.data == {chain.account().address: (data,)}
    assert chain.target == chain.account().address


def test_receipt_and_block_agree_with_the_node(node: Node) -> None:
    chain = node.chain()

    sent = mined(chain, bytes(96))

    found = chain.transaction(sent.hash)
    block = node.call("eth_getBlockByNumber", hex(found.block_number), False)
    assert found.block_hash == block["hash"]
    assert found.block_time == int(block["timestamp"], 16)
    assert found.gas_used <= sent.gas_limit
    assert found.gas_price <= sent.max_fee


def test_a_transaction_that_was_never_sent_is_none(node: Node) -> None:
    chain = node.chain()

    signed = chain.sign(bytes(96), 0)

    assert chain.transaction(signed.hash) is None


def test_a_pending_transaction_is_none(node: Node) -> None:
    chain = node.chain()
    with node.mining_by_hand():
        sent = anchored(chain, bytes(96))

        assert chain.transaction(sent.hash) is None

    assert chain.transaction(sent.hash) is not None


def test_a_block_is_final_once_the_tag_has_reached_it(node: Node) -> None:
    chain = node.chain()
    sent = mined(chain, bytes(96))
    node.mine(FINAL_AFTER - 1)

    before = chain.transaction(sent.hash)
    node.mine()
    after = chain.transaction(sent.hash)

    assert (before.finalised, after.finalised) == (False, True)


def test_polygon_gets_a_tip_of_25_gwei(node: Node) -> None:
    signed = node.chain().sign(bytes(96), 0)

    assert signed.max_tip >= 25 * 10**9
    assert signed.max_fee >= signed.max_tip


def test_sending_twice_has_the_effect_of_once(node: Node) -> None:
    chain = node.chain()
    with node.mining_by_hand():
        sent = anchored(chain, bytes(96))
        chain.send(sent.raw)

    assert chain.account().next_nonce == 1


def test_a_mined_transaction_sent_again_has_used_its_nonce(node: Node) -> None:
    chain = node.chain()
    sent = mined(chain, bytes(96))

    with pytest.raises(NonceUsedError):
        chain.send(sent.raw)


def test_another_transaction_with_a_mined_nonce_is_refused(node: Node) -> None:
    chain = node.chain()
    mined(chain, bytes(96))
    other = chain.sign(b"\1" * 96, 0)

    with pytest.raises(NonceUsedError):
        chain.send(other.raw)


def test_a_stuck_transaction_is_replaced_at_ten_percent_more(node: Node) -> None:
    chain = node.chain()
    with node.mining_by_hand():
        stuck = anchored(chain, bytes(96))
        replacing = chain.sign(b"\1" * 96, 0, stuck)
        chain.send(replacing.raw)

    assert replacing.max_tip * 10 >= stuck.max_tip * 11
    assert replacing.max_fee * 10 >= stuck.max_fee * 11
    assert chain.transaction(stuck.hash) is None
    assert chain.transaction(replacing.hash).data[chain.target] == (b"\1" * 96,)


def test_a_replacement_without_higher_fees_is_underpriced(node: Node) -> None:
    chain = node.chain()
    with node.mining_by_hand():
        anchored(chain, bytes(96))
        same_fees = chain.sign(b"\1" * 96, 0)

        with pytest.raises(UnderpricedError):
            chain.send(same_fees.raw)


def test_pending_transactions_count_in_one_nonce_only(node: Node) -> None:
    chain = node.chain()
    with node.mining_by_hand():
        anchored(chain, bytes(96))
        anchored(chain, bytes(96))

        account = chain.account()

    assert (account.next_nonce, account.next_pending_nonce) == (0, 2)


def test_a_transaction_after_a_gap_is_mined_when_the_gap_closes(node: Node) -> None:
    chain = node.chain()
    later = chain.sign(bytes(96), 1)
    chain.send(later.raw)
    assert chain.transaction(later.hash) is None

    mined(chain, b"\1" * 96)
    node.mine()

    assert chain.transaction(later.hash).succeeded


def test_a_transaction_of_a_reorganised_block_is_none_and_can_be_sent_again(node: Node) -> None:
    chain = node.chain()
    node.mine()  # the account's balance is in an older block than the one that goes
    sent = mined(chain, bytes(96))
    before = chain.transaction(sent.hash)

    with node.mining_by_hand():
        node.reorganise(1)
        assert chain.transaction(sent.hash) is None
        chain.send(sent.raw)

    after = chain.transaction(sent.hash)
    assert after.block_hash != before.block_hash


def test_an_account_without_money_is_told_before_anything_is_sent(node: Node) -> None:
    chain = node.chain(balance=10**12)

    with pytest.raises(LowBalanceError, match=r"has 0\.000001, and an anchor can cost 0\.000"):
        chain.sign(bytes(96), 0)


def test_the_node_tells_that_the_money_is_gone(node: Node) -> None:
    chain = node.chain()
    signed = chain.sign(bytes(96), 0)
    node.call("anvil_setBalance", chain.signer.address, "0x0")

    with pytest.raises(LowBalanceError):
        chain.send(signed.raw)


def test_a_chain_that_is_not_meant_is_refused(node: Node) -> None:
    chain = node.chain(chain_id=137)

    with pytest.raises(WrongChainError, match=r"serves chain 80002 .* is 137"):
        chain.sign(bytes(96), 0)
    assert chain.chain_id() == CHAIN_ID


def test_fees_above_the_limit_wait(node: Node) -> None:
    chain = node.chain(max_fee=25 * 10**9)

    with pytest.raises(FeesTooHighError, match=r"the limit is 25\.00"):
        chain.sign(bytes(96), 0)


def test_a_replacement_above_the_limit_waits(node: Node) -> None:
    first = node.chain().sign(bytes(96), 0)
    chain = node.chain(max_fee=first.max_fee)

    with pytest.raises(FeesTooHighError):
        chain.sign(bytes(96), 0, first)


def test_a_transaction_signed_for_another_chain_is_refused(node: Node) -> None:
    chain = node.chain()
    foreign = chain.signer.sign_transaction(
        {
            "type": 2,
            "chainId": 137,
            "nonce": 0,
            "to": chain.signer.address,
            "value": 0,
            "data": bytes(96),
            "gas": 50_000,
            "maxFeePerGas": 10**11,
            "maxPriorityFeePerGas": 10**11,
        }
    )

    with pytest.raises((WrongChainError, TransactionRefusedError)):
        chain.send(bytes(foreign.raw_transaction))


def test_bytes_that_are_no_transaction_are_refused(node: Node) -> None:
    with pytest.raises((ChainUnavailableError, TransactionRefusedError)):
        node.chain().send(b"\2nonsense")
