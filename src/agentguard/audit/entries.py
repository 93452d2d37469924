"""Audit entries: who did what, when and on which evidence, as the data of one leaf of the log.

The leaf holds a commitment to the payload, SHA-256(salt, canonical payload), not the payload. The
payload and its salt are stored beside it and can be removed: the leaf and its hash stay. As the
salt is random and secret until it is disclosed, nobody can guess an entry from its hash; removing
a payload therefore means removing its salt too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest

from agentguard.audit.canonical import canonical_json, parse_canonical_json
from agentguard.audit.encoding import parse_decimal, parse_hex, text_member
from agentguard.audit.errors import AuditFormatError, EntryTooLargeError, VerificationFailedError
from agentguard.audit.merkle import Digest, leaf_hash

SCHEMA = 1
SALT_BYTES = 32
ENTRY_LIMIT_BYTES = 65_536
"""Of leaf and payload together: a leaf always fits the 16-bit length of an entry bundle."""
_PART = "audit entry"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted."""

    id: str
    """The principal's id: `api-key:bootstrap`, `system:live`."""
    kind: str
    """How the principal was identified: `api_key`, `system`."""


@dataclass(frozen=True, slots=True)
class Event:
    """What an entry tells."""

    actor: Actor
    action: str
    """What was done, in the past tense: `scan.stored`."""
    object_id: str | None = None
    """What it was done to."""
    graph_version: str | None = None
    """The graph that was known then."""
    evidence: tuple[str, ...] = ()
    """Trace ids."""
    payload: object = None
    """More facts: any JSON. Personal data belong here, as this is what can be removed."""


@dataclass(frozen=True, slots=True)
class SealedEntry:
    """An entry ready to be appended: what to store."""

    leaf: bytes
    """The leaf's data: canonical JSON. Kept for ever."""
    payload: bytes
    """Canonical JSON. May be removed, together with the salt."""
    salt: bytes
    """32 bytes."""
    entry: Entry
    """What the leaf says."""

    @property
    def hash(self) -> Digest:
        """The leaf hash."""
        return leaf_hash(self.leaf)


@dataclass(frozen=True, slots=True)
class Entry:
    """What a leaf says."""

    time_ns: int
    """Since the epoch, by the clock of the process that acted."""
    actor: Actor
    action: str
    object_id: str | None
    graph_version: str | None
    evidence: tuple[str, ...]
    commitment: bytes
    """`payload_commitment` of the payload and its salt."""

    def leaf(self) -> bytes:
        """Return the leaf's data. Raises UnrepresentableError for text with lone surrogates."""
        return canonical_json(
            {
                "action": self.action,
                "actor": {"id": self.actor.id, "kind": self.actor.kind},
                "evidence": self.evidence,
                "graph_version": self.graph_version,
                "object": self.object_id,
                "payload_commitment": self.commitment.hex(),
                "schema": SCHEMA,
                "time": str(self.time_ns),
            }
        )

    @classmethod
    def parse(cls, leaf: bytes) -> Entry:
        """Return the entry in a leaf's data, which must be exactly what `leaf` writes.

        Raises AuditFormatError.
        """
        if len(leaf) > ENTRY_LIMIT_BYTES:
            raise AuditFormatError(_PART, f"it has more than {ENTRY_LIMIT_BYTES} bytes")
        members = _members(parse_canonical_json(leaf, _PART), _PART)
        if members.get("schema") != SCHEMA:
            raise AuditFormatError(
                _PART, f"its schema is not {SCHEMA}: read it with a newer version"
            )
        actor = _members(members.get("actor"), _PART)
        entry = cls(
            parse_decimal(text_member(members, "time", _PART), _PART),
            Actor(text_member(actor, "id", _PART), text_member(actor, "kind", _PART)),
            text_member(members, "action", _PART),
            _optional_text(members, "object"),
            _optional_text(members, "graph_version"),
            _texts(members, "evidence"),
            parse_hex(text_member(members, "payload_commitment", _PART), 32, _PART),
        )
        if entry.leaf() != leaf:
            raise AuditFormatError(_PART, "it has members that its schema does not know")
        return entry

    def check_payload(self, payload: bytes, salt: bytes) -> object:
        """Return the value of a payload that is the one the entry was made with.

        Raises AuditFormatError if it is not canonical JSON; VerificationFailedError if it is
        another payload.
        """
        if not compare_digest(payload_commitment(payload, salt), self.commitment):
            raise VerificationFailedError("the payload and its salt are not those of the entry")
        return parse_canonical_json(payload, "payload")


def seal(event: Event, *, time_ns: int, salt: bytes) -> SealedEntry:
    """Return an event as an entry with its commitment.

    `time_ns` is since the epoch; `salt` is 32 random bytes, never used before. Raises
    EntryTooLargeError if leaf and payload exceed 64 KiB, UnrepresentableError if the event has no
    canonical JSON form.
    """
    payload = canonical_json(event.payload)
    entry = Entry(
        time_ns,
        event.actor,
        event.action,
        event.object_id,
        event.graph_version,
        event.evidence,
        payload_commitment(payload, salt),
    )
    leaf = entry.leaf()
    if len(leaf) + len(payload) > ENTRY_LIMIT_BYTES:
        raise EntryTooLargeError(len(leaf) + len(payload), ENTRY_LIMIT_BYTES)
    return SealedEntry(leaf, payload, salt, entry)


def payload_commitment(payload: bytes, salt: bytes) -> bytes:
    """Return SHA-256(salt, payload), 32 bytes, of canonical JSON and its 32 bytes of salt."""
    if len(salt) != SALT_BYTES:
        raise AuditFormatError("salt", f"it has {len(salt)} bytes, not {SALT_BYTES}")
    return sha256(salt + payload).digest()


def _members(value: object, part: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise AuditFormatError(part, "it has no object where one belongs")
    return value


def _optional_text(members: Mapping[str, object], name: str) -> str | None:
    return None if members.get(name) is None else text_member(members, name, _PART)


def _texts(members: Mapping[str, object], name: str) -> tuple[str, ...]:
    values = members.get(name)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise AuditFormatError(_PART, f"its {name} is not a list of texts")
    return tuple(values)
