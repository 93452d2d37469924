"""Questions to an RPC endpoint through web3.py; whatever it answers, one error type comes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from web3 import Web3
from web3.eth import Eth
from web3.exceptions import (
    BlockNotFound,
    ContractLogicError,
    TransactionNotFound,
    Web3Exception,
    Web3RPCError,
)
from web3.middleware import ExtraDataToPOAMiddleware

import agentguard.adapters.evm.recursion_limit  # noqa: F401 - for its effect
from agentguard.adapters.evm.provider import BoundedProvider
from agentguard.audit.chain import ChainUnavailableError

T = TypeVar("T")

_ODD = (
    Web3Exception,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RecursionError,
)
"""What web3.py's formatters raise for answers of other types than they expect."""


class RPCRefusalError(ChainUnavailableError):
    """The endpoint answers with a JSON-RPC error: it has understood the question."""

    def __init__(self, place: str, text: str) -> None:
        super().__init__(f"The RPC endpoint {place} answers with an error: {text}")
        self.text = text


class RevertError(Exception):
    """A call of a contract reverts; the message is its reason."""


class Endpoint:
    """An RPC endpoint. Its answers are not trusted, and its URL appears in no message."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        self._provider = BoundedProvider(url, timeout_seconds)
        self._web3 = Web3(self._provider)
        # Polygon's headers have more extra data than the 32 bytes that web3.py expects.
        self._web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)

    @property
    def place(self) -> str:
        """Scheme, host and port, for messages."""
        return self._provider.place

    def ask(self, question: Callable[[Eth], T]) -> T:
        """Return the answer, whose types are still to be checked.

        Raises ChainUnavailableError, RPCRefusalError, RevertError.
        """
        found = self.find(question)
        if found is None:
            raise self.odd("nothing where there must be something")
        return found

    def find(self, question: Callable[[Eth], T]) -> T | None:
        """Do as `ask`, but return None for a block or transaction that the endpoint lacks."""
        try:
            return question(self._web3.eth)
        except (BlockNotFound, TransactionNotFound):
            return None
        except ContractLogicError as error:
            reason = self._provider.secrets.removed_from(error.message or "no reason given")
            raise RevertError(reason) from None
        except Web3RPCError as error:
            raise RPCRefusalError(self.place, _message(error)) from None
        except _ODD:
            raise self.odd("something that is not understood") from None

    def odd(self, what: str) -> ChainUnavailableError:
        """Return the error for an answer that is not one; `what` was answered."""
        return self._provider.unavailable(f"answers with {what}; use another endpoint.")

    def contradiction(self, what: str) -> ChainUnavailableError:
        """Return the error for answers of which not all can be true at one moment."""
        return self._provider.unavailable(f"contradicts itself: {what}. Try again later.")


def _message(error: Web3RPCError) -> str:
    answered = error.rpc_response.get("error") if error.rpc_response else None
    return str(answered["message"]) if isinstance(answered, dict) else "nothing found"
