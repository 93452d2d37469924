"""Signed notes, their keys, checkpoints and handovers."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentguard.audit.checkpoints import Checkpoint, SignedCheckpoint
from agentguard.audit.errors import AuditFormatError, VerificationFailedError
from agentguard.audit.handovers import Handover, KeyChain, hand_over
from agentguard.audit.keys import SignatureType, SigningKey, VerifierKey, ed25519_holds
from agentguard.audit.merkle import EMPTY_ROOT, leaf_hash
from agentguard.audit.notes import Note
from tests.audit.keys import KEY, NEXT_KEY, ORIGIN, WITNESS, signing_key
from tests.audit.vectors import document, lines

NOTES = document("signed_notes.json")
ROOT = leaf_hash(b"")


def verifies(raw: bytes, key: VerifierKey) -> bool:
    try:
        Note.parse(raw).verify([key])
    except (AuditFormatError, VerificationFailedError):
        return False
    return True


@pytest.mark.parametrize("case", NOTES["notes"], ids=lambda case: case["name"])
def test_notes_of_the_specification_and_their_variants(case):
    key = VerifierKey.parse(case["vkey"])

    assert verifies(case["note"].encode(), key) is case["valid"]
    assert key.encode() == case["vkey"]


def test_signatures_of_wycheproof():
    cases = lines("ed25519_wycheproof.jsonl")

    wrong = [
        case["tcId"]
        for case in cases
        if ed25519_holds(*(bytes.fromhex(case[name]) for name in ("publicKey", "msg", "sig")))
        != (case["result"] == "valid")
    ]

    assert wrong == []
    assert len(cases) == 151
    assert sum(case["result"] == "valid" for case in cases) == 88


def test_the_checkpoint_of_the_specification():
    raw = NOTES["checkpoint_example"]["note"].encode()

    signed = SignedCheckpoint.parse(raw)

    assert signed.checkpoint.origin == "example.com/behind-the-sofa"
    assert signed.checkpoint.size == 20852163
    assert signed.note.encode() == raw
    assert Checkpoint.parse(signed.checkpoint.text()) == signed.checkpoint


def test_the_cosignature_of_the_specification_is_ignored_by_who_does_not_know_it():
    cosigned = NOTES["checkpoint_example"]["note"] + (
        "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJs"
        "X3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
    )
    note = Note.parse(cosigned.encode())

    assert [line.name for line in note.signatures][1:] == ["witness.example.com/w1"]
    assert note.known_signatures([KEY.verifier]) == ()


def test_signed_notes_read_back_and_verify():
    note = Note("a\n\nb\n").signed(KEY).signed(NEXT_KEY)

    again = Note.parse(note.encode())

    assert again == note
    assert [s.key for s in again.verify([NEXT_KEY.verifier, KEY.verifier])] == [
        KEY.verifier,
        NEXT_KEY.verifier,
    ]


def test_a_witness_signs_the_time_too():
    note = Note("text\n").signed(KEY).signed(WITNESS, time_seconds=1_700_000_000)

    (known,) = Note.parse(note.encode()).verify([WITNESS.verifier])

    assert (known.key, known.time_seconds) == (WITNESS.verifier, 1_700_000_000)


@pytest.mark.parametrize("at", [0, 7, 8, 71])
def test_an_altered_cosignature_is_refused(at):
    line = Note("text\n").signed(WITNESS, time_seconds=5).signatures[0]
    raw = line.key_id + line.signature
    altered = raw[: at + 4] + bytes([raw[at + 4] ^ 1]) + raw[at + 5 :]
    text = f"text\n\n— {line.name} {b64encode(altered).decode()}\n"

    with pytest.raises(VerificationFailedError, match="does not hold"):
        Note.parse(text.encode()).verify([WITNESS.verifier])


def test_the_time_of_a_cosignature_has_63_bits():
    latest = Note("text\n").signed(WITNESS, time_seconds=2**63 - 1)
    later = Note("text\n").signed(WITNESS, time_seconds=2**63)

    assert latest.verify([WITNESS.verifier])
    with pytest.raises(VerificationFailedError, match="does not hold"):
        later.verify([WITNESS.verifier])


@pytest.mark.parametrize("character", ["\t", "\r", "\0", "\x1f"])
def test_a_note_has_no_control_characters(character):
    with pytest.raises(AuditFormatError, match="control characters"):
        Note.parse(Note(f"a{character}b\n").signed(KEY).encode())


def test_base64_has_one_spelling():
    raw = NOTES["notes"][0]["note"]
    assert raw.endswith("QM=\n")

    with pytest.raises(AuditFormatError, match="canonical base64"):
        Note.parse(raw.replace("QM=", "QN=").encode())


def test_a_note_has_at_most_a_mebibyte_and_100_signatures():
    line = "— n " + b64encode(bytes(8)).decode() + "\n"

    assert len(Note.parse(("a\n\n" + line * 100).encode()).signatures) == 100
    with pytest.raises(AuditFormatError, match="more than 100 signatures"):
        Note.parse(("a\n\n" + line * 101).encode())
    with pytest.raises(AuditFormatError, match="bytes, allowed 1048576"):
        Note.parse(("a" * (1 << 20) + "\n\n" + line).encode())


def test_a_cosignature_is_no_signature_of_the_log():
    same_key = SigningKey(KEY.name, KEY.seed, SignatureType.COSIGNATURE)
    note = Note("text\n").signed(same_key, time_seconds=5)

    with pytest.raises(VerificationFailedError, match="no signature is by"):
        note.verify([KEY.verifier])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a+b",
        "a+00000000+",
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3Q==",
        "exa mple+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    ],
)
def test_no_other_text_is_a_verifier_key(text):
    with pytest.raises(AuditFormatError):
        VerifierKey.parse(text)


@given(st.text(max_size=80) | st.from_regex(r"[a\n ]\+[0-9a-f]{8}\+[AB/+=]{0,48}"))
def test_a_key_string_raises_one_error_only(text):
    for parse in (VerifierKey.parse, SigningKey.parse):
        with pytest.raises(AuditFormatError):
            parse(text)


def test_a_signing_key_reads_back_and_is_not_shown():
    text = KEY.encode()

    assert SigningKey.parse(text + "\n") == KEY
    assert text.startswith(f"PRIVATE+KEY+{ORIGIN}+")
    assert repr(KEY.seed) not in repr(KEY)
    with pytest.raises(AuditFormatError) as refused:
        SigningKey.parse(text.replace("+KEY+", "+KEY+x"))
    assert text[-44:] not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "raw"), [("", bytes(32)), ("a b", bytes(32)), ("a", bytes(31)), ("a", b"")]
)
def test_a_key_has_a_name_without_spaces_and_32_bytes(name, raw):
    for key in (SigningKey, VerifierKey):
        with pytest.raises(AuditFormatError, match="key is malformed"):
            key(name, raw)


NOTE = Note("origin\n3\n" + b64encode(ROOT).decode() + "\n").signed(KEY).encode()


@given(st.binary(max_size=200))
@example(b"a\n\n\xe2\x80\x94 n AAAA\n")
@example(b"a\n\n\xe2\x80\x94 n \n")
@example(b"\n\n")
@example(b"a\n\n" + b"\xe2\x80\x94 n AAAAAAA=\n" * 101)
@example(b"a" * ((1 << 20) + 1))
def test_bytes_that_are_no_note_raise_one_error_only(raw):
    for parse in (Note.parse, SignedCheckpoint.parse, Handover.parse):
        with pytest.raises(AuditFormatError):
            parse(raw)


@given(st.integers(0, len(NOTE) - 1), st.binary(max_size=3))
def test_an_altered_note_is_refused(at, replacement):
    altered = NOTE[:at] + replacement + NOTE[at + 1 :]

    assert altered == NOTE or not verifies(altered, KEY.verifier)


@given(
    st.sampled_from(["log", "a b"]),
    st.integers(0, (1 << 63) - 1),
    st.lists(st.sampled_from(["extension", "—"]), max_size=3),
)
def test_checkpoints_read_back(origin, size, extensions):
    root = ROOT if size else EMPTY_ROOT
    checkpoint = Checkpoint(origin, size, root, tuple(extensions))

    assert Checkpoint.parse(checkpoint.text()) == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "origin\n1\n",
        "origin\n01\n" + b64encode(ROOT).decode() + "\n",
        "origin\n-1\n" + b64encode(ROOT).decode() + "\n",
        "origin\n٣\n" + b64encode(ROOT).decode() + "\n",
        "origin\n9223372036854775808\n" + b64encode(ROOT).decode() + "\n",
        "origin\n0\n" + b64encode(ROOT).decode() + "\n",
        "origin\n1\n" + b64encode(ROOT).decode(),
        "origin\n1\n" + b64encode(ROOT).decode()[:-1] + "\n",
        "origin\n1\n" + b64encode(ROOT[1:]).decode() + "\n",
        "origin\n1\n" + b64encode(ROOT).decode() + "\n\nextension\n",
        "\n1\n" + b64encode(ROOT).decode() + "\n",
    ],
)
def test_no_other_text_is_a_checkpoint(text):
    with pytest.raises(AuditFormatError):
        Checkpoint.parse(text)


def signed(size: int, key: SigningKey) -> SignedCheckpoint:
    note = Checkpoint(ORIGIN, size, ROOT).signed(key)
    return SignedCheckpoint.parse(note.encode())


def test_a_checkpoint_is_signed_under_the_name_of_its_log():
    other = signing_key("first", "other.example/log")

    (known,) = signed(3, KEY).verify([KEY.verifier])

    assert known.key == KEY.verifier
    with pytest.raises(VerificationFailedError, match="the key to 'other"):
        signed(3, other).verify([other.verifier])
    with pytest.raises(VerificationFailedError, match="no signature is by"):
        signed(3, KEY).verify([NEXT_KEY.verifier])
    with pytest.raises(VerificationFailedError, match="no signature is by a known key"):
        signed(3, KEY).verify([])


def test_a_hand_over_leads_from_either_key_to_the_other():
    note = hand_over(KEY, NEXT_KEY, size=10).encode()

    for trusted in (KEY, NEXT_KEY):
        chain = KeyChain.follow([trusted.verifier], [note])

        assert chain.verify(signed(10, KEY))[0].key == KEY.verifier
        assert chain.verify(signed(11, NEXT_KEY))[0].key == NEXT_KEY.verifier
        with pytest.raises(VerificationFailedError, match="was replaced at size 10, and signed"):
            chain.verify(signed(11, KEY))


def test_without_the_hand_over_the_new_key_is_unknown():
    with pytest.raises(VerificationFailedError, match="no signature is by"):
        KeyChain.follow([KEY.verifier]).verify(signed(11, NEXT_KEY))


def test_keys_change_more_than_once():
    third = signing_key("third")
    notes = [hand_over(NEXT_KEY, third, size=20), hand_over(KEY, NEXT_KEY, size=10)]

    chain = KeyChain.follow([KEY.verifier], [note.encode() for note in notes])

    assert chain.verify(signed(21, third))
    with pytest.raises(VerificationFailedError, match="was replaced at size 20"):
        chain.verify(signed(21, NEXT_KEY))


@pytest.mark.parametrize("missing", [0, 1])
def test_a_hand_over_needs_both_signatures(missing):
    note = hand_over(KEY, NEXT_KEY, size=10)
    kept = note.signatures[1 - missing]

    with pytest.raises(VerificationFailedError, match="no signature is by"):
        Handover.parse(Note(note.text, (kept,)).encode())


def test_one_key_hands_over_once():
    notes = [hand_over(KEY, other, size=10) for other in (NEXT_KEY, signing_key("thief"))]

    with pytest.raises(VerificationFailedError, match="two handovers lead from key"):
        KeyChain.follow([KEY.verifier], [note.encode() for note in notes])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (KEY, KEY),
        (KEY, signing_key("second", "other.example/log")),
        (signing_key("first", "other.example/log"), NEXT_KEY),
    ],
)
def test_a_hand_over_is_between_two_keys_of_one_log(old, new):
    with pytest.raises(AuditFormatError, match="between two keys"):
        Handover.parse(hand_over(old, new, size=1).encode())


@pytest.mark.parametrize(
    ("written", "otherwise"),
    [("old ", "old  "), ("new ", "now "), ("size 7", "size  7"), ("size", "Size")],
)
def test_a_hand_over_has_one_spelling(written, otherwise):
    text = hand_over(KEY, NEXT_KEY, size=7).text.replace(written, otherwise)

    with pytest.raises(AuditFormatError):
        Handover.parse(Note(text).signed(KEY).signed(NEXT_KEY).encode())


def test_a_hand_over_is_no_checkpoint():
    with pytest.raises(AuditFormatError):
        SignedCheckpoint.parse(hand_over(KEY, NEXT_KEY, size=1).encode())
