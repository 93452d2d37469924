"""A check compares the database with what entries tell of payloads, anchors and rows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agentguard.adapters.sql.audit import SqlAuditLog
from agentguard.audit import anchor_changes
from agentguard.audit.accounting import KEPT_ACTIONS
from agentguard.audit.anchor_changes import AnchorChanges
from agentguard.audit.anchor_steps import ANCHORING
from agentguard.audit.anchoring import Anchor, AnchorState, Receipt
from agentguard.audit.anchoring_rounds import Anchoring
from agentguard.audit.recording import AuditTrail
from agentguard.kernel.clock import system_clock
from tests.acting import TESTER
from tests.audit.logs import TX_HASH, receipt
from tests.audit.logs import Log as LogInMemory
from tests.conformance.audit_logs import Log

pytestmark = pytest.mark.anyio

NULLED = "UPDATE audit_entries SET payload = NULL, salt = NULL WHERE log_index = :index"


async def tell(log: Log, action: str, object_id: str, payload: object) -> None:
    await log.unit_of_work.run(
        lambda stores: AuditTrail().record(
            stores.audit, TESTER, action, object_id=object_id, payload=payload
        )
    )
    await log.sequencer.run_once()


async def remove(log: Log, *indexes: int) -> None:
    """Remove payloads with an entry, as retention does."""
    for index in indexes:
        await log.tamper(NULLED, index=index)
    payload = {"ids": [str(index) for index in indexes], "number": len(indexes)}
    await tell(log, "data.expired", "audit_payloads", payload)


@pytest.fixture
async def filled(log: Log) -> Log:
    """Entries 0 to 3, with the payload of the first removed by retention."""
    await log.append(*"abc")
    await log.sequencer.run_once()
    await remove(log, 0)
    return log


@pytest.fixture
async def anchored(log: Log) -> Log:
    """Three entries with a final anchor, and the entry about it."""
    await anchor_three(log)
    await log.sequencer.run_once()
    assert await log.problems() == []
    return log


async def anchor_three(log: Log) -> None:
    await log.append(*"abc")
    await log.sequencer.run_once()
    signed = LogInMemory.of(3).signed()
    open_anchor = Anchor(3, signed.note.encode(), system_clock())
    await log.unit_of_work.run(lambda stores: stores.anchors.add(open_anchor))
    final = replace(
        open_anchor,
        state=AnchorState.FINALISED,
        chain_id=receipt(signed).chain_id,
        receipt=Receipt(receipt(signed), 30_000, 1),
    )
    await AnchorChanges(log.unit_of_work, system_clock).store(TESTER, open_anchor, final)


async def test_removing_the_entry_about_removals_too_hides_nothing(filled: Log):
    assert await filled.problems() == []
    await filled.tamper(NULLED, index=1)
    await filled.tamper(NULLED, index=3)

    assert await filled.problems() == [
        ("entry 3", "its payload is missing; that of 'data.expired' is never removed"),
        ("payloads", "the log tells of 0 removed payloads, and 3 are not there"),
    ]


async def test_where_an_earlier_version_removed_such_entries_it_is_not_checkable(filled: Log):
    await remove(filled, 3)
    assert await filled.problems() == [
        ("payloads", "the log tells of 1 removed payloads, and 2 are not there")
    ]

    _, found = await filled.service.check()

    assert [each.checkable for each in found] == [False]


async def test_a_removal_of_more_than_it_lists_excuses_nothing_after_it(filled: Log):
    await tell(filled, "data.expired", "audit_payloads", {"ids": ["1"], "number": 200})
    await filled.append("d")
    await filled.sequencer.run_once()
    await remove(filled, 5)
    assert await filled.problems() == []

    await filled.tamper(NULLED, index=6)
    problems = await filled.problems()
    assert (
        "entry 6",
        "its payload is missing; that of 'data.expired' is never removed",
    ) in problems


async def test_removing_the_entry_about_an_anchor_hides_no_invented_one(anchored: Log):
    await anchored.tamper(NULLED, index=3)
    found = dict(await anchored.problems())

    assert "'anchor.finalised' is never removed" in found["entry 3"]
    assert found["anchors"] == f"no entry tells of an anchor by transaction {TX_HASH}"


async def test_retention_keeps_what_a_check_needs(anchored: Log):
    await remove(anchored, 0)
    later = system_clock() + 10**12

    removed = await anchored.unit_of_work.run(
        lambda stores: stores.audit.remove_payloads(later, most=99, kept=KEPT_ACTIONS)
    )

    assert removed == (1, 2)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_logs SET log_type = 'x' WHERE log_index = 1",
        "UPDATE audit_logs SET evidence = '{}' WHERE log_index = 1",
        "UPDATE audit_logs SET created_at = '2001-01-01 00:00:00' WHERE log_index = 1",
        "DELETE FROM audit_logs WHERE log_index = 1",
    ],
)
async def test_a_row_that_differs_from_its_entry_is_found(filled: Log, statement: str):
    await filled.tamper(statement)

    problem = "its row in audit_logs is missing, doubled or changed"
    assert await filled.problems() == [("entry 1", problem)]


async def test_rows_of_no_entry_are_found(filled: Log):
    await filled.tamper("UPDATE audit_logs SET log_index = 77 WHERE log_index = 1")

    found = dict(await filled.problems())
    assert found["audit_logs"] == "1 rows have indexes of no entry"
    assert "missing" in found["entry 1"]


async def test_rows_of_people_are_left_alone(filled: Log):
    await filled.tamper(
        "INSERT INTO audit_logs (id, log_type, created_at) SELECT "
        "'00000000-0000-0000-0000-000000000001', 'mine', created_at FROM audit_logs "
        "WHERE log_index = 0"
    )

    assert await filled.problems() == []


async def test_a_known_transaction_for_other_entries_is_found(anchored: Log):
    await anchored.tamper(
        "UPDATE audit_logs SET blockchain_tx_hash = :tx WHERE log_index = 3", tx=TX_HASH
    )

    problem = f"{TX_HASH} is named for 4 from 0, not for 0 to 2"
    assert await anchored.problems() == [("audit_logs", problem)]


async def test_entries_without_their_transaction_are_found(anchored: Log):
    await anchored.tamper("UPDATE audit_logs SET blockchain_tx_hash = NULL WHERE log_index = 1")

    problem = f"{TX_HASH} is named for 2 from 0, not for 0 to 2"
    assert await anchored.problems() == [("audit_logs", problem)]


async def test_entries_are_marked_in_short_transactions(log: Log, monkeypatch):
    monkeypatch.setattr(anchor_changes, "_MARKED_AT_ONCE", 2)
    marked: list[tuple[int, int, SqlAuditLog]] = []
    mark = SqlAuditLog.mark_anchored

    async def watched(self: SqlAuditLog, first: int, end: int, tx_hash: str) -> None:
        marked.append((first, end, self))
        await mark(self, first, end, tx_hash)

    monkeypatch.setattr(SqlAuditLog, "mark_anchored", watched)
    await anchor_three(log)

    assert [(first, end) for first, end, _ in marked] == [(0, 2), (2, 3)]
    assert marked[0][2] is not marked[1][2]


async def test_marking_goes_on_after_it_was_cut_off(log: Log, monkeypatch):
    monkeypatch.setattr(anchor_changes, "_MARKED_AT_ONCE", 1)
    mark = SqlAuditLog.mark_anchored

    async def dies(self: SqlAuditLog, first: int, end: int, tx_hash: str) -> None:
        if first == 1:
            raise RuntimeError("killed")
        await mark(self, first, end, tx_hash)

    monkeypatch.setattr(SqlAuditLog, "mark_anchored", dies)
    with pytest.raises(RuntimeError):
        await anchor_three(log)
    monkeypatch.undo()
    await log.sequencer.run_once()
    anchoring = Anchoring(log.unit_of_work, None, None, system_clock)
    assert await log.problems() == []
    assert await anchoring.is_due()

    await anchoring.run(ANCHORING)

    assert not await anchoring.is_due()
    (marks,) = await log.unit_of_work.read(lambda stores: stores.audit.marks())
    assert marks == (TX_HASH, 0, 3, 3)


async def test_an_anchor_that_an_entry_tells_of_and_is_not_stored_is_found(anchored: Log):
    await anchored.tamper("DELETE FROM audit_anchors")

    problem = "an entry tells of that of size 3; it is missing"
    assert await anchored.problems() == [("anchors", problem)]


@pytest.mark.parametrize("member", ["block_number", "block_hash"])
async def test_another_block_of_an_anchor_is_found(anchored: Log, member: str):
    def changed(stored: Anchor) -> Anchor:
        assert stored.receipt is not None
        other = {"block_number": 5} if member == "block_number" else {"block_hash": "0x" + "5" * 64}
        moved = replace(stored.receipt.anchored, **other)
        return replace(stored, receipt=replace(stored.receipt, anchored=moved))

    async def work(stores) -> None:
        (stored,) = await stores.anchors.newest(1)
        assert await stores.anchors.replace(changed(stored))

    await anchored.unit_of_work.run(work)

    ((place, problem),) = await anchored.problems()
    assert place == "anchors"
    assert problem.startswith(f"that of size 3 has {member.removesuffix('_number')} ")


async def test_another_size_of_an_anchor_is_found(anchored: Log):
    await anchored.tamper("UPDATE audit_anchors SET size = 2")

    assert ("anchors", "no entry tells of an anchor of size 2") in await anchored.problems()
