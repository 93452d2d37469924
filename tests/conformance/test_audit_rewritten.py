"""Whoever rewrites the database does not get the new history signed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentguard.adapters.files.signed_checkpoint import SignedCheckpointFile
from agentguard.audit.sequencing import RewrittenLogError, Sequencer
from agentguard.audit.sequencing_loop import SequencingLoop
from tests.conformance.audit_logs import KEY, NEXT_KEY, Log

pytestmark = pytest.mark.anyio


@pytest.fixture
async def signing(log: Log, tmp_path: Path) -> Sequencer:
    """A sequencer that has signed five entries, and remembers it."""
    sequencer = replace(log.sequencer, memory=SignedCheckpointFile(tmp_path))
    await log.append(*"abc")
    await sequencer.run_once()
    await log.append(*"de")
    await sequencer.run_once()
    return sequencer


async def forget_all(log: Log) -> None:
    """Bring the entries back to where the server would sequence them as new ones."""
    await log.tamper("DELETE FROM audit_tiles")
    await log.tamper("DELETE FROM audit_checkpoints")
    await log.tamper("UPDATE audit_entries SET log_index = NULL")
    await log.tamper("DELETE FROM audit_logs")


async def test_a_history_that_was_rewritten_is_not_signed_again(log: Log, signing: Sequencer):
    await log.tamper("DELETE FROM audit_entries WHERE object = 'b'")
    await forget_all(log)

    with pytest.raises(RewrittenLogError, match=r"size 5 .*no checkpoint"):
        await signing.run_once()
    assert await log.service.checkpoint() is None
    assert (await log.service.progress()).pending == 4


async def test_a_state_from_before_is_not_signed_on(log: Log, signing: Sequencer):
    """As after the newest entries were removed, tiles and checkpoint brought back to before."""
    await log.tamper("DELETE FROM audit_checkpoints WHERE size = 5")
    await log.tamper("DELETE FROM audit_entries WHERE log_index >= 3")
    await log.append("other")

    with pytest.raises(RewrittenLogError, match="has 5 entries, this one 3"):
        await signing.run_once()


async def test_another_log_signed_with_the_same_key_is_noticed(log: Log, signing: Sequencer):
    """By whoever has the key, but not the folder beside it."""
    await log.tamper("UPDATE audit_entries SET object = 'z' WHERE log_index = 1")
    leaf = (await log.service.entry(1)).leaf.replace(b'"b"', b'"z"')
    await log.tamper("UPDATE audit_entries SET leaf = :leaf WHERE log_index = 1", leaf=leaf)
    await forget_all(log)
    await log.sequencer.run_once()
    assert (await log.service.check())[0] == 5
    await log.append("next")

    with pytest.raises(RewrittenLogError, match="another root hash"):
        await signing.run_once()


async def test_the_log_goes_on_with_another_key_and_after_another_server(
    log: Log, signing: Sequencer
):
    await log.append("f")
    await log.sequencer.run_once()  # another server, with a memory of its own
    await log.rotate(KEY, NEXT_KEY)
    successor = replace(signing, key=NEXT_KEY)

    assert await successor.run_once() == 1
    await log.append("g")
    assert await successor.run_once() == 1
    assert await log.problems(NEXT_KEY.verifier) == []


async def test_who_has_exchanged_the_database_deletes_the_file(
    log: Log, signing: Sequencer, tmp_path: Path
):
    await forget_all(log)
    with pytest.raises(RewrittenLogError, match="signed-checkpoint"):
        await signing.run_once()
    (tmp_path / "audit" / "signed-checkpoint").unlink()

    assert await signing.run_once() == 5
    assert await log.problems() == []


@pytest.fixture
def standby(log: Log, tmp_path: Path) -> Sequencer:
    """The sequencer of another server, which has not signed anything."""
    return replace(log.sequencer, memory=SignedCheckpointFile(tmp_path / "standby"))


async def test_a_standby_server_remembers_what_another_has_signed(
    log: Log, signing: Sequencer, standby: Sequencer
):
    others: Any = OthersTurn()
    following = asyncio.create_task(SequencingLoop(standby, others).run())
    await asyncio.wait_for(others.asked_again.wait(), 20)
    following.cancel()
    await log.tamper("DELETE FROM audit_entries WHERE object = 'b'")
    await forget_all(log)

    with pytest.raises(RewrittenLogError, match=r"size 5 .*no checkpoint"):
        await standby.run_once()


async def test_a_standby_server_notices_a_log_that_was_rewritten_and_signed(
    log: Log, signing: Sequencer, standby: Sequencer
):
    await standby.follow()
    await log.tamper("DELETE FROM audit_entries WHERE object = 'b'")
    await forget_all(log)
    await log.append(*"xyz")
    await log.sequencer.run_once()  # by whoever has the key, but not the folder beside it

    with pytest.raises(RewrittenLogError, match="another root hash"):
        await standby.follow()


async def test_a_standby_server_remembers_no_checkpoint_that_its_key_has_not_signed(
    log: Log, signing: Sequencer, standby: Sequencer
):
    await replace(standby, key=NEXT_KEY).follow()

    assert standby.memory.read() is None


class OthersTurn:
    """A Turn that another process has."""

    def __init__(self) -> None:
        self.asked = False
        self.asked_again = asyncio.Event()

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        yield

    async def hold(self) -> bool:
        if self.asked:
            self.asked_again.set()
        self.asked = True
        return False


async def test_a_check_compares_the_log_with_what_was_signed(
    log: Log, signing: Sequencer, tmp_path: Path
):
    remembered = SignedCheckpointFile(tmp_path).read()
    assert (await log.service.check(log.sequencer.key.verifier, remembered=remembered))[1] == ()
    for table in ("audit_tiles", "audit_checkpoints", "audit_entries", "audit_logs"):
        await log.tamper(f"DELETE FROM {table}")  # noqa: S608 - names of this test

    size, found = await log.service.check(remembered=remembered)

    assert size == 0
    assert [(each.place, "no checkpoint" in each.problem) for each in found] == [("log", True)]


async def test_payloads_that_were_not_removed_by_retention_are_missed(log: Log, signing: Sequencer):
    await log.tamper("UPDATE audit_entries SET payload = NULL, salt = NULL WHERE log_index = 1")

    assert await log.problems() == [
        ("payloads", "the log tells of 0 removed payloads, and 1 are not there")
    ]


async def test_a_made_up_transaction_is_found(log: Log, signing: Sequencer):
    await log.tamper("UPDATE audit_logs SET blockchain_tx_hash = '0x12' WHERE log_index = 1")

    assert await log.problems() == [("anchors", "no entry tells of an anchor by transaction 0x12")]
