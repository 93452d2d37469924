"""Checkpoints are published in a folder, and a log that is not the published one is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import text

from agentguard.adapters.files.checkpoints import FileCheckpoints
from agentguard.adapters.sql.database import Database, open_database
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.audit.anchor_steps import ANCHORING
from agentguard.audit.anchoring import FINALISED
from agentguard.audit.anchoring_rounds import Anchoring, Intervals
from agentguard.audit.checkpoint_folder import CheckpointFolderError, PublishedOtherwiseError
from agentguard.audit.checkpoints import SignedCheckpoint
from agentguard.audit.keys import SigningKey
from agentguard.audit.recording import AuditTrail
from agentguard.audit.sequencing import Sequencer
from agentguard.bootstrap.anchoring import CheckpointsInsideError
from agentguard.bootstrap.opening import open_app
from agentguard.kernel.clock import NS_PER_SECOND, system_clock
from agentguard.settings import Settings
from tests.acting import TESTER

pytestmark = pytest.mark.anyio

KEY = SigningKey("example.com/log", bytes(range(32)))
OTHER = SigningKey("example.org/log", bytes(range(32)))


@dataclass
class Log:
    """A log whose checkpoints are published."""

    database: Database
    folder: Path
    key: SigningKey = KEY
    ahead: list[int] = field(default_factory=lambda: [0])

    def clock(self) -> int:
        return system_clock() + self.ahead[0]

    @property
    def unit_of_work(self) -> SqlUnitOfWork:
        return SqlUnitOfWork(self.database, self.clock)

    @property
    def anchoring(self) -> Anchoring:
        folder = FileCheckpoints(self.folder)
        return Anchoring(self.unit_of_work, None, folder, self.clock, Intervals(3600, 15))

    async def add(self, name: str, action: str = "dataset.deleted") -> None:
        trail = AuditTrail(self.clock)
        await self.unit_of_work.run(
            lambda stores: trail.record(stores.audit, TESTER, action, object_id=name)
        )
        await Sequencer(self.unit_of_work, self.key, self.clock).run_once()

    async def publish(self, *, at_once: bool = True) -> None:
        await self.anchoring.run(ANCHORING, at_once=at_once)

    async def execute(self, *statements: str) -> None:
        async def work(connection) -> None:
            for statement in statements:
                await connection.execute(text(statement))

        await self.database.write(work)

    @property
    def published(self) -> list[int]:
        return [int(path.name.split(".")[0]) for path in sorted(self.folder.iterdir())]


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Log]:
    async with open_database(tmp_path / "data", None, hurried=False) as database:
        yield Log(database, tmp_path / "published")


async def test_the_newest_checkpoint_is_published(log: Log):
    await log.add("a")
    await log.add("b")
    await log.publish()

    raw = (log.folder / f"{2:020d}.checkpoint").read_bytes()
    signed = SignedCheckpoint.parse(raw)
    assert signed.checkpoint.size == 2
    assert signed.verify([KEY.verifier])
    assert log.published == [2]


async def test_one_file_per_interval_if_the_log_has_grown(log: Log):
    await log.add("a")
    await log.publish(at_once=False)
    await log.add("b")
    assert not await log.anchoring.is_due()
    await log.publish(at_once=False)
    assert log.published == [1]

    log.ahead[0] = 3601 * NS_PER_SECOND
    assert await log.anchoring.is_due()
    await log.publish(at_once=False)
    assert log.published == [1, 2]
    log.ahead[0] *= 2
    assert not await log.anchoring.is_due()


async def test_nothing_is_published_because_of_anchors_alone(log: Log):
    await log.add("a")
    await log.publish()
    await log.add("checkpoint-1", FINALISED)
    await log.publish()

    assert log.published == [1]


async def test_what_a_crash_left_does_no_harm(log: Log):
    await log.add("a")
    log.folder.mkdir()
    (log.folder / f".{1:020d}.checkpoint.12345678").write_bytes(b"half a no")
    await log.publish()
    await log.publish()

    assert (log.folder / f"{1:020d}.checkpoint").exists()


async def test_a_rewritten_log_is_refused(log: Log):
    await log.add("a")
    await log.publish()
    note = (log.folder / f"{1:020d}.checkpoint").read_bytes()
    await log.execute(
        "DELETE FROM audit_entries", "DELETE FROM audit_tiles", "DELETE FROM audit_checkpoints"
    )
    await log.add("b")
    await log.add("c")

    with pytest.raises(PublishedOtherwiseError, match="another root hash"):
        await log.publish()
    standing = await log.anchoring.standing()
    assert [problem.code for problem in standing.problems] == ["audit-log-forked"]
    assert (log.folder / f"{1:020d}.checkpoint").read_bytes() == note


async def test_a_log_that_was_cut_is_refused(log: Log):
    await log.add("a")
    await log.add("b")
    await log.publish()
    await log.execute(
        "DELETE FROM audit_entries WHERE log_index = 1",
        "DELETE FROM audit_checkpoints WHERE size = 2",
    )

    with pytest.raises(PublishedOtherwiseError, match="has 2 entries, this one 1"):
        await log.publish()


async def test_another_log_is_refused(log: Log, tmp_path: Path):
    await log.add("a")
    await log.publish()
    async with open_database(tmp_path / "other", None, hurried=False) as database:
        other = Log(database, log.folder, OTHER)
        await other.add("a")
        await other.add("b")

        with pytest.raises(PublishedOtherwiseError, match="it is of"):
            await other.publish()


async def test_a_file_is_never_overwritten(log: Log, tmp_path: Path):
    folder = FileCheckpoints(log.folder)
    await log.add("a")
    ours = await log.unit_of_work.read(lambda stores: stores.audit.checkpoint())
    folder.put(1, ours.note)
    async with open_database(tmp_path / "other", None, hurried=False) as database:
        other = Log(database, log.folder)
        await other.add("b")
        theirs = await other.unit_of_work.read(lambda stores: stores.audit.checkpoint())

    with pytest.raises(PublishedOtherwiseError):
        folder.put(1, theirs.note)
    folder.put(1, ours.note)
    assert log.published == [1]
    assert folder.newest().note == ours.note


async def test_a_folder_that_cannot_be_used_is_told(log: Log):
    await log.add("a")
    log.folder.write_text("a file")

    with pytest.raises(CheckpointFolderError, match="AGENTGUARD_AUDIT_CHECKPOINT_DIR"):
        await log.publish()
    standing = await log.anchoring.standing()
    assert [problem.code for problem in standing.problems] == ["checkpoint-folder-unavailable"]


async def test_without_anything_set_the_summary_says_so(log: Log):
    await log.add("a")
    nowhere = Anchoring(log.unit_of_work, None, None, log.clock)

    assert (await nowhere.standing()).summary == (
        "Not anchored on a chain. Checkpoints are published nowhere."
    )
    assert not await nowhere.is_due()


async def test_a_folder_inside_the_data_directory_is_refused(tmp_path: Path):
    (tmp_path / "data" / "inside").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "data" / "inside")
    for folder in (tmp_path / "data", tmp_path / "data" / "inside", tmp_path / "link"):
        settings = Settings(data_dir=tmp_path / "data", audit_checkpoint_dir=folder)

        with pytest.raises(CheckpointsInsideError):
            async with open_app(settings):
                pass
