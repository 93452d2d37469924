"""What an RPC endpoint answers wrongly is not believed."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import rlp
from eth_utils.crypto import keccak

from agentguard.adapters.evm.provider import MAX_ANSWER_BYTES
from agentguard.adapters.evm.reader import open_reader
from agentguard.audit.chain import (
    ChainUnavailableError,
    LowBalanceError,
    MinedTransaction,
    TransactionRefusedError,
    WrongChainError,
)
from tests.evm.endpoints import Answer, FaultError, Raw, altered, endpoint
from tests.evm.node import Node, anchored, chain_at, mined

pytestmark = pytest.mark.xdist_group("evm")

DIFFER = "different block hashes"
OTHER = "0x" + "0b" * 32
BLOCK = json.loads((Path(__file__).parents[1] / "data/evm/polygon_block.json").read_text())


def read(answer: Answer, tx_hash: str, depth: int = 256) -> MinedTransaction | None:
    with endpoint(answer) as url:
        return open_reader(url, 30, depth).transaction(tx_hash)


def changed(**members: Any) -> Any:
    return lambda result: result and {**result, **members}


@pytest.fixture(scope="module")
def sent(node: Node) -> str:
    """The hash of a final anchor."""
    chain = node.chain()
    tx_hash = mined(chain, bytes(96)).hash
    node.mine(64)
    return tx_hash


def test_an_honest_proxy_changes_nothing(node: Node, sent: str) -> None:
    direct = open_reader(node.url, 30).transaction(sent)

    assert read(altered(node), sent) == direct
    assert direct.finalised


@pytest.mark.parametrize(
    ("method", "members", "words"),
    [
        ("eth_getTransactionReceipt", {"transactionHash": OTHER}, "a receipt of 0x0b"),
        ("eth_getTransactionReceipt", {"blockHash": OTHER}, DIFFER),
        ("eth_getTransactionReceipt", {"blockNumber": "0x0"}, DIFFER),
        ("eth_getTransactionReceipt", {"blockNumber": "0xffffff"}, "and no block"),
        ("eth_getTransactionReceipt", {"status": None}, "something else than a number"),
        ("eth_getTransactionReceipt", {"logs": 7}, "not understood"),
        ("eth_getTransactionReceipt", {"logs": [{}]}, "something without transactionHash"),
        ("eth_getTransactionByHash", {"hash": OTHER}, "a transaction of 0x0b"),
        ("eth_getTransactionByHash", {"blockHash": OTHER}, DIFFER),
        ("eth_getTransactionByHash", {"blockHash": None}, DIFFER),
        ("eth_getTransactionByHash", {"to": "0x12"}, "something else than an address"),
        ("eth_getTransactionByHash", None, "and no transaction"),
        ("eth_getBlockByNumber", {"hash": OTHER}, DIFFER),
        ("eth_getBlockByNumber", {"number": "0x7"}, "block 7 where"),
        ("eth_getBlockByNumber", {"timestamp": "soon"}, "not understood"),
    ],
    ids=repr,
)
def test_answers_that_do_not_fit_together_are_refused(
    node: Node, sent: str, method: str, members: Any, words: str
) -> None:
    change = (lambda _: None) if members is None else changed(**members)
    with pytest.raises(ChainUnavailableError, match=words):
        read(altered(node, **{method: change}), sent)


def test_events_of_other_transactions_or_removed_blocks_are_refused(node: Node, sent: str) -> None:
    receipt = node.call("eth_getTransactionReceipt", sent)
    event = {
        "address": "0x" + "c0" * 20,
        "topics": [],
        "data": "0x" + "00" * 96,
        "blockNumber": receipt["blockNumber"],
        "transactionHash": sent,
        "transactionIndex": "0x0",
        "blockHash": receipt["blockHash"],
        "logIndex": "0x0",
        "removed": False,
    }
    for wrong in ({"transactionHash": OTHER}, {"blockHash": OTHER}, {"removed": True}):
        liar = altered(node, eth_getTransactionReceipt=changed(logs=[{**event, **wrong}]))
        with pytest.raises(ChainUnavailableError):
            read(liar, sent)
    honest = read(altered(node, eth_getTransactionReceipt=changed(logs=[event])), sent)

    assert honest.data["0x" + "c0" * 20] == (bytes(96),)


def test_a_stale_receipt_of_a_reorganised_block_is_not_believed(node: Node) -> None:
    chain = node.chain()
    with node.mining_by_hand():
        sent = anchored(chain, bytes(96)).hash
        node.mine()
        stale = {
            method: node.call(method, sent)
            for method in ("eth_getTransactionReceipt", "eth_getTransactionByHash")
        }
        node.reorganise(1)
        liar = altered(
            node, **{method: lambda _, kept=kept: kept for method, kept in stale.items()}
        )

        with pytest.raises(ChainUnavailableError, match="contradicts itself"):
            read(liar, sent)


def no_tag(node: Node, fault: Any) -> Answer:
    honest = altered(node)

    def answer(method: str, params: list[Any]) -> Any:
        if method == "eth_getBlockByNumber" and params[0] == "finalized":
            return fault()
        return honest(method, params)

    return answer


def refuse() -> None:
    raise FaultError("invalid argument 0: hex string without 0x prefix", -32602)


@pytest.mark.parametrize("fault", [refuse, lambda: None], ids=["refused", "null"])
def test_without_the_tag_a_block_is_final_at_the_depth_that_is_set(node: Node, fault: Any) -> None:
    sent = mined(node.chain(), bytes(96)).hash
    node.mine(9)

    assert not read(no_tag(node, fault), sent, depth=10).finalised
    node.mine()
    assert read(no_tag(node, fault), sent, depth=10).finalised


def test_an_endpoint_that_fails_when_asked_for_the_tag_is_not_taken_for_one_without(
    node: Node, sent: str
) -> None:
    with pytest.raises(ChainUnavailableError, match="HTTP status 503"):
        read(no_tag(node, lambda: Raw(status=503)), sent, depth=1)


def test_the_recorded_block_is_genuine() -> None:
    hashes = ("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot")
    numbers = ("difficulty", "number", "gasLimit", "gasUsed", "timestamp")
    header = [
        *(bytes.fromhex(BLOCK[name][2:]) for name in (*hashes, "logsBloom")),
        *(int(BLOCK[name], 16) for name in numbers),
        *(bytes.fromhex(BLOCK[name][2:]) for name in ("extraData", "mixHash", "nonce")),
        int(BLOCK["baseFeePerGas"], 16),
    ]

    assert keccak(rlp.encode(header)).hex() == BLOCK["hash"][2:]


def test_polygons_extra_data_are_accepted() -> None:
    """Of a real block of Polygon; receipt and transaction are made for its hash."""
    tx_hash = BLOCK["transactions"][0]
    place = {"blockHash": BLOCK["hash"], "blockNumber": BLOCK["number"], "transactionIndex": "0x0"}
    account = "0x" + "a1" * 20
    answers = {
        "eth_getBlockByNumber": BLOCK,
        "eth_getTransactionByHash": {
            **place,
            "hash": tx_hash,
            "from": account,
            "to": account,
            "input": "0x" + "00" * 96,
            "nonce": "0x0",
            "value": "0x0",
            "gas": "0x5208",
            "type": "0x2",
        },
        "eth_getTransactionReceipt": {
            **place,
            "transactionHash": tx_hash,
            "status": "0x1",
            "logs": [],
            "gasUsed": "0x5208",
            "effectiveGasPrice": "0x1",
        },
    }

    found = read(lambda method, _: answers[method], tx_hash)

    assert len(bytes.fromhex(BLOCK["extraData"][2:])) > 32
    assert (found.block_number, found.block_hash) == (38_846_558, BLOCK["hash"])
    assert (found.block_time, found.finalised) == (1_675_393_791, True)
    assert found.data == {account: (bytes(96),)}


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 429, 500, 502, 503])
def test_no_other_status_than_200_is_an_answer(status: int) -> None:
    headers = {"Location": "http://127.0.0.1:1/"} if status < 400 else {}
    with (
        endpoint(
            lambda *_: Raw(b'{"jsonrpc":"2.0","id":1,"result":"0x1"}', status, headers)
        ) as url,
        pytest.raises(ChainUnavailableError, match=f"HTTP status {status}"),
    ):
        open_reader(url, 30).chain_id()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>busy</html>",
        b"null",
        b"[]",
        b'"0x1"',
        b"{}",
        b'{"jsonrpc":"2.0","id":1}',
        b'{"jsonrpc":"2.0","id":1,"result":null}',
        b'{"jsonrpc":"2.0","id":1,"result":true}',
        b'{"jsonrpc":"2.0","id":1,"result":"-0x1"}',
        b'{"jsonrpc":"2.0","id":1,"result":"0x"}',
        b'{"jsonrpc":"2.0","id":1,"result":{"a":1}}',
        b'{"jsonrpc":"2.0","id":1,"result":"0x' + b"f" * 65 + b'"}',
        b'{"jsonrpc":"2.0","id":1,"error":"broken"}',
        b'{"jsonrpc":"2.0","id":1,"error":{"code":"x","message":[]}}',
        b'{"jsonrpc":"2.0","id":1,"method":"eth_subscription","params":3,"result":"0x1z"}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
    ids=lambda body: repr(body[:60]),
)
def test_what_is_no_answer_is_unavailable(body: bytes) -> None:
    with endpoint(lambda *_: Raw(body)) as url, pytest.raises(ChainUnavailableError):
        open_reader(url, 30).chain_id()


def test_a_huge_answer_is_not_read_to_its_end() -> None:
    with (
        endpoint(lambda *_: Raw(b'"' + b"x" * (MAX_ANSWER_BYTES + 1))) as url,
        pytest.raises(ChainUnavailableError, match="more than 8,388,608 bytes"),
    ):
        open_reader(url, 30).chain_id()


@contextmanager
def dripping(start: bytes, drop: bytes) -> Iterator[str]:
    """A server that never ends its answer: it sends another drop again and again."""
    over = threading.Event()

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65_536)
            try:
                connection.sendall(start)
                while not over.wait(0.05):
                    connection.sendall(drop)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    ],
    ids=["silence", "head", "body", "body without length", "chunks"],
)
def test_an_answer_that_never_ends_is_cut_off(start: bytes, drop: bytes) -> None:
    with dripping(start, drop) as url:
        before = time.monotonic()
        with pytest.raises(ChainUnavailableError, match=r"did not answer within 0\.5 s"):
            open_reader(url, 0.5).chain_id()

    assert time.monotonic() - before < 5


def test_mumbai_is_refused_with_the_reason(node: Node) -> None:
    with (
        endpoint(altered(node, eth_chainId=lambda _: hex(80001))) as url,
        pytest.raises(WrongChainError, match="shut down in April 2024"),
    ):
        chain_at(url).sign(bytes(96), 0)


def test_other_chains_must_be_set(node: Node) -> None:
    with endpoint(altered(node, eth_chainId=lambda _: hex(31337))) as url:
        with pytest.raises(WrongChainError, match="AGENTGUARD_WEB3_CHAIN_ID=31337"):
            chain_at(url).sign(bytes(96), 0)
        with pytest.raises(LowBalanceError):
            chain_at(url, chain_id=31337).sign(bytes(96), 0)


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("eth_estimateGas", hex(10**9)),
        ("eth_feeHistory", {"baseFeePerGas": [hex(10**20)], "reward": [["0x1"]]}),
        ("eth_feeHistory", {"baseFeePerGas": ["0x1"], "reward": [[hex(10**20)]]}),
        ("eth_feeHistory", {"baseFeePerGas": [], "reward": []}),
        ("eth_getBalance", "0x" + "f" * 70),
    ],
    ids=repr,
)
def test_made_up_costs_do_not_empty_the_account(node: Node, method: str, result: Any) -> None:
    chain = node.chain()
    with (
        endpoint(altered(node, **{method: lambda _: result})) as url,
        pytest.raises(ChainUnavailableError),
    ):
        chain_at(url).sign(bytes(96), 0)
    assert chain.account().next_nonce == 0


def test_an_endpoint_that_claims_another_hash_for_what_it_took_is_not_believed(
    node: Node,
) -> None:
    chain = node.chain()
    signed = chain.sign(bytes(96), 0)
    with (
        endpoint(altered(node, eth_sendRawTransaction=lambda _: OTHER)) as url,
        pytest.raises(ChainUnavailableError),
    ):
        chain_at(url).send(signed.raw)


def test_unknown_words_of_a_refusal_may_pass(node: Node) -> None:
    signed = node.chain().sign(bytes(96), 0)

    def answer(method: str, _: list[Any]) -> Any:
        raise FaultError("the flux is low")

    with endpoint(answer) as url, pytest.raises(ChainUnavailableError, match="the flux is low"):
        chain_at(url).send(signed.raw)


def test_a_refusal_for_good_is_told_apart(node: Node) -> None:
    signed = node.chain().sign(bytes(96), 0)

    def answer(method: str, _: list[Any]) -> Any:
        raise FaultError("intrinsic gas too low")

    with endpoint(answer) as url, pytest.raises(TransactionRefusedError):
        chain_at(url).send(signed.raw)
