"""Anchors on an EVM chain: transactions that one account pays for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from hexbytes import HexBytes
from web3.types import Nonce, TxParams, Wei

import agentguard.adapters.evm.recursion_limit  # noqa: F401 - for its effect
from agentguard.adapters.evm.addresses import check_address
from agentguard.adapters.evm.answers import Answers
from agentguard.adapters.evm.contract import anchor_call
from agentguard.adapters.evm.endpoint import Endpoint, RevertError, RPCRefusalError
from agentguard.adapters.evm.fees import GWEI, Fees, Market, offered_fees
from agentguard.adapters.evm.networks import check_chain
from agentguard.adapters.evm.reader import FINALITY_DEPTH, EVMReader
from agentguard.adapters.evm.refusals import Known, meaning
from agentguard.audit.chain import (
    AccountState,
    LowBalanceError,
    MinedBlock,
    MinedTransaction,
    SignedTransaction,
    TransactionRefusedError,
)

MAX_FEE = 1000 * GWEI
_MOST_GAS = 1_000_000
"""More than an anchor, or the deployment of the contract, ever needs: an estimate that an endpoint
makes up must not empty the account.
"""
_BLOCKS_OF_FEES = 10


@dataclass(frozen=True, slots=True)
class EVMSettings:
    """How anchors are sent."""

    contract: str | None = None
    """Address of the contract; None: calldata that the account sends to itself."""
    chain_id: int | None = None
    """None: any of Polygon's chains."""
    max_fee: int = MAX_FEE
    """Limit in wei per unit of gas."""


