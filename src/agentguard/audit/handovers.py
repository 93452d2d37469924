"""Key rotation: a note in which the old and the new key of a log name each other.

Its text is, one per line: a header, the origin, `old` and `new` with a verifier key each, and
`size` with the size of the last checkpoint that the old key signed. Both keys sign it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agentguard.audit.checkpoints import SignedCheckpoint
from agentguard.audit.encoding import parse_decimal
from agentguard.audit.errors import AuditFormatError, VerificationFailedError
from agentguard.audit.keys import SignatureType, SigningKey, VerifierKey
from agentguard.audit.notes import KnownSignature, Note

_HEADER = "agentguard key hand-over v1"
"""Part of the signed bytes, so it never changes. No checkpoint has a second line that is a name:
one key signs both kinds of text safely.
"""
_PART = "handover note"


@dataclass(frozen=True, slots=True)
class Handover:
    """A log's change from one key to the next."""

    origin: str
    old: VerifierKey
    new: VerifierKey
    size: int
    """Of the last checkpoint that the old key signed: it signs no larger one."""

    def text(self) -> str:
        return (
            f"{_HEADER}\n{self.origin}\nold {self.old.encode()}\nnew {self.new.encode()}\n"
            f"size {self.size}\n"
        )

    @classmethod
    def parse(cls, raw: bytes) -> Handover:
        """Return the handover in a signed note: exactly as written, and signed by both keys.

        Raises AuditFormatError; VerificationFailedError if a signature is missing or fails.
        """
        note = Note.parse(raw)
        handover = cls._parse_text(note.text)
        for key in (handover.old, handover.new):
            note.verify([key])
        return handover

    @classmethod
    def _parse_text(cls, text: str) -> Handover:
        lines = text.split("\n")
        if len(lines) != 6 or lines[0] != _HEADER:
            raise AuditFormatError(_PART, f"it is not {_HEADER!r} and four lines")
        old, new = (VerifierKey.parse(line.partition(" ")[2]) for line in lines[2:4])
        handover = cls(lines[1], old, new, parse_decimal(lines[4].partition(" ")[2], _PART))
        if handover.text() != text:
            raise AuditFormatError(_PART, "it is not written in the canonical way")
        names_origin = old.name == new.name == handover.origin
        if not names_origin or old == new or {old.type, new.type} != {SignatureType.ED25519}:
            raise AuditFormatError(_PART, "it is not between two keys with the origin's name")
        return handover


def hand_over(old: SigningKey, new: SigningKey, *, size: int) -> Note:
    """Return the signed handover between two keys of one name, the origin.

    `size` is that of the last checkpoint that the old key signed.
    """
    text = Handover(old.name, old.verifier, new.verifier, size).text()
    return Note(text).signed(old).signed(new)


@dataclass(frozen=True, slots=True)
class KeyPeriod:
    """A key with the size of the largest checkpoint that it may sign; None: no limit."""

    key: VerifierKey
    largest_size: int | None = None

    def covers(self, size: int) -> bool:
        return self.largest_size is None or size <= self.largest_size


@dataclass(frozen=True, slots=True)
class KeyChain:
    """The keys of one log, as far as handovers lead from keys that are trusted."""

    periods: tuple[KeyPeriod, ...] = ()

    @property
    def current(self) -> VerifierKey:
        """The key that no handover replaced. Raises VerificationFailedError if all were."""
        for period in self.periods:
            if period.largest_size is None:
                return period.key
        raise VerificationFailedError("the handovers lead from key to key in a circle")

    @classmethod
    def follow(cls, trusted: Iterable[VerifierKey], handovers: Iterable[bytes] = ()) -> KeyChain:
        """Return the keys that handover notes connect with trusted ones, before and after.

        Raises AuditFormatError for a malformed note; VerificationFailedError if a signature is
        missing or fails, or if one key hands over to two.
        """
        steps = {Handover.parse(raw) for raw in handovers}
        successors: dict[VerifierKey, Handover] = {}
        for step in steps:
            if successors.setdefault(step.old, step) != step:
                raise VerificationFailedError(
                    f"two handovers lead from key {step.old.key_id.hex()} of {step.origin!r}"
                )
        keys = _reachable(tuple(dict.fromkeys(trusted)), steps)
        return cls(
            tuple(KeyPeriod(k, successors[k].size if k in successors else None) for k in keys)
        )

    def connecting(self, handovers: Iterable[bytes]) -> tuple[bytes, ...]:
        """Return the notes that are between these keys. Raises as `follow`."""
        keys = {period.key for period in self.periods}
        return tuple(note for note in handovers if Handover.parse(note).old in keys)

    def verify(self, signed: SignedCheckpoint) -> tuple[KnownSignature, ...]:
        """Return the log's own signatures of a checkpoint, by keys that may sign its size.

        Raises VerificationFailedError with what differs.
        """
        size = signed.checkpoint.size
        current = [period.key for period in self.periods if period.covers(size)]
        for period in self.periods:
            by_old = any(line.is_by(period.key) for line in signed.note.signatures)
            by_current = any(line.is_by(k) for line in signed.note.signatures for k in current)
            if by_old and not by_current:
                raise VerificationFailedError(
                    f"key {period.key.key_id.hex()} was replaced at size {period.largest_size},"
                    f" and signed size {size}"
                )
        return signed.verify(current)


def _reachable(keys: Sequence[VerifierKey], steps: set[Handover]) -> Sequence[VerifierKey]:
    found = dict.fromkeys(keys)
    while True:
        linked = {s.old: None for s in steps if s.new in found and s.old not in found}
        linked |= {s.new: None for s in steps if s.old in found and s.new not in found}
        if not linked:
            return tuple(found)
        found |= linked
