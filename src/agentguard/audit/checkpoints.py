"""Checkpoints: the size and root hash of a log, as a signed note (C2SP tlog-checkpoint)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agentguard.audit.encoding import base64_text, parse_base64, parse_decimal
from agentguard.audit.errors import AuditFormatError, VerificationFailedError
from agentguard.audit.keys import SigningKey, VerifierKey
from agentguard.audit.merkle import EMPTY_ROOT, Digest, digest
from agentguard.audit.notes import KnownSignature, Note

_PART = "checkpoint"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log."""

    origin: str
    """Names the log; also the name of its key."""
    size: int
    root: Digest
    extensions: tuple[str, ...] = ()
    """Opaque lines, not auditable; this log writes none."""

    def text(self) -> str:
        """Return the text of the note, before its signatures."""
        lines = (self.origin, str(self.size), base64_text(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Return the checkpoint in a note's text. Raises AuditFormatError."""
        lines = text.removesuffix("\n").split("\n")
        if not text.endswith("\n") or len(lines) < 3 or not all(lines):
            raise AuditFormatError(_PART, "it is not at least three lines, none of them empty")
        origin, size, encoded, *extensions = lines
        root = digest(parse_base64(encoded, _PART), _PART)
        checkpoint = cls(origin, parse_decimal(size, _PART), root, tuple(extensions))
        if checkpoint.size == 0 and root != EMPTY_ROOT:
            raise AuditFormatError(_PART, "its root hash is not that of an empty tree")
        return checkpoint

    def signed(self, *keys: SigningKey) -> Note:
        """Return the signed note, one signature for each key."""
        note = Note(self.text())
        for key in keys:
            note = note.signed(key)
        return note


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint and its note, no signature checked."""

    checkpoint: Checkpoint
    note: Note

    @classmethod
    def parse(cls, raw: bytes) -> SignedCheckpoint:
        """Return the checkpoint in the bytes of a signed note. Raises AuditFormatError."""
        note = Note.parse(raw)
        return cls(Checkpoint.parse(note.text), note)

    def verify(self, log_keys: Sequence[VerifierKey]) -> tuple[KnownSignature, ...]:
        """Return the signatures by the log: at least one, by keys that carry the origin's name.

        A key of another name speaks for another log. Raises VerificationFailedError.
        """
        own = [key for key in log_keys if key.name == self.checkpoint.origin]
        if log_keys and not own:  # C2SP only recommends the name; here it is what binds key and log
            names = ", ".join(sorted({repr(key.name) for key in log_keys}))
            raise VerificationFailedError(
                f"the checkpoint belongs to the log {self.checkpoint.origin!r}, the key to {names}"
            )
        return self.note.verify(own)
