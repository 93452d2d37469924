"""Keys of the stored audit log: handovers, former keys, and a key that is lost."""

from __future__ import annotations

import asyncio
import itertools

import orjson
import pytest

from agentguard.accounts.principal import Permission, PermissionDeniedError, Principal
from agentguard.audit.checkpoints import SignedCheckpoint
from agentguard.audit.entries import Entry
from agentguard.audit.key_state import ForeignLogError, KeyReplacedError
from agentguard.audit.keys import SigningKey
from agentguard.audit.merkle import verify_consistency
from agentguard.audit.rotation import KeyRotation, NoNewLogError
from agentguard.audit.verification import Outcome, Trust, verify_bundle
from agentguard.kernel.clock import system_clock
from tests.acting import TESTER
from tests.audit.test_javascript import in_javascript
from tests.conformance.audit_logs import KEY, NEXT_KEY, Log

pytestmark = pytest.mark.anyio

THIRD_KEY = SigningKey(KEY.name, bytes(range(2, 34)))
NEW_LOG_KEY = SigningKey("example.com/log-2", bytes(range(3, 35)))


async def filled(log: Log) -> None:
    await log.append("a", "b")
    await log.sequencer.run_once()


async def test_the_next_checkpoint_is_signed_by_the_new_key_alone(log: Log):
    await filled(log)
    await log.rotate(KEY, NEXT_KEY)

    with pytest.raises(KeyReplacedError, match="AGENTGUARD_AUDIT_KEY_FILE"):
        await log.sequencer_with(KEY).run_once()
    assert await log.sequencer_with(NEXT_KEY).run_once() == 1
    newest = await log.service.checkpoint()
    assert newest is not None
    SignedCheckpoint.parse(newest.note).verify([NEXT_KEY.verifier])
    assert await log.problems(NEXT_KEY.verifier) == []
    assert "was replaced by" in dict(await log.problems(KEY.verifier))["checkpoint"]


async def test_a_running_process_goes_on_with_the_new_key_once_it_can_read_it(log: Log):
    await filled(log)
    await log.rotate(KEY, NEXT_KEY)

    assert await log.sequencer_with(KEY, NEXT_KEY).run_once() == 1
    await log.append("c")
    assert await log.sequencer_with(KEY, THIRD_KEY, NEXT_KEY).run_once() == 1


@pytest.mark.parametrize("rotations", [1, 2])
async def test_an_entry_is_verified_with_any_of_the_keys_in_python_and_javascript(
    log: Log, rotations: int
):
    await filled(log)
    keys = [KEY, NEXT_KEY, THIRD_KEY][: rotations + 1]
    for old, new in itertools.pairwise(keys):
        await log.rotate(old, new)
        await log.sequencer_with(new).run_once()

    cases = [
        ((await log.service.bundle(index, keys[-1].verifier)).encode(), Trust(keys=(key.verifier,)))
        for key in keys
        for index in (0, 2)
    ]
    assert [verify_bundle(raw, trust).outcome for raw, trust in cases] == (
        [Outcome.VERIFIED] * len(cases)
    )
    assert [found["outcome"] for found in in_javascript(cases)] == ["verified"] * len(cases)


async def test_an_exported_entry_is_verified_before_the_new_key_has_signed(log: Log):
    await filled(log)
    await log.rotate(KEY, NEXT_KEY)

    raw = (await log.service.bundle(0, NEXT_KEY.verifier)).encode()
    for key in (KEY, NEXT_KEY):
        assert verify_bundle(raw, Trust(keys=(key.verifier,))).outcome is Outcome.VERIFIED


async def test_a_rotation_leaves_one_entry_with_both_keys_and_the_size(log: Log):
    await filled(log)
    await log.rotate(KEY, NEXT_KEY)
    await log.sequencer_with(NEXT_KEY).run_once()

    left = await log.service.entry(2)
    told = Entry.parse(left.leaf)
    assert (told.action, told.actor.id) == ("audit-key.rotated", TESTER.id)
    assert told.object_id == NEXT_KEY.verifier.key_id.hex()
    assert orjson.loads(left.payload or b"") == {
        "origin": KEY.name,
        "old": KEY.verifier.encode(),
        "new": NEXT_KEY.verifier.encode(),
        "size": 2,
    }


