"""Whoever keeps watching a log sees that it was rewritten."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentguard.audit.errors import AuditFormatError
from agentguard.audit.handovers import KeyChain, hand_over
from agentguard.audit.monitor import ALARMS, Finding, observe
from agentguard.kernel.errors import UnavailableError
from tests.audit.keys import KEY, NEXT_KEY, signing_key
from tests.audit.logs import Files, Log, entry

KEYS = KeyChain.follow([KEY.verifier])
LOG = Log.of(300)


def rewritten(at: int, size: int = 300) -> Log:
    entries = list(LOG.entries[:size])
    entries[at] = entry(at, {"changed": True})
    return Log(entries)


def seen(size: int) -> bytes:
    return LOG.signed(size).note.encode()


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 300])
def test_the_first_look_checks_tiles_and_remembers(size):
    observation = observe(Files(LOG.files(size)), KEYS, None)

    assert observation.finding is Finding.FIRST_SEEN
    assert observation.remembered == observation.note == seen(size)


@settings(max_examples=25)
@given(st.integers(0, 300), st.integers(0, 300))
def test_growth_is_checked(old, size):
    old, size = min(old, size), max(old, size)
    source = Files(LOG.files(size))

    observation = observe(source, KEYS, seen(old))

    assert observation.finding is (Finding.UNCHANGED if old == size else Finding.GROWN)
    assert observation.remembered == seen(size)
    assert len(source.reads) <= 5


@pytest.mark.parametrize(
    ("log", "size", "finding", "words"),
    [
        (LOG, 100, Finding.ROLLBACK, "rollback: the log has 100 entries and had 200"),
        (rewritten(5), 200, Finding.FORK, "fork: two signed checkpoints of size 200"),
        (rewritten(5), 300, Finding.FORK, "of 300 entries does not extend the log of 200"),
        (rewritten(199), 201, Finding.FORK, "does not extend"),
        (
            Log([*LOG.entries[:50], *LOG.entries[51:]]),
            250,
            Finding.FORK,
            "does not extend the log of 200",
        ),
        (
            Log([LOG.entries[1], LOG.entries[0], *LOG.entries[2:]]),
            300,
            Finding.FORK,
            "does not extend the log of 200",
        ),
        (Log(LOG.entries, NEXT_KEY), 300, Finding.FOREIGN, "no signature is by"),
        (
            Log(LOG.entries, signing_key("first", "other.example/log")),
            300,
            Finding.FOREIGN,
            "belongs to the log 'other.example/log'",
        ),
    ],
    ids=["truncated", "edited", "edited, grown", "last", "deleted", "moved", "key", "log"],
)
def test_a_log_that_is_not_what_it_was_is_an_alarm(log, size, finding, words):
    observation = observe(Files(log.files(size)), KEYS, seen(200))

    assert observation.finding is finding
    assert words in observation.detail
    assert observation.finding in ALARMS
    assert observation.remembered == seen(200)
    assert observation.note == log.files(size)["checkpoint"]


def test_a_change_after_what_was_seen_is_no_fork():
    assert observe(Files(rewritten(200).files(300)), KEYS, seen(200)).finding is Finding.GROWN


@pytest.mark.parametrize("remembered", [None, seen(200), seen(0)])
def test_tiles_that_are_not_those_of_the_checkpoint_are_an_alarm(remembered):
    files = rewritten(299).files() | {"checkpoint": seen(300)}

    observation = observe(Files(files), KEYS, remembered)

    assert observation.finding is Finding.BROKEN
    assert observation.finding in ALARMS
    assert "the tiles do not have the root hash" in observation.detail
    assert observation.remembered == remembered


def test_a_tile_that_was_changed_under_the_same_checkpoint_is_found():
    files = Log.of(2_000).files()  # eight tiles of leaves, the last one partial
    known, tile = files["checkpoint"], files["tile/0/003"]
    changed = files | {"tile/0/003": tile[:-1] + bytes([tile[-1] ^ 1])}

    looks = [observe(Files(changed), KEYS, known, Random(seed)).finding for seed in range(40)]
    whole = [observe(Files(files), KEYS, known, Random(seed)).finding for seed in range(5)]

    assert set(looks) == {Finding.UNCHANGED, Finding.BROKEN}
    # Half of the eight tiles at every look: chance, not the seeds, decides how often it is found.
    assert 10 <= looks.count(Finding.BROKEN) <= 30
    assert set(whole) == {Finding.UNCHANGED}


@pytest.mark.parametrize("remembered", [None, seen(200), seen(300)], ids=["new", "grown", "same"])
def test_a_small_log_is_checked_whole_at_every_look(remembered):
    files = LOG.files()
    files["tile/0/000"] = bytes(32) + files["tile/0/000"][32:]

    observation = observe(Files(files), KEYS, remembered, Random(1))

    # Where the log has grown, the proof that it extends what was seen fails first.
    assert observation.finding is (Finding.FORK if remembered == seen(200) else Finding.BROKEN)


def test_the_right_edge_is_checked_under_the_same_checkpoint():
    files = LOG.files() | {"tile/0/001.p/44": bytes(44 * 32)}

    assert observe(Files(files), KEYS, seen(300)).finding is Finding.BROKEN


def test_another_log_of_the_same_key_owner_is_foreign():
    other = Log(LOG.entries, signing_key("first", "other.example/log"))
    keys = KeyChain.follow([other.key.verifier])

    observation = observe(Files(other.files()), keys, seen(200))

    assert observation.finding is Finding.FOREIGN
    assert "is of 'other.example/log', not of" in observation.detail


def test_a_log_may_change_its_key_by_a_hand_over():
    note = hand_over(KEY, NEXT_KEY, size=200).encode()
    keys = KeyChain.follow([KEY.verifier], [note])

    assert observe(Files(Log(LOG.entries, NEXT_KEY).files()), keys, seen(200)).finding is (
        Finding.GROWN
    )
    assert observe(Files(LOG.files()), keys, seen(200)).finding is Finding.FOREIGN


def test_a_partial_tile_may_be_gone_once_the_full_one_is_there():
    files = LOG.files(250)
    del files["tile/0/000.p/250"]
    files["tile/0/000"] = LOG.files(300)["tile/0/000"]

    assert observe(Files(files), KEYS, seen(200)).finding is Finding.GROWN


class Unreachable:
    def read(self, path: str) -> bytes:
        raise UnavailableError(f"cannot read {path}")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (Files({}), "checkpoint"),
        (Files({"checkpoint": b"<html>"}), "malformed"),
        (Files({"checkpoint": seen(300)}), "no 'tile/0/000'"),
        (Files({**LOG.files(), "tile/0/001.p/44": b"short"}), "has 5 bytes, not 1408"),
        (Unreachable(), "cannot read checkpoint"),
    ],
    ids=["no checkpoint", "no note", "no tile", "short tile", "unreachable"],
)
def test_what_cannot_be_read_is_no_alarm_and_no_pass(source, words):
    observation = observe(source, KEYS, seen(200))

    assert observation.finding is Finding.NOT_CHECKABLE
    assert words in observation.detail
    assert observation.remembered == seen(200)


@given(st.binary(max_size=100), st.booleans())
def test_no_bytes_of_a_log_break_the_monitor(raw, tile):
    files = LOG.files(1) | {"tile/0/000.p/1" if tile else "checkpoint": raw}

    wrong = Finding.BROKEN if tile and len(raw) == 32 else Finding.NOT_CHECKABLE
    assert observe(Files(files), KEYS, None).finding is wrong


def test_a_damaged_memory_is_said():
    with pytest.raises(AuditFormatError):
        observe(Files(LOG.files()), KEYS, b"damaged")
