"""The port of an EVM chain: what anchoring and verification ask of one.

Hashes and addresses are text: 0x and lower-case hexadecimal. Amounts are wei. Every method may
block on the network for as long as the adapter's timeout; none retries by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from agentguard.kernel.errors import ConflictError, UnavailableError


class ChainUnavailableError(UnavailableError):
    """The RPC endpoint does not answer, or answers with an error that may pass."""

    code = "chain-unavailable"


class FeesTooHighError(ChainUnavailableError):
    """The chain's fees are above the limit that is set; they may fall."""

    code = "chain-fees-too-high"


class TransactionRefusedError(ConflictError):
    """The chain refuses a transaction for a reason that does not pass by itself."""

    code = "transaction-refused"


class WrongChainError(TransactionRefusedError):
    """The RPC endpoint serves another chain than the one that is set, or one that is not known."""

    code = "wrong-chain"


class LowBalanceError(TransactionRefusedError):
    """The account cannot pay for the transaction."""

    code = "balance-too-low"


class NonceUsedError(TransactionRefusedError):
    """A transaction of the account with this nonce is mined already: ours, or another."""

    code = "nonce-used"


class UnderpricedError(TransactionRefusedError):
    """The fees are too low, or do not exceed those of the pending transaction by enough."""

    code = "transaction-underpriced"


@dataclass(frozen=True, slots=True)
class MinedTransaction:
    """What a chain says about a transaction that is in a block."""

    block_number: int
    block_hash: str
    block_time: int
    """Seconds since the epoch."""
    succeeded: bool
    data: Mapping[str, tuple[bytes, ...]]
    """By address: the data of the events it emitted, and the calldata sent to it."""
    finalised: bool
    """The block is on the chain at or below the finalised one, or has the depth that is set."""
    gas_used: int
    gas_price: int
    """Paid per unit of gas (`effectiveGasPrice`)."""


@dataclass(frozen=True, slots=True)
class MinedBlock:
    """The block that a chain has at a height now."""

    hash: str
    transactions: frozenset[str]
    """The hashes of all its transactions."""


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction that is ready to be sent; sending it twice has the effect of once."""

    hash: str
    nonce: int
    raw: bytes
    """As sent: the signed EIP-1559 envelope (EIP-2718)."""
    gas_limit: int
    max_fee: int
    """Per unit of gas (`maxFeePerGas`)."""
    max_tip: int
    """Per unit of gas (`maxPriorityFeePerGas`)."""


@dataclass(frozen=True, slots=True)
class AccountState:
    """The account that pays, at the newest block."""

    address: str
    balance: int
    next_nonce: int
    """Of mined transactions only: pending ones are not counted."""
    next_pending_nonce: int
    """The same with the pending transactions that the endpoint knows."""
    finalised_nonce: int
    """The same at the finalised block: transactions with lower nonces are mined for good."""


class ChainReader(Protocol):
    """Read access to one EVM chain, through an RPC endpoint that is not trusted."""

    def chain_id(self) -> int:
        """Return the id that the RPC answers. Raises ChainUnavailableError."""

    def transaction(self, tx_hash: str) -> MinedTransaction | None:
        """Return a mined transaction; None: the endpoint has no record of it, or no longer.

        Raises ChainUnavailableError.
        """

    def block(self, number: int) -> MinedBlock | None:
        """Return the block at this height; None: the endpoint has none, or no longer.

        Raises ChainUnavailableError.
        """


class Chain(ChainReader, Protocol):
    """One EVM chain with an account that pays for anchors and an address that receives them."""

    @property
    def target(self) -> str:
        """The address that an anchor's transaction is sent to: the contract, if one is set."""

    def account(self) -> AccountState:
        """Return the state of the account that pays. Raises ChainUnavailableError."""

    def sign(
        self, data: bytes, nonce: int, replaced: SignedTransaction | None = None
    ) -> SignedTransaction:
        """Return a transaction that anchors `data` (`anchor_data`); it is not sent.

        Fees follow the chain's; those of a replacement exceed the replaced one's by 10 % or more.
        Raises ChainUnavailableError, FeesTooHighError (also if a replacement would cost too much),
        WrongChainError, LowBalanceError, TransactionRefusedError (the contract reverts).
        """

    def send(self, raw: bytes) -> None:
        """Send a signed transaction; one that the chain knows already is no error.

        Raises ChainUnavailableError, NonceUsedError, LowBalanceError, UnderpricedError,
        TransactionRefusedError.
        """
