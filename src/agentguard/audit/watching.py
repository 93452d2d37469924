"""Looks at a log again and again, remembers what was checked, and keeps what shows a fork."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random, SystemRandom
from typing import Protocol

from agentguard.audit.checkpoints import SignedCheckpoint
from agentguard.audit.errors import AuditFormatError, HashMissingError, VerificationFailedError
from agentguard.audit.handovers import KeyChain
from agentguard.audit.keys import VerifierKey
from agentguard.audit.monitor import (
    ALARMS,
    Finding,
    LogSource,
    Observation,
    observe,
    published_handovers,
)
from agentguard.audit.tiles import KEY_PATH
from agentguard.kernel.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a monitor knows between two looks: only what it has checked."""

    checkpoint: bytes
    """The signed checkpoint that was seen last."""
    key: VerifierKey
    """The key that signed it."""
    handovers: tuple[bytes, ...] = ()
    """The handover notes that are known: a key that was replaced signs nothing larger."""


class Memory(Protocol):
    """Where a monitor remembers, for one monitor at a time."""

    def load(self) -> Remembered | None:
        """Return what was saved last. Raises AuditFormatError if it is damaged."""

    def save(self, remembered: Remembered) -> None:
        """Replace what was saved, whole or not at all; durable once this returns."""

    def keep(self, which: str, note: bytes) -> str:
        """Keep a checkpoint as evidence, and return where; one that is kept stays as it is."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a log, and what became of it."""

    finding: Finding
    detail: str
    key: VerifierKey | None
    """The key that the log was checked with."""
    on_first_use: bool
    """Whether nothing but the log itself vouches for the key."""
    evidence: tuple[str, ...] = ()
    """Where the checkpoints of an alarm are kept: what was seen before, what is shown now."""

    @property
    def alarm(self) -> bool:
        return self.finding in ALARMS


@dataclass(frozen=True, slots=True)
class Watcher:
    """Watches one log."""

    source: LogSource
    memory: Memory
    keys: tuple[VerifierKey, ...] = ()
    """Got from elsewhere; none: the key that was remembered, or on first use the log's own."""
    handovers: tuple[bytes, ...] = ()
    chance: Random = field(default_factory=SystemRandom)
    """Picks the tiles that are checked, which the log must not know before."""

    def look(self) -> Look:
        """Look once. Raises AuditFormatError, VerificationFailedError for the given handovers.

        What is remembered is replaced only by what was checked against it.
        """
        remembered = self.memory.load()
        try:
            keys = self._trusted(remembered)
        except (AuditFormatError, HashMissingError, UnavailableError) as error:
            detail = f"{error} The log's key is not known: give it by --key."
            return Look(Finding.NOT_CHECKABLE, detail, None, on_first_use=False)
        known = (*self.handovers, *(() if remembered is None else remembered.handovers))
        chain, handovers = self._followed(keys, known)
        before = None if remembered is None else remembered.checkpoint
        seen = observe(self.source, chain, before, self.chance)
        key = _remember(self.memory, chain, handovers, seen)
        return Look(
            seen.finding,
            seen.detail,
            key or keys[0],
            remembered is None and not self.keys,
            _evidence(self.memory, seen) if seen.finding in ALARMS else (),
        )

    def _followed(
        self, keys: Sequence[VerifierKey], known: Sequence[bytes]
    ) -> tuple[KeyChain, tuple[bytes, ...]]:
        """Return the keys that the handovers lead to, those that the log publishes included.

        Published ones that do not hold are left out: what they would vouch for is foreign then.
        """
        chain = KeyChain.follow(keys, known)
        try:
            every = tuple(dict.fromkeys((*known, *published_handovers(self.source))))
            longer = KeyChain.follow(keys, every)
            return longer, longer.connecting(every)
        except (AuditFormatError, VerificationFailedError, UnavailableError):
            return chain, tuple(known)

    def _trusted(self, remembered: Remembered | None) -> Sequence[VerifierKey]:
        if self.keys:
            return self.keys
        if remembered is not None:
            return (remembered.key,)
        text = self.source.read(KEY_PATH).decode("utf-8", "replace")
        return (VerifierKey.parse(text),)


def _remember(
    memory: Memory, chain: KeyChain, handovers: tuple[bytes, ...], seen: Observation
) -> VerifierKey | None:
    """Save what was checked, and return the key that signed it; None: nothing was."""
    if seen.remembered is None or seen.remembered != seen.note:
        return None
    key = chain.verify(SignedCheckpoint.parse(seen.remembered))[0].key
    memory.save(Remembered(seen.remembered, key, handovers))
    return key


def _evidence(memory: Memory, seen: Observation) -> tuple[str, ...]:
    notes = (("seen", seen.remembered), ("shown", seen.note))
    return tuple(memory.keep(which, note) for which, note in notes if note is not None)
