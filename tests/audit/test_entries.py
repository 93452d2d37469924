"""Canonical JSON, and entries made of it."""

from __future__ import annotations

import csv
import gzip
import io
import json
import struct
from base64 import b64decode
from collections.abc import Iterator
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.audit.canonical import canonical_json, parse_canonical_json, parse_json
from agentguard.audit.entries import ENTRY_LIMIT_BYTES, Actor, Entry, Event, seal
from agentguard.audit.errors import (
    AuditFormatError,
    EntryTooLargeError,
    UnrepresentableError,
    VerificationFailedError,
)
from agentguard.audit.merkle import leaf_hash
from tests.audit.vectors import FOLDER, document

JCS = document("jcs.json")
NUMBERS = document("es6_numbers.json")
SALT = bytes(range(32))
ACTOR = Actor("api-key:bootstrap", "api_key")

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("case", JCS["vectors"], ids=lambda case: case["name"])
def test_canonical_json_of_the_vectors(case):
    canonical = canonical_json(parse_json(b64decode(case["input"]), "test"))

    assert canonical == b64decode(case["output"])
    assert canonical_json(parse_canonical_json(canonical, "test")) == canonical


@pytest.mark.parametrize("case", JCS["must_refuse"], ids=lambda case: case["name"])
def test_what_has_no_canonical_form_is_refused(case):
    with pytest.raises(AuditFormatError):
        parse_json(b64decode(case["input"]), "test")


def test_ten_thousand_doubles_have_the_text_of_ecmascript():
    text = gzip.decompress((FOLDER / "es6_numbers_10000.csv.gz").read_bytes()).decode()
    rows = list(csv.reader(io.StringIO(text)))

    wrong = [(bits, number) for bits, number in rows if canonical(int(bits, 16)) != number]

    assert wrong == []
    assert len(rows) == 10_000


def canonical(bits: int) -> str:
    (value,) = struct.unpack(">d", bits.to_bytes(8, "big"))
    return canonical_json(value).decode()


def generated() -> Iterator[int]:
    """The doubles after the fixed ones, from the chain of hashes that the vectors describe."""
    block = bytes(32)
    while True:
        block = sha256(block).digest()
        for (bits,) in struct.iter_unpack("<Q", block):
            if bits << 1 & (2**64 - 1) and bits >> 52 & 0x7FF != 0x7FF:
                yield bits


@pytest.mark.parametrize("lines", [1_000, 10_000, 100_000])
def test_the_generator_of_numbers_gives_the_published_hashes(lines):
    published = {step["lines"]: step for step in NUMBERS["sha256_of_the_first_lines"]}
    text = gzip.decompress((FOLDER / "es6_numbers_10000.csv.gz").read_bytes()).decode()
    fixed = [int(row.partition(",")[0], 16) for row in text.splitlines()]
    start = next(i for i, bits in enumerate(fixed) if bits == next(generated()))
    more = generated()
    numbers = [*fixed[:start], *(next(more) for _ in range(lines - start))]

    whole = "".join(f"{bits:x},{canonical(bits)}\n" for bits in numbers[:lines]).encode()

    assert len(whole) == published[lines]["bytes"]
    assert sha256(whole).hexdigest() == published[lines]["sha256"]


@given(VALUES)
def test_canonical_json_reads_back(value):
    raw = canonical_json(value)

    assert canonical_json(parse_canonical_json(raw, "test")) == raw
    assert canonical_json(parse_json(json.dumps(value, indent=1).encode(), "test")) == raw


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2**53 - 1, b"9007199254740991"),
        (2**53, b'"9007199254740992"'),
        (-(10**18), b'"-1000000000000000000"'),
        ({"b": (1, 2.0), "a": True}, b'{"a":true,"b":[1,2]}'),
    ],
)
def test_large_integers_become_text(value, expected):
    assert canonical_json(value) == expected


NESTED: object = 0
for _ in range(101):
    NESTED = [NESTED]


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        [float("inf")],
        "\ud800",
        {"\ud800": 1},
        {1: 2},
        b"",
        {1, 2},
        object(),
        pytest.param(10**5000, id="digits"),
        pytest.param(NESTED, id="nested"),
    ],
)
def test_other_values_are_refused(value):
    with pytest.raises(UnrepresentableError, match="RFC 8785"):
        canonical_json(value)


