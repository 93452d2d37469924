"""Signed notes: text with signatures (C2SP signed-note)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from agentguard.audit.encoding import base64_text, parse_base64, parse_text
from agentguard.audit.errors import AuditFormatError, VerificationFailedError
from agentguard.audit.keys import SigningKey, VerifierKey, check_key_name

NOTE_LIMIT_BYTES = 1 << 20
MOST_SIGNATURES = 100
_DASH = "— "
_PART = "signed note"
_KEY_ID_BYTES = 4


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature of a note; what its bytes mean depends on the key."""

    name: str
    key_id: bytes
    signature: bytes

    def is_by(self, key: VerifierKey) -> bool:
        """Return whether it claims to be by this key."""
        return (self.name, self.key_id) == (key.name, key.key_id)

    def encode(self) -> str:
        return f"{_DASH}{self.name} {base64_text(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class KnownSignature:
    """A valid signature by a known key."""

    key: VerifierKey
    time_seconds: int | None
    """When a witness cosigned, since the epoch; None for a plain signature."""


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signatures, none of them checked."""

    text: str
    """Ends in a newline."""
    signatures: tuple[SignatureLine, ...] = ()

    @classmethod
    def parse(cls, raw: bytes) -> Note:
        """Return the note. Raises AuditFormatError."""
        whole = parse_text(raw, _PART, NOTE_LIMIT_BYTES)
        text, separator, signatures = whole.rpartition("\n\n")
        if not separator or not signatures:
            raise AuditFormatError(_PART, "no blank line separates a text and its signatures")
        lines = signatures.removesuffix("\n").split("\n")
        if len(lines) > MOST_SIGNATURES:
            raise AuditFormatError(_PART, f"it has more than {MOST_SIGNATURES} signatures")
        return cls(text + "\n", tuple(_signature_line(line) for line in lines))

    def encode(self) -> bytes:
        return (self.text + "\n" + "".join(s.encode() for s in self.signatures)).encode()

    def signed(self, key: SigningKey, *, time_seconds: int = 0) -> Note:
        """Return the note with one more signature; `time_seconds` is that of a cosignature."""
        signature = key.sign(self.text, time_seconds=time_seconds)
        line = SignatureLine(key.name, key.verifier.key_id, signature)
        return replace(self, signatures=(*self.signatures, line))

    def known_signatures(self, keys: Iterable[VerifierKey]) -> tuple[KnownSignature, ...]:
        """Return the signatures of these keys, in the note's order; unknown ones are ignored.

        Raises VerificationFailedError where a signature of one of these keys does not hold.
        """
        known = tuple(keys)
        pairs = [(line, key) for line in self.signatures for key in known if line.is_by(key)]
        for line, key in pairs:
            if not key.holds(self.text, line.signature):
                raise VerificationFailedError(
                    f"the signature of {key.name!r} (key {key.key_id.hex()}) does not hold"
                )
        return tuple(KnownSignature(key, key.signed_at(line.signature)) for line, key in pairs)

    def verify(self, keys: Sequence[VerifierKey]) -> tuple[KnownSignature, ...]:
        """Return the signatures of these keys: at least one.

        Raises VerificationFailedError if none of them has signed, or one of their signatures does
        not hold.
        """
        known = self.known_signatures(keys)
        if not known:
            wanted = ", ".join(f"{key.name} (key {key.key_id.hex()})" for key in keys)
            raise VerificationFailedError(f"no signature is by {wanted or 'a known key'}")
        return known


def _signature_line(line: str) -> SignatureLine:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise AuditFormatError(_PART, f"the line {line[:80]!r} is not a signature")
    check_key_name(name, _PART)
    raw = parse_base64(encoded, _PART)
    if len(raw) <= _KEY_ID_BYTES:
        raise AuditFormatError(_PART, f"the signature of {name!r} is too short")
    return SignatureLine(name, raw[:_KEY_ID_BYTES], raw[_KEY_ID_BYTES:])
