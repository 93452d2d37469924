"""Evidence bundles: one `.tlog-proof` file with all that a stranger needs to check an entry.

The extra data of the proof are a JSON object in canonical form. `entry` and `payload` hold the
canonical JSON of leaf and payload as text, so that a verifier hashes exactly what stands there.
The proof does not cover the extra data; each part is checked on its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agentguard.audit.anchors import AnchorReceipt
from agentguard.audit.canonical import canonical_json, parse_canonical_json
from agentguard.audit.checkpoints import SignedCheckpoint
from agentguard.audit.encoding import parse_hex
from agentguard.audit.entries import SALT_BYTES
from agentguard.audit.errors import AuditFormatError
from agentguard.audit.keys import SignatureType, VerifierKey
from agentguard.audit.merkle import Digest
from agentguard.audit.proofs import TlogProof

SCHEMA = 1
_PART = "evidence bundle"
_MEMBERS = frozenset({"entry", "handovers", "key", "payload", "receipt", "salt", "schema"})


@dataclass(frozen=True, slots=True)
class DisclosedPayload:
    """A payload with the salt of its commitment."""

    canonical: bytes
    salt: bytes


@dataclass(frozen=True, slots=True)
class Bundle:
    """An entry and the evidence for it, nothing of it checked."""

    index: int
    leaf: bytes
    """The entry's canonical JSON."""
    proof: tuple[Digest, ...]
    """From the leaf's sibling to the child of the root."""
    signed: SignedCheckpoint
    """With a receipt: the checkpoint that was anchored."""
    payload: DisclosedPayload | None = None
    """None once it has been removed, or where it is not to be disclosed."""
    key: VerifierKey | None = None
    """The log's key; who trusts it has it from elsewhere."""
    handovers: tuple[bytes, ...] = ()
    """Signed handover notes between the log's keys."""
    receipt: AnchorReceipt | None = None
    signed_at: int | None = None
    """When the checkpoint was signed, ns since the epoch, as the log says; not in the file."""

    def encode(self) -> bytes:
        """Return the bundle as a C2SP tlog-proof."""
        payload = self.payload
        extra = canonical_json(
            {
                "entry": self.leaf.decode(),
                "handovers": [note.decode() for note in self.handovers],
                "key": None if self.key is None else self.key.encode(),
                "payload": None if payload is None else payload.canonical.decode(),
                "receipt": None if self.receipt is None else self.receipt.document(),
                "salt": None if payload is None else payload.salt.hex(),
                "schema": SCHEMA,
            }
        )
        return TlogProof(self.index, self.proof, self.signed, extra).encode()

    @classmethod
    def parse(cls, raw: bytes) -> Bundle:
        """Return the bundle in a file. Raises AuditFormatError."""
        proof = TlogProof.parse(raw)
        if proof.extra is None:
            raise AuditFormatError(_PART, "its proof has no extra data, so no entry")
        members = parse_canonical_json(proof.extra, _PART)
        if not isinstance(members, dict) or members.keys() != _MEMBERS:
            raise AuditFormatError(_PART, f"its extra data are not {', '.join(sorted(_MEMBERS))}")
        if type(members["schema"]) is not int or members["schema"] != SCHEMA:
            raise AuditFormatError(_PART, f"its schema is not {SCHEMA}: use a newer version")
        key, receipt = _text(members, "key"), members["receipt"]
        return cls(
            proof.index,
            _required(members, "entry").encode(),
            proof.hashes,
            proof.signed,
            _payload(_text(members, "payload"), _text(members, "salt")),
            None if key is None else _key(key),
            _handovers(members["handovers"]),
            None if receipt is None else AnchorReceipt.parse(receipt),
        )


def _text(members: Mapping[str, object], name: str) -> str | None:
    value = members[name]
    if not isinstance(value, str | None):
        raise AuditFormatError(_PART, f"its {name} is neither text nor null")
    return value


def _required(members: Mapping[str, object], name: str) -> str:
    value = _text(members, name)
    if value is None:
        raise AuditFormatError(_PART, f"it has no {name}")
    return value


def _key(text: str) -> VerifierKey:
    key = VerifierKey.parse(text)
    if key.encode() != text or key.type is not SignatureType.ED25519:
        raise AuditFormatError(_PART, "its key is not an Ed25519 key, or spaces surround it")
    return key


def _payload(canonical: str | None, salt: str | None) -> DisclosedPayload | None:
    if canonical is None and salt is None:
        return None
    if canonical is None or salt is None:
        raise AuditFormatError(_PART, "it has a payload without salt, or a salt without payload")
    return DisclosedPayload(canonical.encode(), parse_hex(salt, SALT_BYTES, _PART))


def _handovers(values: object) -> tuple[bytes, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise AuditFormatError(_PART, "its handovers are not a list of notes")
    return tuple(value.encode() for value in values)
