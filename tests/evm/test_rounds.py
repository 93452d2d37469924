"""Rounds of anchoring on a real node: from pending to final, through everything that can happen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from agentguard.adapters.evm.chain import EVMChain, EVMSettings
from agentguard.adapters.evm.endpoint import Endpoint
from agentguard.adapters.sql.tables import audit_logs
from agentguard.audit.anchor_steps import ANCHORING
from agentguard.audit.anchoring import AnchorState
from agentguard.audit.anchoring_rounds import NoOpenAnchorError
from agentguard.audit.chain import ChainUnavailableError
from agentguard.audit.verification import CheckName, Outcome, Trust, verify_bundle
from agentguard.kernel.errors import PackageMissingError
from tests.acting import TESTER
from tests.databases import KINDS
from tests.evm.anchored_log import FINAL_AFTER, KEY, AnchoredLog, anchored_log
from tests.evm.node import ETHER, Node, anchored

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("evm")]


@pytest.fixture
async def log(node: Node, tmp_path: Path) -> AsyncIterator[AnchoredLog]:
    async with anchored_log(node, tmp_path) as opened:
        yield opened


@pytest.fixture(params=KINDS)
async def stored(
    node: Node, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[AnchoredLog]:
    async with anchored_log(node, tmp_path, request.param) as opened:
        yield opened


async def test_a_checkpoint_is_submitted_mined_and_finalised(stored: AnchoredLog):
    log = stored
    await log.add("a", "b")
    with log.node.mining_by_hand():
        assert (await log.round()).state is AnchorState.SUBMITTED
    assert (await log.round()).state is AnchorState.MINED
    log.node.mine(FINAL_AFTER)
    found = await log.round()

    assert found.state is AnchorState.FINALISED
    assert log.anchored_data() == [found.data]
    assert await log.outcomes() == ["anchor.finalised"]


async def test_the_bundle_of_an_anchored_entry_is_verified_on_the_chain(log: AnchoredLog):
    await log.add("a", "b")
    await log.round()
    log.node.mine(FINAL_AFTER)
    await log.round()
    await log.add("c")
    anchored_bundle, newer = await log.service.bundle(1), await log.service.bundle(2)

    report = verify_bundle(anchored_bundle.encode(), Trust(keys=(KEY.verifier,)), chain=log.chain)
    assert {c.name: c.outcome for c in report.checks}[CheckName.ANCHOR] is Outcome.VERIFIED
    assert report.outcome is Outcome.VERIFIED
    assert anchored_bundle.signed.checkpoint.size == 2
    assert (newer.receipt, newer.signed.checkpoint.size) == (None, 4)


async def test_entries_name_their_transaction_once_it_is_final(stored: AnchoredLog):
    log = stored
    await log.add("a", "b\0")
    first = await log.round()
    assert await _tx_hashes(log) == [None, None]
    log.node.mine(FINAL_AFTER)
    first = await log.round()
    await log.add("c")
    log.clock.forward(3600)
    await log.round()
    log.node.mine(FINAL_AFTER)
    log.clock.forward(15)
    second = await log.round()

    one, two = (each.receipt.anchored.tx_hash for each in (first, second))
    assert await _tx_hashes(log) == [one, one, two, two]


async def test_what_this_installation_cannot_do_is_not_begun(log: AnchoredLog):
    def without_package() -> EVMChain:
        raise PackageMissingError("WEB3_PROVIDER_URL", "web3", "web3")

    await log.add("a")
    anchoring, steps = log.anchoring, log.anchoring.steps
    assert steps is not None
    with pytest.raises(PackageMissingError):
        await replace(anchoring, steps=replace(steps, open_chain=without_package)).run(TESTER)

    assert await log.newest() is None


async def _tx_hashes(log: AnchoredLog) -> list[str | None]:
    wanted = select(audit_logs.c.blockchain_tx_hash).order_by(audit_logs.c.log_index)
    async with log.database.reading() as connection:
        return list((await connection.execute(wanted)).scalars())


async def test_one_transaction_per_interval(log: AnchoredLog):
    await log.add("a")
    await log.round()
    log.node.mine(FINAL_AFTER)
    await log.round()
    await log.add("b")
    await log.round()
    assert not await log.anchoring.is_due()
    assert log.transactions() == 1

    log.clock.forward(3600)
    assert await log.anchoring.is_due()
    await log.round()
    assert log.transactions() == 2


async def test_now_does_not_wait_for_the_interval(log: AnchoredLog):
    await log.add("a")
    await log.round()
    log.node.mine(FINAL_AFTER)
    await log.round()
    await log.add("b")

    assert (await log.round(at_once=True)).size == 3
    assert log.transactions() == 2


async def test_nothing_is_anchored_because_of_anchors_alone(log: AnchoredLog):
    await log.add("a")
    await log.round()
    log.node.mine(FINAL_AFTER)
    await log.round()
    await log.sequence()
    log.clock.forward(7200)

    assert not await log.anchoring.is_due()
    await log.round(at_once=True)
    assert log.transactions() == 1


async def test_an_empty_log_is_not_anchored(log: AnchoredLog):
    assert await log.round(at_once=True) is None


async def test_after_a_reorganisation_it_is_sent_again_and_becomes_final(log: AnchoredLog):
    await log.add("a")
    first = await log.round()
    assert first.state is AnchorState.MINED
    with log.node.mining_by_hand():
        log.node.reorganise(1)
        log.clock.forward(15)
        assert (await log.round()).state is AnchorState.RESUBMITTED
    log.node.mine(FINAL_AFTER)
    log.clock.forward(15)
    found = await log.round()

    assert found.state is AnchorState.FINALISED
    assert [a.transaction.hash for a in found.attempts] == [first.attempts[0].transaction.hash]
    assert found.receipt.anchored.block_hash != first.receipt.anchored.block_hash
    assert await log.outcomes() == ["anchor.reorged", "anchor.finalised"]
    assert log.anchored_data() == [found.data]


async def test_a_stuck_transaction_is_replaced_at_the_same_nonce(log: AnchoredLog):
    await log.add("a")
    with log.node.mining_by_hand():
        await log.round()
        log.clock.forward(601)
        found = await log.round()
        assert found.state is AnchorState.SUBMITTED
        old, new = (attempt.transaction for attempt in found.attempts)
    assert old.nonce == new.nonce
    assert new.max_fee * 10 >= old.max_fee * 11
    log.node.mine(FINAL_AFTER)
    log.clock.forward(15)
    found = await log.round()

    assert found.state is AnchorState.FINALISED
    assert found.receipt.anchored.tx_hash == new.hash
    assert log.anchored_data() == [found.data]


async def test_another_transaction_with_its_nonce_costs_a_new_one_only_when_final(
    log: AnchoredLog,
):
    await log.add("a")
    with log.node.mining_by_hand():
        first = await log.round()
        log.node.call("anvil_dropTransaction", first.attempts[0].transaction.hash)
        log.chain.send(log.chain.sign(b"\1" * 96, 0).raw)
    log.clock.forward(15)
    waiting = await log.round()
    assert waiting.problem.code == "nonce-used"
    assert len(waiting.attempts) == 1

    log.node.mine(FINAL_AFTER)
    log.clock.forward(15)
    found = await log.round()
    assert [attempt.transaction.nonce for attempt in found.attempts] == [0, 1]
    log.node.mine(FINAL_AFTER)
    log.clock.forward(15)
    assert (await log.round()).state is AnchorState.FINALISED
    assert log.anchored_data() == [b"\1" * 96, found.data]


async def test_without_money_it_waits_and_goes_on_once_there_is_some(log: AnchoredLog):
    address = log.chain.signer.address
    log.node.call("anvil_setBalance", address, "0x0")
    await log.add("a")
    for _ in range(3):
        waiting = await log.round()
        log.clock.forward(15)
    assert (waiting.state, waiting.problem.code) == (AnchorState.PENDING, "balance-too-low")
    assert await log.outcomes() == ["anchor.waiting"]

    log.node.call("anvil_setBalance", address, hex(ETHER))
    found = await log.round()
    assert (found.state, found.problem) == (AnchorState.MINED, None)


def impoverishing(log: AnchoredLog, send):
    """A race: the account becomes poor after a transaction was signed, and before it is sent."""

    def sending(chain, raw):
        log.node.call("anvil_setBalance", chain.signer.address, "0x0")
        send(chain, raw)

    return sending


async def test_money_that_is_gone_after_signing_is_waited_for(
    log: AnchoredLog, monkeypatch: pytest.MonkeyPatch
):
    await log.add("a")
    address = log.chain.signer.address
    monkeypatch.setattr(type(log.chain), "send", impoverishing(log, type(log.chain).send))
    waiting = await log.round()
    monkeypatch.undo()
    assert (waiting.state, waiting.problem.code) == (AnchorState.PENDING, "balance-too-low")

    log.node.call("anvil_setBalance", address, hex(ETHER))
    log.clock.forward(15)
    found = await log.round()
    assert found.state is AnchorState.MINED
    assert len(found.attempts) == 1


async def test_a_chain_out_of_reach_is_waited_for(log: AnchoredLog):
    await log.add("a")
    reachable = log.chain
    away = replace(reachable.reader, endpoint=_endpoint_without_server())
    log.chain = replace(reachable, reader=away)
    waiting = await log.round()
    assert waiting.problem.code == ChainUnavailableError.code

    log.chain = reachable
    assert (await log.round()).state is AnchorState.MINED
    assert log.transactions() == 1


def _endpoint_without_server():
    return Endpoint("http://127.0.0.1:9", 1)


async def test_an_anchor_of_another_chain_waits(log: AnchoredLog):
    await log.add("a")
    with log.node.mining_by_hand():
        await log.round()
        here = log.chain
        log.node.call("anvil_setChainId", 137)
        try:
            waiting = await log.round()
        finally:
            log.node.call("anvil_setChainId", 80002)
    assert waiting.problem.code == "wrong-chain"
    log.chain = here

    assert (await log.round()).state is AnchorState.MINED


async def test_an_address_without_contract_is_told(log: AnchoredLog):
    log.chain = replace(log.chain, settings=EVMSettings("0x" + "ee" * 20))
    await log.add("a")
    waiting = await log.round()

    assert (waiting.state, waiting.problem.code) == (AnchorState.PENDING, "transaction-refused")
    assert log.transactions() == 0


async def test_two_processes_at_once_make_one_anchor(stored: AnchoredLog):
    log = stored
    await log.add("a")
    await asyncio.gather(*(log.anchoring.run(ANCHORING) for _ in range(4)))
    log.node.mine(FINAL_AFTER)
    await asyncio.gather(*(log.anchoring.run(ANCHORING) for _ in range(4)))

    assert log.anchored_data() == [(await log.newest()).data]
    assert await log.outcomes() == ["anchor.finalised"]


async def test_a_foreign_pending_transaction_is_not_replaced(log: AnchoredLog):
    await log.add("a")
    with log.node.mining_by_hand():
        anchored(log.chain, b"\1" * 96)
        found = await log.round()
    assert found.attempts[0].transaction.nonce == 1
    assert log.anchored_data() == [b"\1" * 96, found.data]


async def test_an_anchor_that_is_given_up_makes_room_for_a_later_checkpoint(log: AnchoredLog):
    await log.add("a")
    with log.node.mining_by_hand():
        await log.round()
        await log.anchoring.give_up(TESTER)
        given_up = await log.newest()
        assert (given_up.state, given_up.problem.code) == (AnchorState.FAILED, "given-up")
        assert "given it up" in (await log.anchoring.standing()).summary
        with pytest.raises(NoOpenAnchorError):
            await log.anchoring.give_up(TESTER)

        await log.add("b")
        later = await log.round(at_once=True)
    log.node.mine(FINAL_AFTER)
    log.clock.forward(15)
    found = await log.round()

    assert found.state is AnchorState.FINALISED
    assert sorted(log.anchored_data()) == sorted([given_up.data, later.data])
