"""Keys of signed notes: whose signature it is, and what it means."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256
from typing import assert_never

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from agentguard.audit.encoding import base64_text, parse_base64
from agentguard.audit.errors import AuditFormatError

KEY_BYTES = 32
_TIME_BYTES = 8
_LATEST = (1 << 63) - 1
_KEY_ID = re.compile(r"[0-9a-f]{8}")
_PRIVATE = "PRIVATE+KEY+"


class SignatureType(IntEnum):
    """What a key signs: the identifier byte of C2SP signed-note."""

    ED25519 = 0x01
    """The text of the note."""
    COSIGNATURE = 0x04
    """The text and a time: a witness has seen the checkpoint (C2SP tlog-cosignature, Ed25519)."""


def ed25519_holds(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether an Ed25519 signature of RFC 8032 holds; malformed input is False."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key and its name: who is trusted to sign."""

    name: str
    public: bytes
    """32 bytes (RFC 8032)."""
    type: SignatureType = SignatureType.ED25519

    def __post_init__(self) -> None:
        if problem := _name_problem(self.name):
            raise AuditFormatError("verifier key", problem)
        if len(self.public) != KEY_BYTES:
            raise AuditFormatError("verifier key", f"it has {len(self.public)} bytes, not 32")

    @property
    def key_id(self) -> bytes:
        """Four bytes that, with the name, tell which key has signed; no proof of anything."""
        return sha256(self.name.encode() + b"\n" + self._typed()).digest()[:4]

    def encode(self) -> str:
        """Return `name+key id in hex+base64(type, public key)`."""
        return f"{self.name}+{self.key_id.hex()}+{base64_text(self._typed())}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Return the key of a verifier key string; surrounding space is ignored.

        Raises AuditFormatError, also for a key id that is not the key's.
        """
        name, key_id, raw = _split(text.strip())
        try:
            key = cls(name, raw[1:], SignatureType(raw[0]))
        except ValueError:
            problem = f"its signature type {raw[0]} is neither Ed25519 (1) nor a cosignature (4)"
            raise AuditFormatError("verifier key", problem) from None
        if key.key_id.hex() != key_id:
            raise AuditFormatError("verifier key", f"its id is {key.key_id.hex()}, not {key_id}")
        return key

    def signed_at(self, signature: bytes) -> int | None:
        """Return the time in a cosignature (seconds since the epoch); None for other types."""
        return None if self.type is SignatureType.ED25519 else _time(signature)

    def holds(self, text: str, signature: bytes) -> bool:
        """Return whether the signature (without key id) of a note's text is by this key."""
        match self.type:
            case SignatureType.ED25519:
                return ed25519_holds(self.public, text.encode(), signature)
            case SignatureType.COSIGNATURE:
                time_seconds = _time(signature)
                message = _cosigned(text, time_seconds)
                own = signature[_TIME_BYTES:]
                return time_seconds <= _LATEST and ed25519_holds(self.public, message, own)
            case _:
                assert_never(self.type)

    def _typed(self) -> bytes:
        return bytes([self.type]) + self.public


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and its name. Its representation does not show the key."""

    name: str
    seed: bytes = field(repr=False)
    """32 random bytes: the private key of RFC 8032."""
    type: SignatureType = SignatureType.ED25519

    def __post_init__(self) -> None:
        if problem := _name_problem(self.name):
            raise AuditFormatError("signing key", problem)
        if len(self.seed) != KEY_BYTES:
            raise AuditFormatError("signing key", f"it has {len(self.seed)} bytes, not 32")

    @property
    def verifier(self) -> VerifierKey:
        return VerifierKey(self.name, self._private().public_key().public_bytes_raw(), self.type)

    def encode(self) -> str:
        """Return `PRIVATE+KEY+name+key id+base64(type, seed)`, as Go's sumdb/note writes it."""
        raw = base64_text(bytes([self.type]) + self.seed)
        return f"{_PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{raw}"

    @classmethod
    def parse(cls, text: str) -> SigningKey:
        """Return the key of a text of `encode`. Raises AuditFormatError, which does not show it."""
        malformed = AuditFormatError("signing key", f"it is not {_PRIVATE}name+id+base64")
        try:
            name, key_id, raw = _split(text.strip().removeprefix(_PRIVATE))
            key = cls(name, raw[1:], SignatureType(raw[0]))
        except (AuditFormatError, ValueError):
            raise malformed from None
        if not text.strip().startswith(_PRIVATE) or key.verifier.key_id.hex() != key_id:
            raise malformed
        return key

    def sign(self, text: str, *, time_seconds: int = 0) -> bytes:
        """Return the signature of a note's text, without key id.

        `time_seconds` (since the epoch) is part of a cosignature; other types ignore it.
        """
        if self.type is SignatureType.ED25519:
            return self._private().sign(text.encode())
        signature = self._private().sign(_cosigned(text, time_seconds))
        return time_seconds.to_bytes(_TIME_BYTES, "big") + signature

    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


def check_key_name(name: str, part: str) -> None:
    """Raise AuditFormatError, naming `part`, if the name cannot stand in a signed note."""
    if problem := _name_problem(name):
        raise AuditFormatError(part, problem)


def _name_problem(name: str) -> str | None:
    if not name:
        return "its name is empty"
    if "+" in name or any(c.isspace() or c < " " or "\ud800" <= c <= "\udfff" for c in name):
        return f"its name {name!r} has a space, a plus or a control character"
    return None


def _split(text: str) -> tuple[str, str, bytes]:
    """Return name, key id and the bytes of a key string. The base64 may hold plus signs."""
    parts = text.split("+", 2)
    if len(parts) != 3 or not _KEY_ID.fullmatch(parts[1]):
        raise AuditFormatError("verifier key", "it is not name+id+base64")
    raw = parse_base64(parts[2], "verifier key")
    if not raw:
        raise AuditFormatError("verifier key", "it has no bytes")
    return parts[0], parts[1], raw


def _time(signature: bytes) -> int:
    return int.from_bytes(signature[:_TIME_BYTES], "big")


def _cosigned(text: str, time_seconds: int) -> bytes:
    return f"cosignature/v1\ntime {time_seconds}\n{text}".encode()
