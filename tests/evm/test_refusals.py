"""The words of each kind of node mean what its source says."""

from __future__ import annotations

import pytest

from agentguard.adapters.evm.refusals import Known, meaning
from agentguard.audit.chain import (
    ChainUnavailableError,
    LowBalanceError,
    NonceUsedError,
    TransactionRefusedError,
    UnderpricedError,
    WrongChainError,
)

GETH = {
    "already known": Known.KNOWN,
    "nonce too low: next nonce 8, tx nonce 7": NonceUsedError,
    "insufficient funds for gas * price + value: balance 0, tx cost 5, overshot 5": LowBalanceError,
    "transaction underpriced: tip needed 25000000000, tip permitted 1": UnderpricedError,
    "replacement transaction underpriced": UnderpricedError,
    "max fee per gas less than block base fee: address 0x1, maxFeePerGas: 1": UnderpricedError,
    "intrinsic gas too low: gas 1, minimum needed 21000": TransactionRefusedError,
    "exceeds block gas limit": TransactionRefusedError,
    "tx fee (2.00 ether) exceeds the configured cap (1.00 ether)": TransactionRefusedError,
    "transaction type not supported": TransactionRefusedError,
    "sender not an eoa: address 0x1": TransactionRefusedError,
    "invalid sender": WrongChainError,
    "invalid chain id for signer: have 1 want 137": WrongChainError,
    "txpool is full": ChainUnavailableError,
    "request timed out": ChainUnavailableError,
}
ERIGON = {
    "already known": Known.KNOWN,
    "existing txn with same hash": Known.KNOWN,
    "INTERNAL_ERROR: existing tx with same hash": Known.KNOWN,
    "nonce too low": NonceUsedError,
    "insufficient funds": LowBalanceError,
    "underpriced": UnderpricedError,
    "fee too low": UnderpricedError,
    "could not replace existing tx": UnderpricedError,
    "pending sub-pool is full": ChainUnavailableError,
}
NETHERMIND = {
    "AlreadyKnown": Known.KNOWN,
    "OldNonce, Current nonce: 8, nonce of rejected tx: 7.": NonceUsedError,
    "InsufficientFunds, Account balance: 0": LowBalanceError,
    "FeeTooLow, MaxFeePerGas too low": UnderpricedError,
    "FeeTooLowToCompete": ChainUnavailableError,
    "ReplacementNotAllowed": UnderpricedError,
    "NonceGap, Future nonce": ChainUnavailableError,
}
ANVIL = {
    "Tx: [0x12] already Imported": Known.KNOWN,
    "transaction already imported": Known.KNOWN,
    "nonce too low": NonceUsedError,
    "Insufficient funds for gas * price + value": LowBalanceError,
    "Tx: [0x12] insufficient gas price to replace existing transaction": UnderpricedError,
    "max fee per gas less than block base fee": UnderpricedError,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(text, expected, id=f"{node}: {text}")
        for node, words in {
            "geth": GETH,
            "erigon": ERIGON,
            "nethermind": NETHERMIND,
            "anvil": ANVIL,
        }.items()
        for text, expected in words.items()
    ],
)
def test_words_of_a_node(text: str, expected: object) -> None:
    assert meaning(text) is expected
