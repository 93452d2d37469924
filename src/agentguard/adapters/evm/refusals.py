"""What nodes answer when they do not take a transaction, and what it means.

JSON-RPC has no codes for this; each kind of node has its own words. They are compared without
regard to case, and may be followed by more, such as balance and cost.

- geth, and bor, Polygon's fork of it: `core/txpool/errors.go`, `core/error.go`
- erigon: `txnprovider/txpool/txpoolcfg/txpoolcfg.go`, `DiscardReason.String`
- nethermind: `Nethermind.TxPool/AcceptTxResult.cs`; up to 1.3x the names of its members, since then
  geth's words
- anvil: `crates/anvil/src/eth/error.rs`
"""

from __future__ import annotations

from enum import Enum

from agentguard.audit.chain import (
    ChainUnavailableError,
    LowBalanceError,
    NonceUsedError,
    TransactionRefusedError,
    UnderpricedError,
    WrongChainError,
)


class Known(Enum):
    """The one outcome that is no error."""

    KNOWN = "the node has this transaction already"


_MEANINGS: tuple[tuple[str, Known | type[TransactionRefusedError | ChainUnavailableError]], ...] = (
    ("already known", Known.KNOWN),  # geth, bor, erigon, nethermind
    ("alreadyknown", Known.KNOWN),  # nethermind until 1.3x
    ("already imported", Known.KNOWN),  # anvil: `Tx: […] already Imported`
    ("existing txn with same hash", Known.KNOWN),  # erigon
    ("existing tx with same hash", Known.KNOWN),  # erigon 2
    ("authority nonce too low", TransactionRefusedError),  # geth: of an EIP-7702 authorisation
    ("nonce too low", NonceUsedError),  # geth, bor, erigon, nethermind, anvil
    ("oldnonce", NonceUsedError),  # nethermind until 1.3x
    ("insufficient funds", LowBalanceError),  # all; geth: `… for gas * price + value`
    ("insufficientfunds", LowBalanceError),  # nethermind until 1.3x
    ("transaction would cause overdraft", LowBalanceError),  # geth: with the pending ones
    ("insufficient gas price to replace", UnderpricedError),  # anvil
    ("could not replace existing tx", UnderpricedError),  # erigon
    ("replacementnotallowed", UnderpricedError),  # nethermind until 1.3x
    ("underpriced", UnderpricedError),  # geth, bor, erigon: `[replacement ]transaction underpriced`
    ("fee too low", UnderpricedError),  # erigon
    ("feetoolowtocompete", ChainUnavailableError),  # nethermind until 1.3x: its pool is full
    ("feetoolow", UnderpricedError),  # nethermind until 1.3x
    ("max fee per gas less than block base fee", UnderpricedError),  # geth, bor, anvil
    ("gas price below minimum", UnderpricedError),  # geth: below its miner's minimum
    ("invalid chain id", WrongChainError),  # geth, bor, anvil: `… for signer`
    ("invalid sender", WrongChainError),  # geth, erigon: the signature is for another chain
    ("txpool is full", ChainUnavailableError),  # geth, bor
    ("sub-pool is full", ChainUnavailableError),  # erigon
    ("syncing", ChainUnavailableError),  # nethermind
    ("nonce too high", ChainUnavailableError),  # anvil: those before it have not arrived
    ("noncegap", ChainUnavailableError),  # nethermind until 1.3x
    ("in-flight transaction limit", ChainUnavailableError),  # geth: of an account with code
    ("account limit exceeded", ChainUnavailableError),  # geth: too many are pending
)
"""The first that is part of the answer counts."""

_FINAL = (
    "execution reverted",
    "exceeds block gas limit",
    "gas limit",
    "intrinsic gas",
    "not an eoa",
    "exceeds the configured cap",  # geth: `tx fee (… ether) exceeds …`, its `--rpc.txfeecap`
    "transaction type not supported",
    "oversized data",
)
"""Parts of answers that repeating the same transaction does not change."""


def meaning(text: str) -> Known | type[TransactionRefusedError | ChainUnavailableError]:
    """Return what a node's answer to a transaction means; unknown words may pass by themselves."""
    words = text.lower()
    for part, found in _MEANINGS:
        if part in words:
            return found
    final = any(part in words for part in _FINAL)
    return TransactionRefusedError if final else ChainUnavailableError
