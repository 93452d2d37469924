"""Bundles with something wrong, and what a verifier must say of each."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agentguard.audit.bundles import Bundle, DisclosedPayload
from agentguard.audit.canonical import canonical_json
from agentguard.audit.entries import Entry
from agentguard.audit.handovers import hand_over
from agentguard.audit.merkle import Digest
from agentguard.audit.notes import Note
from agentguard.audit.verification import CheckName, Outcome, Trust
from tests.audit.keys import KEY, NEXT_KEY, WITNESS, signing_key
from tests.audit.logs import Log, entry, receipt

LOG = Log.of(13)
INDEX, SIZE = 5, 11
GOOD = LOG.bundle(INDEX, SIZE)
RECEIPT = receipt(GOOD.signed)
ANCHORED = replace(GOOD, receipt=RECEIPT)
REWRITTEN = Log([*LOG.entries[:INDEX], entry(INDEX, {"spans": 0}), *LOG.entries[INDEX + 1 :]])
OTHER_LOG = Log(LOG.entries, signing_key("first", "other.example/log"))
TRUSTED_KEY = Trust(keys=(KEY.verifier,))
TRUSTED_CHECKPOINT = Trust(checkpoint=LOG.signed(SIZE).checkpoint)
HANDOVER = hand_over(KEY, NEXT_KEY, size=SIZE - 1).encode()


@dataclass(frozen=True)
class Case:
    """A bundle's bytes, what is trusted, and the checks that do not end as usual."""

    name: str
    raw: bytes
    failed: Mapping[CheckName, str] = field(default_factory=dict)
    """Words of each failure; no other check may fail."""
    trust: Trust = TRUSTED_KEY
    outcome: Outcome = Outcome.FAILED


def altered(change: Callable[[dict[str, Any]], object], bundle: Bundle = GOOD) -> bytes:
    """Return a bundle with changed extra data, in canonical form again."""
    lines = bundle.encode().decode().split("\n")
    extra = json.loads(b64decode(lines[1].removeprefix("extra ")))
    change(extra)
    lines[1] = f"extra {b64encode(canonical_json(extra)).decode()}"
    return "\n".join(lines).encode()


def member(name: str, value: object, bundle: Bundle = GOOD) -> bytes:
    return altered(lambda extra: extra.update({name: value}), bundle)


def edited_leaf(**changes: Any) -> bytes:
    return replace(Entry.parse(GOOD.leaf), **changes).leaf()


def payload_of(index: int) -> DisclosedPayload:
    return DisclosedPayload(LOG.entries[index].payload, LOG.entries[index].salt)


def flipped(value: bytes) -> Digest:
    return Digest(bytes([value[0] ^ 1]) + value[1:])


def replaced(old: str, new: str, bundle: Bundle = GOOD) -> bytes:
    text = bundle.encode().decode()
    assert old in text
    return text.replace(old, new, 1).encode()


def unsigned() -> bytes:
    """The checkpoint of GOOD with another root under the old signature."""
    note = REWRITTEN.signed(SIZE).note
    signed = replace(REWRITTEN.signed(SIZE), note=Note(note.text, GOOD.signed.note.signatures))
    return REWRITTEN.bundle(INDEX, signed=signed).encode()


def unused_bits() -> bytes:
    """A proof whose first hash is written with other unused bits: the same bytes."""
    line = b64encode(GOOD.proof[0]).decode()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = alphabet[alphabet.index(line[-2]) + 1]
    assert b64decode(line[:-2] + other + "=") == GOOD.proof[0]
    return replaced(line, line[:-2] + other + "=")


ENTRY, PAYLOAD, INCLUSION = CheckName.ENTRY, CheckName.PAYLOAD, CheckName.INCLUSION
SIGNATURE, CHECKPOINT, ANCHOR = CheckName.SIGNATURE, CheckName.CHECKPOINT, CheckName.ANCHOR
FORMAT = CheckName.FORMAT
OTHER_ROOT = {INCLUSION: "the inclusion proof leads to another root hash"}
FINE: dict[CheckName, str] = {}
VERIFIED, NOT_CHECKABLE = Outcome.VERIFIED, Outcome.NOT_CHECKABLE

