"""Who has signed a checkpoint, as far as keys are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from agentguard.audit.keys import SignatureType, VerifierKey
from agentguard.audit.notes import Note, SignatureLine
from agentguard.audit.verification import Outcome


class SignerKind(StrEnum):
    """Whose key it is."""

    LOG = "log"
    WITNESS = "witness"
    """Somebody else, who cosigns what extends the checkpoints they have seen."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Signer:
    """One signature of a note."""

    name: str
    key_id: bytes
    kind: SignerKind
    outcome: Outcome
    """Not checkable: the key is not known."""
    time_seconds: int | None
    """When a witness cosigned, since the epoch."""


def signers(note: Note, keys: Sequence[VerifierKey]) -> tuple[Signer, ...]:
    """Return the signatures of a note, in its order."""
    return tuple(_signer(note, line, keys) for line in note.signatures)


def _signer(note: Note, line: SignatureLine, keys: Sequence[VerifierKey]) -> Signer:
    key = next((key for key in keys if line.is_by(key)), None)
    if key is None:
        return Signer(line.name, line.key_id, SignerKind.UNKNOWN, Outcome.NOT_CHECKABLE, None)
    holds = key.holds(note.text, line.signature)
    return Signer(
        line.name,
        line.key_id,
        SignerKind.LOG if key.type is SignatureType.ED25519 else SignerKind.WITNESS,
        Outcome.VERIFIED if holds else Outcome.FAILED,
        key.signed_at(line.signature) if holds else None,
    )
