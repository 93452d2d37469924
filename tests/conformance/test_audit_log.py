"""The stored audit log: sequencing, proofs, checks, and what tampering shows."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from agentguard.audit import sequencing
from agentguard.audit.checkpoints import SignedCheckpoint
from agentguard.audit.key_state import ForeignLogError
from agentguard.audit.keys import SigningKey
from agentguard.audit.merkle import verify_consistency
from agentguard.audit.sequencing import DamagedLogError, Sequencer
from agentguard.audit.service import BadRangeError, UnknownEntryError
from agentguard.audit.store import EntryFilter
from agentguard.audit.verification import Outcome, Trust, verify_bundle
from agentguard.kernel.clock import NS_PER_SECOND, system_clock
from tests.conformance.audit_logs import KEY, Log

pytestmark = pytest.mark.anyio


async def test_entries_get_gapless_indexes_in_the_order_of_appending(log: Log):
    await log.append("a", "b")
    page = await log.service.entries(EntryFilter(), 10)
    assert (page.entries, page.size, page.waiting) == ((), 0, 2)

    assert await log.sequencer.run_once() == 2
    await log.append("c")
    assert await log.sequencer.run_once() == 1
    assert await log.sequencer.run_once() == 0
    page = await log.service.entries(EntryFilter(), 10)
    assert [entry.index for entry in page.entries] == [2, 1, 0]
    assert (page.size, page.waiting) == (3, 0)


async def test_checkpoints_keep_their_distance(log: Log, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sequencing, "_MOST", 2)
    now, waited = [NS_PER_SECOND], list[float]()

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        now[0] += round(seconds * NS_PER_SECOND)

    sequencer = replace(log.sequencer, clock=lambda: now[0], spacing_seconds=1.0, sleep=sleep)
    await log.append("a", "b", "c")
    assert await sequencer.run_once() == 3
    now[0] += NS_PER_SECOND // 4
    await log.append("d")
    await sequencer.run_once()
    now[0] -= 10 * NS_PER_SECOND  # the clock is set back: nothing waits for it
    await log.append("e")
    await sequencer.run_once()

    assert waited == [1.0, 0.75]
    assert await log.service.check() == (5, ())


@pytest.mark.parametrize("batches", [[1, 1, 1], [255, 1, 1], [256], [257, 300]])
async def test_the_log_agrees_with_itself_however_it_grew(log: Log, batches: list[int]):
    for batch in batches:
        await log.append(*map(str, range(batch)))
        await log.sequencer.run_once()

    assert await log.service.check() == (sum(batches), ())


async def test_every_entry_is_proven_by_the_newest_checkpoint(log: Log):
    await log.append(*map(str, range(300)))
    await log.sequencer.run_once()

    for index in (0, 1, 255, 256, 299):
        bundle = await log.service.bundle(index, KEY.verifier)
        report = verify_bundle(bundle.encode(), Trust(keys=(KEY.verifier,)))
        assert report.outcome is Outcome.VERIFIED, report
    for index in (-1, 300):
        with pytest.raises(UnknownEntryError):
            await log.service.bundle(index)


async def test_an_older_checkpoint_is_proven_to_be_a_part_of_a_newer_one(log: Log):
    checkpoints = []
    for batch in (3, 255, 100):
        await log.append(*map(str, range(batch)))
        await log.sequencer.run_once()
        newest = await log.service.checkpoint()
        assert newest is not None
        checkpoints.append(SignedCheckpoint.parse(newest.note).checkpoint)

    last = checkpoints[-1]
    for old in checkpoints:
        proof = await log.service.consistency(old.size, last.size)
        assert (proof.old_size, proof.size) == (old.size, last.size)
        verify_consistency(old.size, old.root, last.size, last.root, proof.hashes)
    for sizes in ((1, last.size + 1), (0, last.size), (2, 1)):
        with pytest.raises(BadRangeError):
            await log.service.consistency(*sizes)


@pytest.mark.parametrize("name", ["example.com/other", KEY.name])
async def test_another_key_does_not_go_on_with_the_log(log: Log, name: str):
    await log.append("a")
    await log.sequencer.run_once()
    await log.append("b")
    other = Sequencer(log.unit_of_work, SigningKey(name, bytes(32)), system_clock)

    with pytest.raises(ForeignLogError, match=r"example\.com/log"):
        await other.run_once()
    assert await log.sequencer.run_once() == 1


async def test_the_list_is_filtered(log: Log):
    await log.append("a", "b")
    await log.append("a", action="scan.stored")
    await log.sequencer.run_once()

    async def found(wanted: EntryFilter) -> list[int | None]:
        page = await log.service.entries(wanted, 10)
        return [entry.index for entry in page.entries]

    assert await found(EntryFilter(object="a")) == [2, 0]
    assert await found(EntryFilter(action="scan.stored")) == [2]
    assert await found(EntryFilter(actor="nobody")) == []
    assert await found(EntryFilter(before=2)) == [1, 0]
    assert await found(EntryFilter(since=system_clock() + 10**9)) == []


@pytest.mark.parametrize(
    ("statement", "place", "problem"),
    [
        (
            "UPDATE audit_entries SET payload = '{}' WHERE log_index = 3",
            "entry 3",
            "payload",
        ),
        ("UPDATE audit_entries SET leaf = '{}' WHERE log_index = 3", "entry 3", "schema"),
        ("DELETE FROM audit_entries WHERE log_index = 3", "entry 3", "missing"),
        ("DELETE FROM audit_entries WHERE log_index = 299", "entry 299", "missing"),
        (
            "UPDATE audit_tiles SET hashes = '' WHERE level = 0 AND number = 0",
            "tile tile/0/000",
            "",
        ),
        (
            "UPDATE audit_tiles SET hashes = '' WHERE level = 0 AND number = 1",
            "tile tile/0/001.p/44",
            "",
        ),
    ],
)
async def test_a_change_of_the_database_is_found(
    log: Log, statement: str, place: str, problem: str
):
    await log.append(*map(str, range(300)))
    await log.sequencer.run_once()
    assert await log.problems() == []

    blob = statement.replace("'{}'", ":empty").replace("hashes = ''", "hashes = :none")
    values = {"empty": b"{}"} if ":empty" in blob else {"none": b""} if ":none" in blob else {}
    await log.tamper(blob, **values)
    found = await log.problems()

    assert [(where, problem in what) for where, what in found if where == place] == [(place, True)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_tiles SET hashes = :other WHERE level = 0 AND number = 1",
        "UPDATE audit_tiles SET hashes = :none WHERE level = 0 AND number = 1",
        "DELETE FROM audit_entries WHERE log_index = 299",
    ],
)
async def test_a_damaged_log_is_not_signed(log: Log, statement: str):
    await log.append(*map(str, range(300)))
    await log.sequencer.run_once()
    values = {"other": bytes(44 * 32), "none": b""}
    await log.tamper(statement, **{name: v for name, v in values.items() if name in statement})
    await log.append("a")

    with pytest.raises(DamagedLogError, match=r"size 300.*agentguard audit fsck"):
        await log.sequencer.run_once()
    newest = await log.service.checkpoint()
    assert newest is not None
    assert newest.size == 300


async def test_two_entries_that_changed_places_are_found(log: Log):
    await log.append("a", "b", "c")
    await log.sequencer.run_once()
    for statement in (
        "UPDATE audit_entries SET log_index = 9 WHERE log_index = 0",
        "UPDATE audit_entries SET log_index = 0 WHERE log_index = 1",
        "UPDATE audit_entries SET log_index = 1 WHERE log_index = 9",
    ):
        await log.tamper(statement)

    assert await log.problems() == [
        ("checkpoint 3", "its root hash is not that of the entries"),
        ("entry 0", "its row in audit_logs is missing, doubled or changed"),
        ("entry 1", "its row in audit_logs is missing, doubled or changed"),
        ("tile tile/0/000.p/3", "it differs from the entries"),
    ]


async def test_a_payload_may_be_removed_with_its_salt(log: Log):
    await log.append("a", "b")
    await log.sequencer.run_once()
    await log.tamper("UPDATE audit_entries SET payload = NULL, salt = NULL WHERE log_index = 0")

    assert await log.problems() == [
        ("payloads", "the log tells of 0 removed payloads, and 1 are not there")
    ], "retention would have left an entry"
    bundle = await log.service.bundle(0)
    report = verify_bundle(bundle.encode(), Trust(keys=(KEY.verifier,)))
    assert report.outcome is Outcome.VERIFIED


async def test_many_append_while_one_sequences(log: Log):
    async def appending(name: int) -> None:
        for number in range(10):
            await log.append(f"{name}-{number}")

    async def sequencing() -> None:
        while True:
            await log.sequencer.run_once()
            await asyncio.sleep(0)

    running = asyncio.create_task(sequencing())
    await asyncio.gather(*map(appending, range(4)))
    running.cancel()
    await asyncio.wait([running])
    await log.sequencer.run_once()

    assert await log.service.check() == (40, ())
