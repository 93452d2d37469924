"""Adds the cosignatures of witnesses to stored checkpoints (C2SP tlog-cosignature)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from agentguard.audit.checkpoints import SignedCheckpoint
from agentguard.audit.errors import VerificationFailedError
from agentguard.audit.keys import VerifierKey
from agentguard.audit.notes import Note, SignatureLine
from agentguard.audit.service import UnknownCheckpointError
from agentguard.audit.store import AuditStores
from agentguard.kernel.errors import InvalidInputError
from agentguard.unit_of_work import UnitOfWork

_LINE = "— ".encode()


class NoWitnessError(InvalidInputError):
    """No witness is configured."""

    code = "no-audit-witness"

    def __init__(self) -> None:
        super().__init__(
            "No witness is known, so no cosignature can be checked. Set"
            " AGENTGUARD_AUDIT_WITNESSES to the witnesses' keys."
        )


@dataclass(frozen=True, slots=True)
class CosigningService:
    """Accepts cosignatures by known witnesses.

    It leaves no entry: each one would make a larger checkpoint, which the witness has not signed.
    """

    unit_of_work: UnitOfWork[AuditStores]
    witnesses: tuple[VerifierKey, ...]

    async def cosign(self, raw: bytes) -> SignedCheckpoint:
        """Store the witnesses' signatures of a checkpoint, and return it with all it has.

        `raw` is a cosigned checkpoint of any size that is stored, or only the lines with signatures
        of the newest one. A witness's signature replaces its earlier one. Raises AuditFormatError;
        UnknownCheckpointError; VerificationFailedError for another checkpoint, or if no signature
        is by a known witness; NoWitnessError.
        """
        if not self.witnesses:
            raise NoWitnessError

        async def work(stores: AuditStores) -> SignedCheckpoint:
            stored, cosigned = await _pair(stores, raw)
            merged = self._merged(stored, cosigned)
            await stores.audit.put_note(stored.checkpoint.size, merged.encode())
            return replace(stored, note=merged)

        return await self.unit_of_work.run(work)

    def _merged(self, stored: SignedCheckpoint, cosigned: Note) -> Note:
        """Return the stored note with the witnesses' lines of the other, which must all hold."""
        if cosigned.text != stored.note.text:
            raise VerificationFailedError(
                f"the cosigned checkpoint is not the one of size {stored.checkpoint.size} that this"
                " log has signed"
            )
        cosigned.verify(self.witnesses)
        added = tuple(line for line in cosigned.signatures if self._is_witness(line))
        new = {(line.name, line.key_id) for line in added}
        kept = tuple(s for s in stored.note.signatures if (s.name, s.key_id) not in new)
        return Note.parse(replace(stored.note, signatures=(*kept, *added)).encode())

    def _is_witness(self, line: SignatureLine) -> bool:
        return any(line.is_by(key) for key in self.witnesses)


async def _pair(stores: AuditStores, raw: bytes) -> tuple[SignedCheckpoint, Note]:
    """Return the stored checkpoint that is cosigned, and the note with the cosignatures."""
    size = None if raw.startswith(_LINE) else SignedCheckpoint.parse(raw).checkpoint.size
    found = await stores.audit.checkpoint(size)
    if found is None:
        raise UnknownCheckpointError(size)
    stored = SignedCheckpoint.parse(found.note)
    whole = f"{stored.note.text}\n".encode() + raw if size is None else raw
    return stored, Note.parse(whole)
