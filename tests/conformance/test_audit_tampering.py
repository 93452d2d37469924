"""Every way to tamper with the stored log, and who detects it with which words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from agentguard.audit.checkpoints import Checkpoint, SignedCheckpoint
from agentguard.audit.entries import Actor, Entry, payload_commitment
from agentguard.audit.errors import VerificationFailedError
from agentguard.audit.key_state import ForeignLogError
from agentguard.audit.keys import SigningKey
from agentguard.audit.merkle import Frontier, leaf_hash, verify_consistency
from agentguard.audit.sequencing import DamagedLogError
from agentguard.audit.verification import Outcome, Trust, verify_bundle
from tests.conformance.audit_logs import KEY, NEXT_KEY, Log

pytestmark = pytest.mark.anyio

SIZE = 5


@pytest.fixture
async def filled(log: Log) -> Log:
    await log.append(*"abc")
    await log.sequencer.run_once()
    await log.append(*"de")
    await log.sequencer.run_once()
    assert await log.problems(KEY.verifier) == []
    return log


async def leaf_of(log: Log, index: int) -> Entry:
    return Entry.parse((await log.service.entry(index)).leaf)


async def edit_leaf(log: Log) -> None:
    other = replace(await leaf_of(log, 2), object_id="z").leaf()
    await log.tamper("UPDATE audit_entries SET leaf = :leaf WHERE log_index = 2", leaf=other)


async def edit_leaf_and_columns(log: Log) -> None:
    await edit_leaf(log)
    await log.tamper("UPDATE audit_entries SET object = 'z' WHERE log_index = 2")


async def edit_time(log: Log) -> None:
    other = "2001-01-01 00:00:00.000000"
    if log.database.engine.dialect.name == "postgresql":
        await log.tamper("UPDATE audit_entries SET time = to_timestamp(0) WHERE log_index = 2")
    else:
        await log.tamper("UPDATE audit_entries SET time = :t WHERE log_index = 2", t=other)


async def edit_actor(log: Log) -> None:
    await log.tamper("UPDATE audit_entries SET actor = 'z' WHERE log_index = 2")


async def edit_action(log: Log) -> None:
    await log.tamper("UPDATE audit_entries SET action = 'z' WHERE log_index = 2")


async def edit_object(log: Log) -> None:
    await log.tamper("UPDATE audit_entries SET object = NULL WHERE log_index = 2")


async def swap_payload(log: Log) -> None:
    other = await log.service.entry(1)
    await log.tamper(
        "UPDATE audit_entries SET payload = :payload, salt = :salt WHERE log_index = 2",
        payload=other.payload,
        salt=other.salt,
    )


async def swap_payload_and_commitment(log: Log) -> None:
    """The adversary writes a new payload and an entry that commits to it."""
    payload, salt = b'{"name":"nobody"}', bytes(32)
    told = replace(await leaf_of(log, 2), commitment=payload_commitment(payload, salt))
    await log.tamper(
        "UPDATE audit_entries SET payload = :payload, salt = :salt, leaf = :leaf"
        " WHERE log_index = 2",
        payload=payload,
        salt=salt,
        leaf=told.leaf(),
    )


async def remove_salt(log: Log) -> None:
    await log.tamper("UPDATE audit_entries SET salt = NULL WHERE log_index = 2")


async def delete(log: Log) -> None:
    await log.tamper("DELETE FROM audit_entries WHERE log_index = 2")


async def delete_and_close_the_gap(log: Log) -> None:
    await delete(log)
    await log.tamper("UPDATE audit_entries SET log_index = 2 WHERE log_index = 3")
    await log.tamper("UPDATE audit_entries SET log_index = 3 WHERE log_index = 4")


async def insert(log: Log) -> None:
    """Number an entry that no checkpoint covers."""
    await log.append("f")
    await log.tamper("UPDATE audit_entries SET log_index = :i WHERE log_index IS NULL", i=SIZE)


async def reorder(log: Log) -> None:
    for new, old in ((9, 1), (1, 2), (2, 9)):
        await log.tamper(
            "UPDATE audit_entries SET log_index = :new WHERE log_index = :old", new=new, old=old
        )


async def truncate_entries(log: Log) -> None:
    await log.tamper("DELETE FROM audit_entries WHERE log_index >= 3")


async def edit_checkpoint(log: Log) -> None:
    """Put another root under the old signature."""
    newest = await log.service.checkpoint()
    assert newest is not None
    signed = SignedCheckpoint.parse(newest.note)
    forged = replace(signed.note, text=replace(signed.checkpoint, root=leaf_hash(b"")).text())
    await log.tamper(
        "UPDATE audit_checkpoints SET note = :note WHERE size = 5", note=forged.encode()
    )


async def edit_older_checkpoint(log: Log) -> None:
    note = Checkpoint(KEY.name, 3, leaf_hash(b"")).signed(KEY).encode()
    await log.tamper("UPDATE audit_checkpoints SET note = :note WHERE size = 3", note=note)


async def sign_with_another_key(log: Log) -> None:
    newest = await log.service.checkpoint()
    assert newest is not None
    said = SignedCheckpoint.parse(newest.note).checkpoint
    note = said.signed(SigningKey(KEY.name, bytes(32))).encode()
    await log.tamper("UPDATE audit_checkpoints SET note = :note WHERE size = 5", note=note)


async def sign_an_older_one_with_another_key(log: Log) -> None:
    older = SignedCheckpoint.parse((await log.service.published(3)).note).checkpoint
    note = older.signed(SigningKey(KEY.name, bytes(32))).encode()
    await log.tamper("UPDATE audit_checkpoints SET note = :note WHERE size = 3", note=note)


async def edit_tile(log: Log) -> None:
    await log.tamper("UPDATE audit_tiles SET hashes = :none", none=bytes(SIZE * 32))


OTHER_ROOT = "its root hash is not that of the entries"
CASES: dict[Callable[[Log], Awaitable[None]], dict[str, str]] = {
    edit_leaf: {"entry 2": "its column 'object' is 'c'; its leaf says 'z'"},
    edit_leaf_and_columns: {"checkpoint 3": OTHER_ROOT, f"checkpoint {SIZE}": OTHER_ROOT},
    edit_time: {"entry 2": "its column 'time' is"},
    edit_actor: {"entry 2": "its column 'actor' is 'z'"},
    edit_action: {"entry 2": "its column 'action' is 'z'"},
    edit_object: {"entry 2": "its column 'object' is None"},
    swap_payload: {"entry 2": "the payload and its salt are not those of the entry"},
    swap_payload_and_commitment: {f"checkpoint {SIZE}": OTHER_ROOT},
    remove_salt: {"entry 2": "salt"},
    delete: {"entry 2": "it is missing"},
    delete_and_close_the_gap: {"entry 4": "it is missing"},
    insert: {f"entry {SIZE}": "no checkpoint covers it"},
    reorder: {"checkpoint 3": OTHER_ROOT, "tile tile/0/000.p/5": "differs"},
    truncate_entries: {"entry 3": "it is missing"},
    edit_checkpoint: {f"checkpoint {SIZE}": OTHER_ROOT, "checkpoint": "not signed by this key"},
    edit_older_checkpoint: {"checkpoint 3": OTHER_ROOT},
    sign_with_another_key: {"checkpoint": "not signed by this key"},
    sign_an_older_one_with_another_key: {"checkpoint 3": "no signature is by example.com/log"},
    edit_tile: {"tile tile/0/000.p/5": "it differs from the entries"},
}
"""What an adversary does → the places and words of `fsck`."""


@pytest.mark.parametrize("tampering", CASES, ids=lambda each: each.__name__)
async def test_fsck_names_the_place_and_what_differs(filled: Log, tampering):
    await tampering(filled)

    found = await filled.problems(KEY.verifier)
    for place, words in CASES[tampering].items():
        assert any(words in problem for where, problem in found if where == place), found


WRONG_TYPES = {
    "leaf": ("entry 2", "UPDATE audit_entries SET leaf = 'text' WHERE log_index = 2"),
    "time": ("entry 2", "UPDATE audit_entries SET time = 'soon' WHERE log_index = 2"),
    "payload": ("entry 2", "UPDATE audit_entries SET payload = 'text' WHERE log_index = 2"),
    "note": ("checkpoint", "UPDATE audit_checkpoints SET note = 42"),
    "hashes": ("tile", "UPDATE audit_tiles SET hashes = 'text'"),
}
"""Column → the place that fsck names, and what SQLite alone stores there."""


@pytest.mark.parametrize("column", WRONG_TYPES)
@pytest.mark.parametrize("log", ["sqlite"], indirect=True)
async def test_values_of_wrong_types_are_named(filled: Log, column: str):
    place, statement = WRONG_TYPES[column]
    await filled.tamper(statement)

    found = await filled.problems(KEY.verifier)
    assert any(where.startswith(place) and "wrong type" in said for where, said in found), found


STOPPED = {
    delete_and_close_the_gap: DamagedLogError,
    truncate_entries: DamagedLogError,
    edit_tile: DamagedLogError,
    insert: DamagedLogError,
    edit_checkpoint: ForeignLogError,
    sign_with_another_key: ForeignLogError,
}
"""What the sequencer does not sign on top of."""


@pytest.mark.parametrize("tampering", STOPPED, ids=lambda each: each.__name__)
async def test_nothing_more_is_signed(filled: Log, tampering):
    await tampering(filled)
    await filled.append("later")

    with pytest.raises(STOPPED[tampering]):
        await filled.sequencer.run_once()


@pytest.mark.parametrize("tampering", [edit_leaf, reorder, swap_payload_and_commitment])
async def test_an_exported_entry_fails_its_verification(filled: Log, tampering):
    await tampering(filled)

    raw = (await filled.service.bundle(2, KEY.verifier)).encode()
    report = verify_bundle(raw, Trust(keys=(KEY.verifier,)))
    assert report.outcome is Outcome.FAILED
    assert "the inclusion proof leads to another root hash" in str(report)


async def test_a_truncated_tail_with_its_checkpoint_is_found_by_whoever_saw_it(filled: Log):
    """Entries, tiles and the newest checkpoint are as they were: this database cannot tell."""
    seen = await filled.service.checkpoint()
    assert seen is not None
    await truncate_entries(filled)
    await filled.tamper("DELETE FROM audit_checkpoints WHERE size = 5")
    assert await filled.problems(KEY.verifier) == [
        ("audit_logs", "2 rows have indexes of no entry")
    ]
    await filled.tamper("DELETE FROM audit_logs WHERE log_index >= 3")
    assert await filled.problems(KEY.verifier) == []
    await filled.append("other", "another")
    await filled.sequencer.run_once()

    await rewritten(filled, seen.note)


async def test_a_rewritten_and_signed_log_is_found_by_whoever_saw_a_checkpoint(filled: Log):
    seen = await filled.service.checkpoint()
    assert seen is not None
    for table in ("audit_entries", "audit_tiles", "audit_checkpoints", "audit_logs"):
        await filled.tamper(f"DELETE FROM {table}")  # noqa: S608 - names of this test
    await filled.append(*"vwxyz")
    await filled.sequencer.run_once()
    assert await filled.problems(KEY.verifier) == []

    await rewritten(filled, seen.note)


async def rewritten(log: Log, seen_note: bytes) -> None:
    """Check that a checkpoint that somebody keeps shows the fork."""
    seen = SignedCheckpoint.parse(seen_note).checkpoint
    raw = (await log.service.bundle(4, KEY.verifier)).encode()
    trust = Trust(keys=(KEY.verifier,), checkpoint=seen)
    report = verify_bundle(raw, trust)
    assert report.outcome is Outcome.FAILED
    assert "fork" in str(report)


async def test_a_fork_has_no_consistency_proof(filled: Log):
    """Two logs from one beginning, both signed: no proof leads from one to the other."""
    kept = Frontier().extended([leaf_hash((await filled.service.entry(0)).leaf)])[0]
    forked = kept.extended([leaf_hash(b"other")] * (SIZE - 1))[0]
    await filled.append("f")
    await filled.sequencer.run_once()
    newest = await filled.service.checkpoint()
    assert newest is not None
    said = SignedCheckpoint.parse(newest.note).checkpoint

    proof = await filled.service.consistency(SIZE, said.size)
    with pytest.raises(VerificationFailedError, match="another old root hash"):
        verify_consistency(SIZE, forked.root(), said.size, said.root, proof.hashes)


async def test_a_hand_over_that_was_deleted_edited_or_forged_is_found(filled: Log):
    await filled.rotate(KEY, NEXT_KEY)
    sequencer = filled.sequencer_with(NEXT_KEY)
    await sequencer.run_once()
    assert await filled.problems(NEXT_KEY.verifier) == []
    (note,) = await filled.unit_of_work.read(lambda stores: stores.audit.handovers())

    forged = note.replace(b"size 5", b"size 4")
    await filled.tamper("UPDATE audit_handovers SET note = :note", note=forged)
    assert "does not hold" in dict(await filled.problems(NEXT_KEY.verifier))["handover 0"]
    await filled.append("g")
    with pytest.raises(VerificationFailedError):
        await sequencer.run_once()

    await filled.tamper("DELETE FROM audit_handovers")
    found = dict(await filled.problems(NEXT_KEY.verifier))
    assert found["handovers"] == f"that to key {NEXT_KEY.verifier.key_id.hex()} is missing"


async def test_the_former_key_signs_nothing_after_its_hand_over(filled: Log):
    """An adversary who has stolen the old key signs on: verifiers and sequencer refuse it."""
    await filled.rotate(KEY, NEXT_KEY)
    await filled.sequencer_with(NEXT_KEY).run_once()
    newest = await filled.service.checkpoint()
    assert newest is not None
    forged = SignedCheckpoint.parse(newest.note).checkpoint.signed(KEY).encode()
    await filled.tamper("UPDATE audit_checkpoints SET note = :n WHERE size = 6", n=forged)

    raw = (await filled.service.bundle(0, KEY.verifier)).encode()
    report = verify_bundle(raw, Trust(keys=(KEY.verifier,)))
    assert report.outcome is Outcome.FAILED
    assert "was replaced at size 5, and signed size 6" in str(report)
    await filled.append("g")
    with pytest.raises(ForeignLogError):
        await filled.sequencer_with(NEXT_KEY).run_once()


async def test_another_database_with_the_same_key_is_another_log_of_the_same_name(filled: Log):
    """Each agrees with itself; who keeps a checkpoint of one sees the fork in the other."""
    seen = await filled.service.checkpoint()
    assert seen is not None
    other = replace(await leaf_of(filled, 0), actor=Actor("os-user:else", "os_user"))
    leaves = [leaf_hash(other.leaf())] * SIZE
    said = SignedCheckpoint.parse(seen.note).checkpoint
    forked = Checkpoint(KEY.name, SIZE, Frontier().extended(leaves)[0].root())

    assert forked.size == said.size
    raw = (await filled.service.bundle(0, KEY.verifier)).encode()
    report = verify_bundle(raw, Trust(keys=(KEY.verifier,), checkpoint=forked))
    assert report.outcome is Outcome.FAILED
    assert "fork" in str(report)