CASES = [
    Case("good, trusted key", GOOD.encode(), FINE, outcome=VERIFIED),
    Case("good, trusted checkpoint", GOOD.encode(), FINE, TRUSTED_CHECKPOINT, VERIFIED),
    Case("good, nothing trusted", GOOD.encode(), FINE, Trust(), NOT_CHECKABLE),
    Case("no key at all", replace(GOOD, key=None).encode(), FINE, Trust(), NOT_CHECKABLE),
    Case("payload removed", replace(GOOD, payload=None).encode(), FINE, outcome=VERIFIED),
    Case("one entry", Log.of(1).bundle(0).encode(), FINE, outcome=VERIFIED),
    Case("last entry", LOG.bundle(12).encode(), FINE, outcome=VERIFIED),
    Case("anchored", ANCHORED.encode(), FINE, outcome=VERIFIED),
    Case(
        "action edited", replace(GOOD, leaf=edited_leaf(action="nothing.done")).encode(), OTHER_ROOT
    ),
    Case("time edited", replace(GOOD, leaf=edited_leaf(time_ns=1)).encode(), OTHER_ROOT),
    Case(
        "leaf in another spelling",
        replace(GOOD, leaf=GOOD.leaf.replace(b",", b", ", 1)).encode(),
        {ENTRY: "canonical form", **OTHER_ROOT},
    ),
    Case(
        "leaf of an unknown schema",
        replace(GOOD, leaf=GOOD.leaf.replace(b'"schema":1', b'"schema":2')).encode(),
        {ENTRY: "its schema is not 1", **OTHER_ROOT},
    ),
    Case(
        "another leaf",
        replace(GOOD, leaf=LOG.entries[6].leaf).encode(),
        {PAYLOAD: "not those of the entry", **OTHER_ROOT},
    ),
    Case(
        "payload swapped",
        replace(GOOD, payload=payload_of(6)).encode(),
        {PAYLOAD: "the payload and its salt are not those of the entry"},
    ),
    Case(
        "payload edited",
        member("payload", '{"note":"π ≠ 3","spans":6}'),
        {PAYLOAD: "not those of the entry"},
    ),
    Case("salt edited", member("salt", "00" * 32), {PAYLOAD: "not those of the entry"}),
    Case("salt missing", member("salt", None), {FORMAT: "a payload without salt"}),
    Case("index edited", replace(GOOD, index=4).encode(), OTHER_ROOT),
    Case(
        "index past the end",
        replace(GOOD, index=SIZE).encode(),
        {INCLUSION: f"a tree of {SIZE} leaves has no leaf {SIZE}"},
    ),
    Case(
        "proof cut",
        replace(GOOD, proof=GOOD.proof[:-1]).encode(),
        {INCLUSION: "the proof has 3 hashes, not 4"},
    ),
    Case(
        "proof longer",
        replace(GOOD, proof=(*GOOD.proof, GOOD.proof[0])).encode(),
        {INCLUSION: "the proof has 5 hashes, not 4"},
    ),
    Case(
        "proof edited",
        replace(GOOD, proof=(flipped(GOOD.proof[0]), *GOOD.proof[1:])).encode(),
        OTHER_ROOT,
    ),
    Case("proof reordered", replace(GOOD, proof=GOOD.proof[::-1]).encode(), OTHER_ROOT),
    Case(
        "another checkpoint of the log", replace(GOOD, signed=LOG.signed(12)).encode(), OTHER_ROOT
    ),
    Case("log rewritten, not signed", unsigned(), {SIGNATURE: "does not hold"}),
    Case(
        "log rewritten and signed by another key",
        Log(REWRITTEN.entries, NEXT_KEY).bundle(INDEX, SIZE).encode(),
        {SIGNATURE: "no signature is by"},
    ),
    Case(
        "log rewritten and signed by its key: only a trusted checkpoint tells",
        REWRITTEN.bundle(INDEX, SIZE).encode(),
        {CHECKPOINT: f"fork: the trusted checkpoint has another root hash at size {SIZE}"},
        TRUSTED_CHECKPOINT,
    ),
    Case(
        "log of another origin",
        OTHER_LOG.bundle(INDEX, SIZE).encode(),
        {CHECKPOINT: "belongs to the log 'other.example/log'"},
        TRUSTED_CHECKPOINT,
    ),
    Case(
        "signed under another name",
        OTHER_LOG.bundle(INDEX, SIZE).encode(),
        {SIGNATURE: "the checkpoint belongs to the log 'other.example/log'"},
    ),
    Case(
        "key inside is not the signer's",
        replace(GOOD, key=NEXT_KEY.verifier).encode(),
        {SIGNATURE: "no signature is by"},
        Trust(),
    ),
    Case(
        "trusted checkpoint of another size",
        GOOD.encode(),
        FINE,
        Trust(checkpoint=LOG.signed(13).checkpoint),
        NOT_CHECKABLE,
    ),
    Case(
        "trusted key, and a trusted checkpoint of another size",
        GOOD.encode(),
        FINE,
        Trust(keys=(KEY.verifier,), checkpoint=LOG.signed(13).checkpoint),
        NOT_CHECKABLE,
    ),
    Case(
        "key rotated, with its handover",
        Log(LOG.entries, NEXT_KEY).bundle(INDEX, SIZE, handovers=(HANDOVER,)).encode(),
        FINE,
        outcome=VERIFIED,
    ),
    Case(
        "key rotated, without handover",
        Log(LOG.entries, NEXT_KEY).bundle(INDEX, SIZE).encode(),
        {SIGNATURE: "no signature is by"},
    ),
    Case(
        "signed by the key that was replaced",
        LOG.bundle(INDEX, SIZE, handovers=(HANDOVER,)).encode(),
        {SIGNATURE: f"was replaced at size {SIZE - 1}, and signed size {SIZE}"},
    ),
    Case(
        "handover signed by the new key only",
        Log(LOG.entries, NEXT_KEY)
        .bundle(
            INDEX,
            SIZE,
            handovers=(
                Note(Note.parse(HANDOVER).text, Note.parse(HANDOVER).signatures[1:]).encode(),
            ),
        )
        .encode(),
        {SIGNATURE: "no signature is by"},
    ),
    Case(
        "two handovers from one key",
        LOG.bundle(
            INDEX, SIZE, handovers=(HANDOVER, hand_over(KEY, signing_key("x"), size=99).encode())
        ).encode(),
        {SIGNATURE: "two handovers"},
    ),
    Case("handover malformed", member("handovers", ["x\n"]), {SIGNATURE: "malformed"}),
    Case(
        "receipt of another size",
        replace(GOOD, receipt=receipt(LOG.signed(12))).encode(),
        {ANCHOR: "the anchor receipt is for another size"},
    ),
    Case(
        "receipt of another root",
        replace(GOOD, receipt=receipt(REWRITTEN.signed(SIZE))).encode(),
        {ANCHOR: "the anchor receipt is for another root hash"},
    ),
    Case(
        "receipt of another log",
        replace(GOOD, receipt=receipt(OTHER_LOG.signed(SIZE))).encode(),
        {ANCHOR: "the anchor receipt is for another log"},
    ),
    Case(
        "block after the year 9999",
        member("receipt", {**RECEIPT.document(), "block_time": "253402300800"}),
        {FORMAT: "block_time is after the year 9999"},
    ),
    Case("receipt malformed", member("receipt", {}), {FORMAT: "anchor receipt"}),
    Case("no extra data", replaced("extra ", "extro "), {FORMAT: "malformed"}),
    Case("header of another version", replaced("@v1", "@v2"), {FORMAT: "malformed"}),
    Case("key with spaces", member("key", f" {KEY.verifier.encode()}"), {FORMAT: "key"}),
    Case("key of a witness", member("key", WITNESS.verifier.encode()), {FORMAT: "key"}),
    Case("unused bits in base64", unused_bits(), {FORMAT: "canonical base64"}),
    Case("index with a zero before it", replaced("index 5", "index 05"), {FORMAT: "decimal"}),
    Case("size with a plus", replaced("\n11\n", "\n+11\n"), {FORMAT: "decimal"}),
    Case("size of an empty log", replaced("\n11\n", "\n0\n"), {FORMAT: "an empty tree"}),
    Case("member more", member("more", 1), {FORMAT: "its extra data are not"}),
    Case("schema of a later version", member("schema", 2), {FORMAT: "its schema is not 1"}),
    Case("cut in the middle", GOOD.encode()[:-40], {FORMAT: "malformed"}),
    Case("empty", b"", {FORMAT: "malformed"}),
    Case("not UTF-8", b"\xff" + GOOD.encode(), {FORMAT: "not UTF-8"}),
    Case("carriage returns", GOOD.encode().replace(b"\n", b"\r\n"), {FORMAT: "control"}),
]
