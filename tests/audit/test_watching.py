"""A monitor remembers only what it checked, and keeps what shows a fork."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from agentguard.audit.handovers import hand_over
from agentguard.audit.monitor import Finding
from agentguard.audit.watching import Remembered, Watcher
from tests.audit.keys import KEY, NEXT_KEY, signing_key
from tests.audit.logs import Files, Log, entry

LOG = Log.of(300)
REWRITTEN = Log([entry(0, {"changed": True}), *LOG.entries[1:]])
KEY_FILE = {"key": f"{KEY.verifier.encode()}\n".encode()}
OTHER_KEY_FILE = {"key": NEXT_KEY.verifier.encode().encode()}


@dataclass
class Kept:
    """A Memory in memory."""

    remembered: Remembered | None = None
    evidence: dict[str, bytes] = field(default_factory=dict)

    def load(self) -> Remembered | None:
        return self.remembered

    def save(self, remembered: Remembered) -> None:
        self.remembered = remembered

    def keep(self, which: str, note: bytes) -> str:
        self.evidence[which] = note
        return which


def seen(size: int) -> Kept:
    return Kept(Remembered(LOG.signed(size).note.encode(), KEY.verifier))


def test_the_first_look_without_a_key_trusts_the_one_of_the_log_and_says_so():
    kept = Kept()
    first = Watcher(Files(LOG.files(200) | KEY_FILE), kept).look()
    second = Watcher(Files(LOG.files(300) | OTHER_KEY_FILE), kept).look()

    assert (first.finding, first.on_first_use, first.key) == (
        Finding.FIRST_SEEN,
        True,
        KEY.verifier,
    )
    assert (second.finding, second.on_first_use, second.key) == (
        Finding.GROWN,
        False,
        KEY.verifier,
    )
    assert kept.remembered == Remembered(LOG.signed(300).note.encode(), KEY.verifier)


def test_a_given_key_is_not_trusted_on_first_use():
    look = Watcher(Files(LOG.files()), Kept(), (KEY.verifier,)).look()

    assert (look.finding, look.on_first_use) == (Finding.FIRST_SEEN, False)


@pytest.mark.parametrize(
    "files", [{}, {"key": b"no key"}, {"key": b"\xff"}], ids=["none", "malformed", "no text"]
)
def test_without_any_key_nothing_is_checkable(files):
    kept = Kept()
    look = Watcher(Files(LOG.files() | files), kept).look()

    assert (look.finding, look.alarm, kept.remembered) == (Finding.NOT_CHECKABLE, False, None)
    assert "give it by --key" in look.detail


@pytest.mark.parametrize(
    ("log", "size", "finding"),
    [
        (REWRITTEN, 300, Finding.FORK),
        (REWRITTEN, 200, Finding.FORK),
        (LOG, 100, Finding.ROLLBACK),
        (Log(LOG.entries, NEXT_KEY), 300, Finding.FOREIGN),
        (Log(LOG.entries, signing_key("first", "other.example/log")), 300, Finding.FOREIGN),
    ],
    ids=["rewritten", "same size", "replayed", "another key", "another log"],
)
def test_an_alarm_keeps_both_checkpoints_and_what_was_remembered(log, size, finding):
    kept = seen(200)
    before = kept.remembered
    look = Watcher(Files(log.files(size)), kept).look()
    again = Watcher(Files(log.files(size)), kept).look()

    assert (look.finding, look.alarm, look.evidence) == (finding, True, ("seen", "shown"))
    assert kept.remembered == before
    assert kept.evidence == {
        "seen": LOG.signed(200).note.encode(),
        "shown": log.signed(size).note.encode(),
    }
    assert again == look


def test_a_broken_first_look_is_not_remembered():
    files = LOG.files() | {"tile/0/001.p/44": bytes(44 * 32)}
    kept = Kept()
    look = Watcher(Files(files), kept, (KEY.verifier,)).look()

    assert (look.finding, look.evidence, kept.remembered) == (Finding.BROKEN, ("shown",), None)


def test_a_new_key_needs_its_hand_over_once():
    files = Log(LOG.entries, NEXT_KEY).files()
    note = hand_over(KEY, NEXT_KEY, size=200).encode()
    kept = seen(200)

    assert Watcher(Files(files), kept).look().finding is Finding.FOREIGN
    assert Watcher(Files(files), kept, handovers=(note,)).look().finding is Finding.GROWN
    assert kept.remembered == Remembered(files["checkpoint"], NEXT_KEY.verifier, (note,))
    assert Watcher(Files(files), kept).look().finding is Finding.UNCHANGED
    assert Watcher(Files(LOG.files()), kept).look().finding is Finding.FOREIGN


HANDOVER = hand_over(KEY, NEXT_KEY, size=200).encode()
ROTATED = Log(LOG.entries, NEXT_KEY).files() | {"handover/0": HANDOVER}


def test_a_new_key_is_followed_by_the_hand_over_that_the_log_publishes():
    kept = seen(200)

    look = Watcher(Files(ROTATED), kept, (KEY.verifier,)).look()

    assert (look.finding, look.key) == (Finding.GROWN, NEXT_KEY.verifier)
    assert kept.remembered == Remembered(ROTATED["checkpoint"], NEXT_KEY.verifier, (HANDOVER,))


def test_a_key_that_was_replaced_is_not_believed_again_once_its_hand_over_is_gone():
    longer = Log.of(301)
    kept = seen(200)
    Watcher(Files(ROTATED), kept, (KEY.verifier,)).look()

    look = Watcher(Files(longer.files()), kept, (KEY.verifier,)).look()

    assert look.finding is Finding.FOREIGN
    assert "was replaced at size 200" in look.detail


@pytest.mark.parametrize(
    "published",
    [
        hand_over(NEXT_KEY, signing_key("third"), size=200).encode(),
        HANDOVER.replace(b"size 200", b"size 100"),
        b"no note",
    ],
    ids=["of others", "edited", "malformed"],
)
def test_a_published_hand_over_that_does_not_hold_leads_nowhere(published):
    files = ROTATED | {"handover/0": published}
    kept = seen(200)

    assert Watcher(Files(files), kept, (KEY.verifier,)).look().finding is Finding.FOREIGN
    assert kept.remembered == seen(200).remembered