async def test_a_key_that_does_not_sign_now_hands_over_to_none(log: Log):
    await filled(log)
    await log.rotate(KEY, NEXT_KEY)

    for old, error in ((KEY, KeyReplacedError), (THIRD_KEY, ForeignLogError)):
        with pytest.raises(error):
            await log.rotate(old, SigningKey(KEY.name, bytes(32)))
    assert await log.sequencer_with(NEXT_KEY).run_once() == 1


async def test_of_two_rotations_at_once_one_wins(log: Log):
    await filled(log)

    done = await asyncio.gather(
        log.rotate(KEY, NEXT_KEY), log.rotate(KEY, THIRD_KEY), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in done) == ["KeyReplacedError", "NoneType"]
    assert await log.sequencer_with(KEY, NEXT_KEY, THIRD_KEY).run_once() == 1


async def test_rotating_while_entries_are_sequenced_loses_none(log: Log):
    keys = [SigningKey(KEY.name, bytes([number] * 32)) for number in range(6)]

    async def appending() -> None:
        for number in range(30):
            await log.append(str(number))

    async def sequencing() -> None:
        while True:
            try:
                await log.sequencer_with(*keys).run_once()
            except KeyReplacedError:
                continue  # replaced after it was read: the next round reads it again
            finally:
                await asyncio.sleep(0)

    running = asyncio.create_task(sequencing())
    writing = asyncio.create_task(appending())
    for old, new in itertools.pairwise(keys):
        await log.rotate(old, new)
    await writing
    running.cancel()
    await asyncio.wait([running])
    await log.sequencer_with(*keys).run_once()

    assert await log.service.check(keys[-1].verifier) == (35, ())


async def test_only_admins_replace_keys(log: Log):
    actor = Principal("reader", TESTER.kind, frozenset({Permission.OPERATE}))
    rotation = KeyRotation(log.unit_of_work, system_clock)
    for attempt in (rotation.rotate(actor, KEY, NEXT_KEY), rotation.begin(actor, KEY)):
        with pytest.raises(PermissionDeniedError):
            await attempt


async def test_without_the_key_a_new_log_goes_on_and_cites_the_end_of_the_old_one(log: Log):
    await filled(log)
    ended = await log.service.checkpoint()
    assert ended is not None
    await log.append("c")  # waits, as nobody has the key
    with pytest.raises(ForeignLogError, match="audit keys begin"):
        await log.sequencer_with(NEW_LOG_KEY).run_once()
    await KeyRotation(log.unit_of_work, system_clock).begin(TESTER, NEW_LOG_KEY)

    assert await log.sequencer_with(NEW_LOG_KEY).run_once() == 1
    first = await log.service.entry(2)
    told = Entry.parse(first.leaf)
    assert (told.action, told.object_id) == ("audit-log.begun", NEW_LOG_KEY.name)
    assert orjson.loads(first.payload or b"")["ended"] == ended.note.decode()
    assert Entry.parse((await log.service.entry(3)).leaf).object_id == "c"
    assert await log.problems(NEW_LOG_KEY.verifier) == []
    await consistent(log, ended.note)


async def consistent(log: Log, old_note: bytes) -> None:
    """Check that the newest checkpoint extends an older one, whoever signed it."""
    newest = await log.service.checkpoint()
    assert newest is not None
    old, new = (SignedCheckpoint.parse(note).checkpoint for note in (old_note, newest.note))
    proof = await log.service.consistency(old.size, new.size)
    verify_consistency(old.size, old.root, new.size, new.root, proof.hashes)


async def test_a_new_log_has_another_name_and_follows_one(log: Log):
    rotation = KeyRotation(log.unit_of_work, system_clock)
    with pytest.raises(NoNewLogError, match="is empty"):
        await rotation.begin(TESTER, NEW_LOG_KEY)
    await filled(log)
    with pytest.raises(NoNewLogError, match="another name"):
        await rotation.begin(TESTER, NEXT_KEY)
