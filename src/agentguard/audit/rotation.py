"""Changes of the log's key: the handover to a new one, or a new log where the key is lost."""

from __future__ import annotations

from dataclasses import dataclass, field

from agentguard.accounts.principal import Permission, Principal
from agentguard.audit.checkpoints import Checkpoint, SignedCheckpoint
from agentguard.audit.handovers import Handover, hand_over
from agentguard.audit.key_state import KeyState
from agentguard.audit.keys import SigningKey
from agentguard.audit.recording import AuditTrail
from agentguard.audit.sequencing import extend
from agentguard.audit.store import AppendedLeaf, AuditLog, AuditStores
from agentguard.kernel.clock import Clock
from agentguard.kernel.errors import ConflictError
from agentguard.unit_of_work import UnitOfWork

ROTATED = "audit-key.rotated"
BEGUN = "audit-log.begun"


class NoNewLogError(ConflictError):
    """A new log would have nothing to replace."""

    code = "no-new-audit-log"


@dataclass(frozen=True, slots=True)
class KeyRotation:
    """Replaces the key of the log."""

    unit_of_work: UnitOfWork[AuditStores]
    clock: Clock
    trail: AuditTrail = field(default_factory=AuditTrail)

    async def rotate(self, actor: Principal, old: SigningKey, new: SigningKey) -> Handover:
        """Hand the log over to a new key, which must be stored already; return the handover.

        The old key has signed its last checkpoint: the sequencer needs the new one from now on.
        Note and entry are one transaction. Raises PermissionDeniedError, ForeignLogError,
        KeyReplacedError.
        """
        actor.require(Permission.ADMIN)

        async def work(stores: AuditStores) -> Handover:
            signed = (await KeyState.read(stores.audit)).check(old.verifier)
            size = 0 if signed is None else signed.checkpoint.size
            note = hand_over(old, new, size=size).encode()
            handover = Handover.parse(note)
            await stores.audit.put_handover(note, self.clock())
            await self._record(stores.audit, actor, handover)
            return handover

        return await self.unit_of_work.run(work)

    async def begin(self, actor: Principal, key: SigningKey) -> Checkpoint:
        """Begin a new log, as the key of the old one is lost; return the old one's end.

        All entries stay, with their indexes. The first new one cites the last checkpoint of the old
        log; `key`, of another origin, signs it at once. Raises PermissionDeniedError,
        NoNewLogError, DamagedLogError.
        """
        actor.require(Permission.ADMIN)

        async def work(stores: AuditStores) -> Checkpoint:
            ended = _ended(await KeyState.read(stores.audit), key)
            await self._cite(stores.audit, actor, ended, key)
            first = await stores.audit.newest(BEGUN, actor.id)
            if first is not None:
                leaf = AppendedLeaf(first.row, first.leaf)
                await extend(stores.audit, ended.checkpoint, [leaf], key, self.clock())
            return ended.checkpoint

        return await self.unit_of_work.run(work)

    async def _record(self, log: AuditLog, actor: Principal, made: Handover) -> None:
        facts = {
            "origin": made.origin,
            "old": made.old.encode(),
            "new": made.new.encode(),
            "size": made.size,
        }
        await self.trail.record(log, actor, ROTATED, object_id=made.new.key_id.hex(), payload=facts)

    async def _cite(
        self, log: AuditLog, actor: Principal, ended: SignedCheckpoint, key: SigningKey
    ) -> None:
        facts = {"ended": ended.note.encode().decode(), "key": key.verifier.encode()}
        await self.trail.record(log, actor, BEGUN, object_id=key.name, payload=facts)


def _ended(state: KeyState, key: SigningKey) -> SignedCheckpoint:
    """Return the last checkpoint of the log that ends. Raises NoNewLogError."""
    if state.newest is None:
        raise NoNewLogError("The audit log is empty: the next entry begins it. Nothing to do.")
    ended = SignedCheckpoint.parse(state.newest.note)
    origin = ended.checkpoint.origin
    if key.name == origin:
        raise NoNewLogError(
            f"The new log needs another name than {origin!r}: give one with --origin, or set"
            " AGENTGUARD_AUDIT_KEY_FILE to a key of another name."
        )
    return ended
