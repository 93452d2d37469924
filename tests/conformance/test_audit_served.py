"""What others get of the stored audit log: snapshots, tiles, cosignatures, published files."""

from __future__ import annotations

import asyncio
import json

import pytest

from agentguard.adapters.files.published_log import LogFolder
from agentguard.adapters.files.watch_state import WatchState
from agentguard.audit.checkpoints import SignedCheckpoint
from agentguard.audit.cosigning import CosigningService
from agentguard.audit.errors import HashMissingError
from agentguard.audit.handovers import KeyChain
from agentguard.audit.monitor import Finding, observe
from agentguard.audit.service import UnknownCheckpointError
from agentguard.audit.static_files import OtherLogPublishedError, Publisher
from agentguard.audit.tiles import Tile
from agentguard.audit.verification import Outcome, Trust, verify_bundle
from agentguard.audit.watching import Watcher
from tests.audit.keys import WITNESS
from tests.conformance.audit_logs import KEY, NEXT_KEY, Log

pytestmark = pytest.mark.anyio

KEYS = KeyChain.follow([KEY.verifier])


async def grown(log: Log, *batches: int) -> None:
    for batch in batches:
        await log.append(*map(str, range(batch)))
        await log.sequencer.run_once()


async def test_each_stored_checkpoint_can_be_had_by_its_size(log: Log):
    await grown(log, 2, 3)

    assert (await log.service.published()).size == 5
    assert (await log.service.published(2)).size == 2
    bundle = await log.service.bundle(1, size=2)
    assert bundle.signed.checkpoint.size == 2
    assert verify_bundle(bundle.encode(), Trust((KEY.verifier,))).outcome is Outcome.VERIFIED
    with pytest.raises(UnknownCheckpointError, match="of size 3"):
        await log.service.published(3)


async def test_tiles_are_read_in_every_width_they_ever_had(log: Log):
    await grown(log, 300)

    tiles = [Tile(0, 0), Tile(0, 1, 44), Tile(0, 1, 7), Tile(1, 0, 1)]
    found = await log.service.tiles(tiles)
    assert found[tiles[2]] == found[tiles[1]][: 7 * 32]
    assert {tile.width * 32 == len(content) for tile, content in found.items()} == {True}
    with pytest.raises(HashMissingError, match=r"tile/0/001\.p/45"):
        await log.service.tiles([Tile(0, 0), Tile(0, 1, 45)])


async def test_an_entry_is_found_by_its_data(log: Log):
    await grown(log, 3)
    leaf = (await log.service.entry(1)).leaf

    assert await log.service.index_of(leaf) == 1
    other = {**json.loads(leaf), "object": "other"}
    assert await log.service.index_of(json.dumps(other, separators=(",", ":")).encode()) is None


async def test_a_cosignature_is_stored_with_its_checkpoint_and_the_log_goes_on(log: Log):
    await grown(log, 2, 1)
    service = CosigningService(log.unit_of_work, (WITNESS.verifier,))
    note = SignedCheckpoint.parse((await log.service.published(2)).note).note

    await service.cosign(note.signed(WITNESS, time_seconds=7).encode())
    await service.cosign(note.signed(WITNESS, time_seconds=8).encode())
    stored = SignedCheckpoint.parse((await log.service.published(2)).note).note

    assert stored.text == note.text
    assert stored.signatures[:1] == note.signatures
    assert [one.time_seconds for one in stored.verify([WITNESS.verifier])] == [8]
    await grown(log, 1)
    assert await log.service.check() == (4, ())


async def test_published_files_are_a_log_that_a_monitor_follows(log: Log, tmp_path):
    folder = LogFolder(tmp_path / "published")
    publisher, remembered = Publisher(log.service, folder, KEY.verifier), None
    for batch, new in ((3, 3), (252, 2), (1, 3), (300, 4), (0, 0)):
        await grown(log, batch)
        done = await publisher.publish()
        seen = await asyncio.to_thread(observe, folder, KEYS, remembered)
        assert seen.finding in (Finding.FIRST_SEEN, Finding.GROWN, Finding.UNCHANGED), seen
        assert done.written == new
        remembered = seen.remembered

    assert done.size == 556


async def test_a_monitor_follows_a_change_of_keys_by_what_is_published(log: Log, tmp_path):
    folder = LogFolder(tmp_path / "published")
    state = WatchState(tmp_path / "seen.json")
    watcher = Watcher(folder, state, (KEY.verifier,))
    await grown(log, 3)
    await Publisher(log.service, folder, KEY.verifier).publish()
    first = await asyncio.to_thread(watcher.look)
    await log.rotate(KEY, NEXT_KEY)
    await log.sequencer_with(NEXT_KEY).run_once()
    await Publisher(log.service, folder, NEXT_KEY.verifier).publish()

    later = await asyncio.to_thread(watcher.look)

    assert (first.finding, later.finding) == (Finding.FIRST_SEEN, Finding.GROWN)
    assert later.key == NEXT_KEY.verifier
    assert state.load().handovers == await log.service.handovers() == (folder.read("handover/0"),)


async def test_a_published_log_is_whole_while_others_append(log: Log, tmp_path):
    folder = LogFolder(tmp_path / "published")
    await grown(log, 1)

    async def growing() -> None:
        while True:
            await grown(log, 40)

    running, remembered = asyncio.create_task(growing()), None
    for _ in range(8):
        await Publisher(log.service, folder, KEY.verifier).publish()
        seen = await asyncio.to_thread(observe, folder, KEYS, remembered)
        assert seen.finding in (Finding.FIRST_SEEN, Finding.GROWN, Finding.UNCHANGED), seen
        remembered = seen.remembered
    running.cancel()
    await asyncio.wait([running])


async def test_a_log_that_was_rewritten_is_not_published_over_the_old_one(log: Log, tmp_path):
    folder = LogFolder(tmp_path / "published")
    await grown(log, 5)
    publisher = Publisher(log.service, folder, KEY.verifier)
    await publisher.publish()
    before = folder.read("checkpoint")
    await log.tamper("DELETE FROM audit_checkpoints")
    await log.tamper("DELETE FROM audit_tiles")
    await log.tamper("DELETE FROM audit_entries")

    for more, words in ((2, "5 entries, this one 2"), (6, "another root hash")):
        await grown(log, more)
        with pytest.raises(OtherLogPublishedError, match=words):
            await publisher.publish()
    assert folder.read("checkpoint") == before
