"""Stored anchors: one per checkpoint, changed under their version only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.audit.anchoring import Anchor, AnchorState, Attempt, Problem, Receipt
from agentguard.audit.chain import SignedTransaction
from agentguard.kernel.clock import system_clock
from tests.audit.logs import CHAIN, CONTRACT, TX_HASH, Log, receipt
from tests.databases import KINDS, empty_database

pytestmark = pytest.mark.anyio

LOG = Log.of(9)
NOW = system_clock()


@pytest.fixture(params=KINDS)
async def unit_of_work(
    tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[SqlUnitOfWork]:
    async with (
        empty_database(request.param) as server,
        open_database(tmp_path, server, hurried=False) as database,
    ):
        yield SqlUnitOfWork(database, system_clock)


def anchor(size: int, state: AnchorState = AnchorState.PENDING, **changes) -> Anchor:
    signed = LOG.signed(size)
    new = Anchor(size, signed.note.encode(), NOW, state, changed_at=NOW)
    return replace(new, **changes)


def full(size: int, state: AnchorState = AnchorState.FINALISED, tx_hash: str = TX_HASH) -> Anchor:
    """An anchor with all that one can have, and numbers that no double holds."""
    huge = 2**80 + 1
    transaction = SignedTransaction(tx_hash, 7, b"\2\0raw", 50_000, huge, huge)
    return anchor(
        size,
        state,
        chain_id=CHAIN,
        attempts=(Attempt(transaction, "0x" + "aa" * 20, CONTRACT, NOW, NOW, None),),
        receipt=Receipt(receipt(LOG.signed(size), tx_hash=tx_hash), 30_000, huge),
        problem=Problem("code", "A message: ü 🤖."),
        told=("code", "other"),
        looked_at=NOW,
        version=3,
    )


async def add(unit_of_work: SqlUnitOfWork, *anchors: Anchor) -> None:
    async def work(stores) -> None:
        for each in anchors:
            await stores.anchors.add(each)

    await unit_of_work.run(work)


async def test_an_anchor_is_kept_as_it_is(unit_of_work: SqlUnitOfWork):
    await add(unit_of_work, full(3), anchor(5))

    assert await unit_of_work.read(lambda s: s.anchors.newest(9)) == (anchor(5), full(3))


async def test_a_checkpoint_has_one_anchor(unit_of_work: SqlUnitOfWork):
    await add(unit_of_work, anchor(3))

    with pytest.raises(ValueError, match="has an anchor"):
        await add(unit_of_work, anchor(3))


async def test_a_change_of_another_version_is_refused(unit_of_work: SqlUnitOfWork):
    await add(unit_of_work, anchor(3))
    submitted = anchor(3, AnchorState.SUBMITTED)

    assert await unit_of_work.run(lambda s: s.anchors.replace(submitted))
    assert not await unit_of_work.run(lambda s: s.anchors.replace(submitted))
    assert not await unit_of_work.run(lambda s: s.anchors.replace(anchor(4)))
    assert await unit_of_work.read(lambda s: s.anchors.open()) == replace(submitted, version=1)


async def test_anchors_are_found_by_state_entry_and_transaction(unit_of_work: SqlUnitOfWork):
    other = "0x" + "cd" * 32
    await add(unit_of_work, full(2), full(4, AnchorState.FAILED), full(6, tx_hash=other), anchor(8))

    async def sizes(stores) -> dict[str, list[int | None]]:
        anchors = stores.anchors
        covering = [await anchors.covering(index) for index in (0, 1, 2, 5, 6)]
        named = [await anchors.of_transaction(tx_hash) for tx_hash in (other, "0x")]
        return {
            "open": [(await anchors.open()).size],
            "last": [(await anchors.last_finalised()).size],
            "covering": [one and one.size for one in covering],
            "settled": [one.size for one in await anchors.settled()],
            "named": [one and one.size for one in named],
        }

    assert await unit_of_work.read(sizes) == {
        "open": [8],
        "last": [6],
        "covering": [2, 2, 6, 6, None],
        "settled": [2, 4, 6],
        "named": [6, None],
    }
