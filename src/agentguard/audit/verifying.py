"""Verifies for others what this log has proven: a bundle, or an entry and its transaction."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from agentguard.audit.anchors import Anchored, AnchorReceipt
from agentguard.audit.bundles import Bundle, DisclosedPayload
from agentguard.audit.canonical import canonical_json
from agentguard.audit.chain import ChainReader
from agentguard.audit.checkpoints import Checkpoint, SignedCheckpoint
from agentguard.audit.encoding import parse_hex
from agentguard.audit.entries import SALT_BYTES
from agentguard.audit.errors import AuditFormatError
from agentguard.audit.keys import VerifierKey
from agentguard.audit.merkle import Digest, leaf_hash
from agentguard.audit.service import AuditService, BadRangeError
from agentguard.audit.verification import (
    Check,
    CheckName,
    Outcome,
    Report,
    Trust,
    verify_bundle,
)


@dataclass(frozen=True, slots=True)
class OriginalData:
    """An entry as `GET /api/audit/proof/{index}` gives it in `data`: any JSON, not checked."""

    entry: object
    payload: object = None
    salt: str | None = None
    """In hexadecimal; None: the payload is not disclosed."""

    def leaf(self) -> bytes:
        """Return the leaf's data. Raises UnrepresentableError."""
        return canonical_json(self.entry)

    def disclosed(self) -> DisclosedPayload | None:
        """Return the payload. Raises AuditFormatError, UnrepresentableError."""
        if self.salt is None:
            return None
        salt = parse_hex(self.salt, SALT_BYTES, "salt")
        return DisclosedPayload(canonical_json(self.payload), salt)


@dataclass(frozen=True, slots=True)
class Verification:
    """What was checked, and what was found."""

    report: Report
    tx_hash: str | None
    data_hash: Digest | None
    """The entry's leaf hash; None: the file holds no entry."""
    receipt: AnchorReceipt | None

    @property
    def outcome(self) -> Outcome:
        """That of the report; with a transaction, not verified unless the anchor is."""
        found = self.report.outcome
        if self.tx_hash is None or found is not Outcome.VERIFIED:
            return found
        return next(c.outcome for c in self.report.checks if c.name is CheckName.ANCHOR)


@dataclass(frozen=True, slots=True)
class VerificationService:
    """Checks against this log: its key, its newest checkpoint and its anchors."""

    audit: AuditService
    key: VerifierKey
    chain: ChainReader | None = None

    async def bundle(self, raw: bytes) -> Verification:
        """Check a bundle's file; any bytes get a report."""
        try:
            given = Bundle.parse(raw)
        except AuditFormatError:
            return Verification(verify_bundle(raw, Trust()), None, None, None)
        return await self._checked(given, None)

    async def original(self, data: OriginalData, tx_hash: str) -> Verification:
        """Check that a transaction anchored a checkpoint of the log with this entry.

        Raises AuditFormatError, UnrepresentableError if the data have no canonical form.
        """
        leaf, payload = data.leaf(), data.disclosed()
        index = await self._index_of(leaf)
        if index is None:
            return Verification(_unknown(), tx_hash, leaf_hash(leaf), None)
        anchored = await self.audit.anchored(tx_hash)
        covering = anchored if anchored is not None and anchored.size > index else None
        bundle = await self.audit.bundle(index, size=None if covering is None else covering.size)
        receipt = None if covering is None else covering.receipt
        given = replace(bundle, leaf=leaf, payload=payload, receipt=receipt)
        found = await self._checked(given, tx_hash)
        if covering is not None:
            return found
        return replace(found, report=_unanchored(found.report, tx_hash, anchored))

    async def _index_of(self, leaf: bytes) -> int | None:
        try:
            return await self.audit.index_of(leaf)
        except AuditFormatError:
            return None

    async def _checked(self, bundle: Bundle, tx_hash: str | None) -> Verification:
        trust = await self._trust(bundle.signed.checkpoint)
        chain = None if bundle.receipt is None else self.chain
        report = await asyncio.to_thread(verify_bundle, bundle.encode(), trust, chain=chain)
        report = _against_this_log(report, bundle, trust)
        return Verification(report, tx_hash, leaf_hash(bundle.leaf), bundle.receipt)

    async def _trust(self, given: Checkpoint) -> Trust:
        """Return what this log knows of itself, with a proof to the checkpoint that is given."""
        newest = await self.audit.checkpoint()
        if newest is None:
            return Trust(keys=(self.key,))
        own = SignedCheckpoint.parse(newest.note).checkpoint
        try:
            proof = (await self.audit.consistency(given.size, own.size)).hashes
        except BadRangeError:  # the given one is larger, or empty
            proof = None
        return Trust(keys=(self.key,), checkpoint=own, consistency=proof)


def _against_this_log(report: Report, bundle: Bundle, trust: Trust) -> Report:
    """Return the report, in which a signature alone is not enough: this log must have the entry."""
    held = 0 if trust.checkpoint is None else trust.checkpoint.size
    given = bundle.signed.checkpoint.size
    if report.outcome is not Outcome.VERIFIED or given <= held:
        return report
    why = f"the log has signed {given:,} entries, and has {held:,} now: entries were removed"
    return _with(report, Check(CheckName.CHECKPOINT, Outcome.FAILED, why))


def _with(report: Report, check: Check) -> Report:
    """Return the report with another outcome of one check."""
    checks = tuple(check if c.name is check.name else c for c in report.checks)
    return replace(report, checks=checks)


def _unknown() -> Report:
    return Report(
        (Check(CheckName.INCLUSION, Outcome.FAILED, "this log has no entry with these data"),)
    )


def _unanchored(report: Report, tx_hash: str, anchored: Anchored | None) -> Report:
    """Return the report with what is known of a transaction that does not anchor the entry."""
    why = f"this log knows of no anchor by transaction {tx_hash}"
    anchor = Check(CheckName.ANCHOR, Outcome.NOT_CHECKABLE, why)
    if anchored is not None:
        why = f"transaction {tx_hash} anchored the log when it had {anchored.size} entries"
        anchor = Check(CheckName.ANCHOR, Outcome.FAILED, f"{why}, before this one")
    return _with(report, anchor)
