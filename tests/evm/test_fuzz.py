"""Whatever an RPC endpoint answers, only declared errors are raised."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentguard.adapters.evm.chain import EVMChain
from agentguard.audit.chain import ChainUnavailableError, TransactionRefusedError
from tests.evm.endpoints import FaultError, Raw, altered, endpoint
from tests.evm.node import ETHER, Node, chain_at, mined

pytestmark = pytest.mark.xdist_group("evm")

HEX = st.text("0123456789abcdefxX", max_size=70).map(lambda digits: f"0x{digits}")
LEAF = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), HEX)
JSON = st.recursive(
    LEAF,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["hash", "code", "message", "data", "error"]), inner)
    ),
    max_leaves=8,
)
REPLY = st.one_of(
    JSON,
    st.binary(max_size=60).map(Raw),
    st.builds(Raw, st.binary(max_size=60), st.integers(200, 599)),
    st.builds(FaultError, JSON, JSON),
    st.builds(FaultError, st.text(max_size=60), st.integers(-40_000, 40_000)),
)


class Altering:
    """An endpoint whose answers are those of a node, with one of them changed."""

    def __init__(self, node: Node) -> None:
        self._honest = altered(node)
        self.change: Callable[[str, Any], Any] = lambda _, result: result

    def __call__(self, method: str, params: list[Any]) -> Any:
        found = self.change(method, self._honest(method, params))
        if isinstance(found, FaultError):
            raise found
        return found


@pytest.fixture(scope="module")
def altering(node: Node) -> Iterator[tuple[Altering, EVMChain]]:
    answers = Altering(node)
    with endpoint(answers) as url:
        chain = chain_at(url)
        node.call("anvil_setBalance", chain.signer.address, hex(ETHER))
        yield answers, chain


@pytest.fixture(scope="module")
def sent(node: Node) -> str:
    return mined(node.chain(), bytes(96)).hash


def ask_everything(chain: EVMChain, tx_hash: str) -> None:
    """Make each call; the errors that its docstring declares may come, and no other."""
    calls: list[Callable[[], object]] = [
        chain.chain_id,
        chain.account,
        lambda: chain.transaction(tx_hash),
        lambda: chain.sign(bytes(96), 0),
        lambda: chain.send(b"\2" * 100),
    ]
    for call in calls[:3]:
        try:
            call()
        except ChainUnavailableError:
            continue
    for call in calls[3:]:
        try:
            call()
        except (ChainUnavailableError, TransactionRefusedError):
            continue


@settings(max_examples=50)
@given(reply=REPLY)
def test_any_answer_to_everything(
    altering: tuple[Altering, EVMChain], sent: str, reply: Any
) -> None:
    answers, chain = altering
    answers.change = lambda *_: reply

    ask_everything(chain, sent)


@settings(max_examples=50)
@given(reply=REPLY, seed=st.integers(0, 2**32))
def test_any_value_somewhere_in_an_honest_answer(
    altering: tuple[Altering, EVMChain], sent: str, reply: Any, seed: int
) -> None:
    answers, chain = altering
    chosen = random.Random(seed)
    value = None if isinstance(reply, Raw | FaultError) else reply
    answers.change = lambda _, result: replaced(result, value, chosen)

    ask_everything(chain, sent)


def replaced(result: Any, value: Any, chosen: random.Random) -> Any:
    """Return the result with one of its members, however deep, replaced or removed."""
    if isinstance(result, dict) and result:
        name = chosen.choice(sorted(result))
        if chosen.random() < 0.2:
            return {other: kept for other, kept in result.items() if other != name}
        return {**result, name: replaced(result[name], value, chosen)}
    if isinstance(result, list) and result:
        place = chosen.randrange(len(result))
        return [*result[:place], replaced(result[place], value, chosen), *result[place + 1 :]]
    return value
