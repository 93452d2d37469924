"""Which key signs the log now: what the database knows of its keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agentguard.audit.checkpoints import SignedCheckpoint
from agentguard.audit.errors import VerificationFailedError
from agentguard.audit.handovers import KeyChain
from agentguard.audit.keys import SigningKey, VerifierKey
from agentguard.audit.store import AuditLog, StoredCheckpoint
from agentguard.kernel.errors import ConflictError


class ForeignLogError(ConflictError):
    """The log in the database is signed by another key."""

    code = "audit-key-differs"

    def __init__(self, origin: str, own: VerifierKey) -> None:
        super().__init__(
            f"The audit log in the database is {origin!r}, and its newest checkpoint is not signed"
            f" by this key: {own.key_id.hex()} of {own.name!r}. Set AGENTGUARD_AUDIT_KEY_FILE to"
            " the key of the first server; entries wait until then. If that key is lost, begin a"
            " new log with `agentguard audit keys begin`."
        )


class MissingKeyError(ConflictError):
    """The log is signed, and this process can read no key."""

    code = "audit-key-missing"

    def __init__(self) -> None:
        super().__init__(
            "The key that signs the audit log is missing. Restore it from a backup; entries wait"
            " until then. If it is lost, begin a new log with `agentguard audit keys begin`."
        )


class KeyReplacedError(ConflictError):
    """A handover replaced the key."""

    code = "audit-key-replaced"

    def __init__(self, old: VerifierKey, new: VerifierKey) -> None:
        super().__init__(
            f"Key {old.key_id.hex()} of the audit log {old.name!r} was replaced by"
            f" {new.key_id.hex()}. Set AGENTGUARD_AUDIT_KEY_FILE to the file with the new key and"
            " restart; entries wait until then."
        )


@dataclass(frozen=True, slots=True)
class KeyState:
    """What decides which key signs the next checkpoint."""

    newest: StoredCheckpoint | None = None
    handovers: tuple[bytes, ...] = ()
    """Signed handover notes, of this and of former logs."""

    @classmethod
    async def read(cls, log: AuditLog) -> KeyState:
        return cls(await log.checkpoint(), await log.handovers())

    def handovers_of(self, origin: str) -> tuple[bytes, ...]:
        """Return the handover notes of one log, in order."""
        return tuple(note for note in self.handovers if note.split(b"\n")[1:2] == [origin.encode()])

    def chain(self, key: VerifierKey) -> KeyChain:
        """Return all keys of this key's log.

        Raises AuditFormatError, VerificationFailedError for a handover that does not hold.
        """
        return KeyChain.follow([key], self.handovers_of(key.name))

    def check(self, key: VerifierKey) -> SignedCheckpoint | None:
        """Return the newest checkpoint, of which this key may sign a successor; None: no log yet.

        Raises ForeignLogError, KeyReplacedError; the errors of `chain`.
        """
        chain = self.chain(key)
        newest = None if self.newest is None else SignedCheckpoint.parse(self.newest.note)
        if newest is not None:
            try:
                chain.verify(newest)
            except VerificationFailedError:
                raise ForeignLogError(newest.checkpoint.origin, key) from None
        current = chain.current
        if current != key:
            raise KeyReplacedError(key, current)
        return newest

    def choose(self, keys: Sequence[SigningKey]) -> SigningKey:
        """Return the first key that may sign.

        Raises what `check` says of the first key if none may, MissingKeyError without keys.
        """
        problems: list[ConflictError] = []
        for key in keys:
            try:
                self.check(key.verifier)
            except (ForeignLogError, KeyReplacedError) as error:
                problems.append(error)
            else:
                return key
        raise problems[0] if problems else MissingKeyError
