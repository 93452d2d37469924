"""Proofs as text (C2SP tlog-proof): index, inclusion proof, checkpoint, and opaque extra data."""

from __future__ import annotations

from dataclasses import dataclass

from agentguard.audit.checkpoints import SignedCheckpoint
from agentguard.audit.encoding import base64_text, parse_base64, parse_decimal, parse_text
from agentguard.audit.errors import AuditFormatError
from agentguard.audit.merkle import Digest, digest

FILE_SUFFIX = ".tlog-proof"
PROOF_LIMIT_BYTES = 1 << 20
_HEADER = "c2sp.org/tlog-proof@v1"
_PART = "proof"


@dataclass(frozen=True, slots=True)
class TlogProof:
    """The proof that a log has an entry, nothing of it checked."""

    index: int
    hashes: tuple[Digest, ...]
    signed: SignedCheckpoint
    extra: bytes | None = None
    """Not covered by the proof."""

    def encode(self) -> bytes:
        lines = [_HEADER]
        if self.extra is not None:
            lines.append(f"extra {base64_text(self.extra)}")
        lines += [f"index {self.index}", *map(base64_text, self.hashes), "", ""]
        return "\n".join(lines).encode() + self.signed.note.encode()

    @classmethod
    def parse(cls, raw: bytes) -> TlogProof:
        """Return the proof in a `.tlog-proof` file. Raises AuditFormatError."""
        text = parse_text(raw, _PART, PROOF_LIMIT_BYTES)
        head, separator, checkpoint = text.partition("\n\n")
        header, *lines = head.split("\n")
        if header != _HEADER or not separator:
            raise AuditFormatError(_PART, f"it is not {_HEADER}, its lines and a checkpoint")
        extra = parse_base64(lines.pop(0)[6:], _PART) if lines and _has_extra(lines[0]) else None
        if not lines or not lines[0].startswith("index "):
            raise AuditFormatError(_PART, "no line tells the index")
        index = parse_decimal(lines[0].removeprefix("index "), _PART)
        hashes = tuple(digest(parse_base64(line, _PART), _PART) for line in lines[1:])
        return cls(index, hashes, SignedCheckpoint.parse(checkpoint.encode()), extra)


def _has_extra(line: str) -> bool:
    return line.startswith("extra ")