@dataclass(frozen=True, slots=True)
class EVMChain:
    """Implements the port Chain. Holds no connection, so there is nothing to close."""

    reader: EVMReader
    signer: LocalAccount = field(repr=False)
    settings: EVMSettings

    @property
    def target(self) -> str:
        return (self.settings.contract or self.signer.address).lower()

    def chain_id(self) -> int:
        return self.reader.chain_id()

    def transaction(self, tx_hash: str) -> MinedTransaction | None:
        return self.reader.transaction(tx_hash)

    def block(self, number: int) -> MinedBlock | None:
        return self.reader.block(number)

    def account(self) -> AccountState:
        address, number = self.signer.address, self._answers.number
        return AccountState(
            address=address.lower(),
            balance=self._balance(),
            next_nonce=number(self._endpoint.ask(lambda e: e.get_transaction_count(address))),
            next_pending_nonce=number(
                self._endpoint.ask(lambda e: e.get_transaction_count(address, "pending"))
            ),
            finalised_nonce=self._finalised_nonce(address),
        )

    def sign(
        self, data: bytes, nonce: int, replaced: SignedTransaction | None = None
    ) -> SignedTransaction:
        recipient = to_checksum_address(self.target)
        return self.sign_call(self._calldata(data), nonce, recipient, replaced)

    def sign_call(
        self,
        calldata: bytes,
        nonce: int,
        recipient: ChecksumAddress | None,
        replaced: SignedTransaction | None = None,
    ) -> SignedTransaction:
        """Return a signed transaction with this calldata; without recipient, it makes a contract.

        Raises the errors of `sign`.
        """
        served = check_chain(self.settings.chain_id, self.chain_id())
        if recipient is not None and self.settings.contract is not None:
            self._check_code(self.settings.contract)
        call = self._call(calldata, recipient)
        gas = self._gas(call)
        fees = offered_fees(self.market(served), self.settings.max_fee, replaced)
        self._check_balance(gas * fees.most)
        return self._signed(call, served, nonce, gas, fees)

    def send(self, raw: bytes) -> None:
        try:
            answered = self._endpoint.ask(lambda eth: eth.send_raw_transaction(raw))
        except RPCRefusalError as refusal:
            found = meaning(refusal.text)
            if found is Known.KNOWN:
                return
            raise found(_refused(self._endpoint, refusal.text)) from None
        except RevertError as reason:
            raise TransactionRefusedError(_refused(self._endpoint, str(reason))) from None
        if self._answers.digest(answered) != f"0x{keccak(raw).hex()}":
            raise self._endpoint.odd("the hash of another transaction than it was sent")

    def market(self, chain_id: int) -> Market:
        """Return what blocks cost now. Raises ChainUnavailableError."""
        history = self._endpoint.ask(lambda eth: eth.fee_history(_BLOCKS_OF_FEES, "latest", [50]))
        fees, tips = self._answers.fee_history(history)
        return Market(chain_id, fees[-1], tips)

    def anchor_gas(self, data: bytes) -> int:
        """Return the units of gas that an anchor takes.

        Raises ChainUnavailableError, TransactionRefusedError (the contract reverts).
        """
        return self._estimate(self._call(self._calldata(data), to_checksum_address(self.target)))

    def code(self, address: str) -> bytes:
        """Return the code of the contract at an address; it is empty without one.

        Raises ChainUnavailableError.
        """
        checked = to_checksum_address(address)
        return self._answers.data(self._endpoint.ask(lambda eth: eth.get_code(checked)))

    def _finalised_nonce(self, address: ChecksumAddress) -> int:
        """Return the nonce at the finalised block; 0 where the endpoint does not know it.

        Anchors then wait for a nonce that another transaction has used, instead of taking the next.
        """
        block = self.reader.finalised()
        if block is None:
            return 0
        try:
            found = self._endpoint.ask(lambda e: e.get_transaction_count(address, block))
        except RPCRefusalError:  # it keeps no state of blocks so old
            return 0
        return self._answers.number(found)

    @property
    def _endpoint(self) -> Endpoint:
        return self.reader.endpoint

    @property
    def _answers(self) -> Answers:
        return self.reader.answers

    def _balance(self) -> int:
        address = self.signer.address
        return self._answers.number(self._endpoint.ask(lambda eth: eth.get_balance(address)))

    def _calldata(self, data: bytes) -> bytes:
        return data if self.settings.contract is None else anchor_call(data)

    def _call(self, calldata: bytes, recipient: ChecksumAddress | None) -> TxParams:
        call: TxParams = {"from": self.signer.address, "data": HexBytes(calldata), "value": Wei(0)}
        return call if recipient is None else {**call, "to": recipient}

    def _gas(self, call: TxParams) -> int:
        """Return the estimate and a quarter more, since the state may differ when it is mined."""
        estimate = self._estimate(call)
        if estimate > _MOST_GAS:
            raise self._endpoint.odd(f"an estimate of {estimate:,} units of gas, far too many")
        return estimate + estimate // 4

    def _estimate(self, call: TxParams) -> int:
        try:
            return self._answers.number(self._endpoint.ask(lambda eth: eth.estimate_gas(call)))
        except RevertError as reason:
            raise TransactionRefusedError(
                f"The contract {self.target} refuses the anchor: {reason}. Correct"
                " WEB3_CONTRACT_ADDRESS."
            ) from None

    def _check_balance(self, cost: int) -> None:
        balance = self._balance()
        if balance < cost:
            raise LowBalanceError(
                f"The account {self.signer.address} has {balance / 10**18:.6f}, and an anchor can"
                f" cost {cost / 10**18:.6f} (in POL on Polygon). Send it some."
            )

    def _check_code(self, contract: str) -> None:
        if not self.code(contract):
            raise TransactionRefusedError(
                f"There is no contract at {contract} on this chain. Correct WEB3_CONTRACT_ADDRESS;"
                " `agentguard audit deploy-contract` makes a contract."
            )

    def _signed(
        self, call: TxParams, chain_id: int, nonce: int, gas: int, fees: Fees
    ) -> SignedTransaction:
        offer: TxParams = {
            "type": 2,
            "chainId": chain_id,
            "nonce": Nonce(nonce),
            "gas": gas,
            "maxFeePerGas": Wei(fees.most),
            "maxPriorityFeePerGas": Wei(fees.tip),
        }
        parts: dict[str, Any] = {**call, **offer}
        parts.pop("from")
        signed = self.signer.sign_transaction(parts)
        raw = bytes(signed.raw_transaction)
        return SignedTransaction(
            f"0x{signed.hash.hex()}", nonce, raw, gas, max_fee=fees.most, max_tip=fees.tip
        )


def _refused(endpoint: Endpoint, text: str) -> str:
    return f"The RPC endpoint {endpoint.place} does not take the transaction: {text}"


def open_chain(
    url: str,
    private_key: str,
    timeout_seconds: float,
    settings: EVMSettings,
    finality_depth: int = FINALITY_DEPTH,
) -> EVMChain:
    """Return the chain that the RPC endpoint serves; nothing is asked yet.

    Raises AddressError.
    """
    if settings.contract is not None:
        check_address(settings.contract)
    reader = EVMReader(Endpoint(url, timeout_seconds), finality_depth)
    return EVMChain(reader, Account.from_key(private_key), settings)