@given(st.binary(max_size=60) | st.sampled_from([b"[" * 100_000, b"9" * 5000, b'{"a":' * 5000]))
def test_foreign_bytes_raise_one_error_only(raw):
    for parse in (parse_json, parse_canonical_json):
        try:
            parse(raw, "test")
        except AuditFormatError:
            continue
    with pytest.raises(AuditFormatError):
        Entry.parse(raw)


@given(VALUES, st.integers(0, 2**63 - 1), TEXT, st.lists(TEXT, max_size=3))
def test_an_entry_reads_back_with_its_payload(payload, time_ns, text, evidence):
    event = Event(Actor(text, "system"), text, text or None, None, tuple(evidence), payload)
    sealed = seal(event, time_ns=time_ns, salt=SALT)

    entry = Entry.parse(sealed.leaf)

    assert entry.leaf() == sealed.leaf
    assert (entry.time_ns, entry.actor, entry.action) == (time_ns, event.actor, text)
    assert (entry.object_id, entry.graph_version) == (text or None, None)
    assert entry.evidence == tuple(evidence)
    assert canonical_json(entry.check_payload(sealed.payload, SALT)) == sealed.payload
    assert sealed.hash == leaf_hash(sealed.leaf)


def sealed(payload: object = None, salt: bytes = SALT):
    return seal(Event(ACTOR, "scan.stored", "d", payload=payload), time_ns=1, salt=salt)


def test_a_leaf_is_written_as_documented():
    commitment = sha256(SALT + b'{"n":1}').hexdigest()

    assert sealed({"n": 1}).leaf.decode() == (
        '{"action":"scan.stored","actor":{"id":"api-key:bootstrap","kind":"api_key"},'
        '"evidence":[],"graph_version":null,"object":"d",'
        f'"payload_commitment":"{commitment}","schema":1,"time":"1"}}'
    )


def test_the_payload_is_not_in_the_leaf_and_the_salt_hides_it():
    first, second = sealed({"name": "Ada"}), sealed({"name": "Ada"}, bytes(32))

    assert b"Ada" not in first.leaf
    assert first.leaf != second.leaf


@pytest.mark.parametrize(
    ("payload", "salt"), [(b'{"n":2}', SALT), (b'{"n":1}', bytes(32)), (b'{"n": 1}', SALT)]
)
def test_another_payload_or_salt_is_refused(payload, salt):
    entry = Entry.parse(sealed({"n": 1}).leaf)

    with pytest.raises(VerificationFailedError, match="not those of the entry"):
        entry.check_payload(payload, salt)


@pytest.mark.parametrize("salt", [b"", bytes(31), bytes(33)])
def test_a_salt_has_32_bytes(salt):
    with pytest.raises(AuditFormatError, match="salt"):
        sealed(salt=salt)


def test_an_entry_over_64_kib_is_refused():
    most = ENTRY_LIMIT_BYTES - len(sealed("").leaf) - len('""')

    assert len(sealed("x" * most).payload) == most + 2
    with pytest.raises(EntryTooLargeError, match="65537 bytes, allowed 65536") as refused:
        sealed("x" * (most + 1))
    assert (refused.value.code, refused.value.status) == ("entry-too-large", 413)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": True},
        {"time": 1},
        {"time": "-1"},
        {"time": "01"},
        {"time": "1e3"},
        {"actor": "ada"},
        {"actor": {"id": "ada"}},
        {"actor": {"id": "ada", "kind": "system", "more": 1}},
        {"action": None},
        {"object": 3},
        {"evidence": "abc"},
        {"evidence": [1]},
        {"payload_commitment": "0" * 63},
        {"payload_commitment": "A" * 64},
        {"more": 1},
    ],
)
def test_other_documents_are_no_entries(change):
    leaf = canonical_json({**json.loads(sealed().leaf), **change})

    with pytest.raises(AuditFormatError, match="audit entry"):
        Entry.parse(leaf)


@pytest.mark.parametrize("schema", [2, "1", None, 1.5])
def test_an_entry_of_another_schema_is_said_to_be_newer(schema):
    leaf = canonical_json({**json.loads(sealed().leaf), "schema": schema})

    with pytest.raises(AuditFormatError, match="its schema is not 1: read it with a newer"):
        Entry.parse(leaf)


def test_a_leaf_in_another_spelling_is_no_entry():
    spaced = json.dumps(json.loads(sealed().leaf)).encode()

    with pytest.raises(AuditFormatError, match="canonical form"):
        Entry.parse(spaced)
