"""Joins the audit log with its key and the process that sequences it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from agentguard.adapters.files.audit_key import signing_key
from agentguard.adapters.files.processes import registered
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.audit.errors import AuditFormatError
from agentguard.audit.keys import SignatureType, SigningKey, VerifierKey
from agentguard.audit.sequencing import Sequencer
from agentguard.audit.sequencing_loop import SEQUENCING, SequencingLoop
from agentguard.audit.static_files import LogTarget, Publisher
from agentguard.audit.verifying import VerificationService
from agentguard.bootstrap.app import App
from agentguard.coordination.turns import Turn
from agentguard.kernel.errors import AgentGuardError
from agentguard.kernel.ids import sortable_id
from agentguard.settings import Settings, SettingsError

log = structlog.get_logger(__name__)


def key_of(settings: Settings) -> SigningKey:
    """Return the key of the settings, or the one in the data directory.

    Raises AuditFormatError, OSError.
    """
    if settings.audit_key is not None:
        return SigningKey.parse(settings.audit_key.get_secret_value())
    return signing_key(settings.data_dir, settings.audit_origin)


async def verifier_of(settings: Settings) -> VerifierKey:
    """Return the public key of the log. Raises AuditFormatError, OSError."""
    return (await asyncio.to_thread(key_of, settings)).verifier


def witnesses_of(settings: Settings) -> tuple[VerifierKey, ...]:
    """Return the keys of the witnesses. Raises SettingsError."""
    try:
        keys = tuple(map(VerifierKey.parse, settings.audit_witnesses))
    except AuditFormatError as error:
        raise SettingsError(f"AGENTGUARD_AUDIT_WITNESSES is invalid. {error}") from None
    for key in keys:
        if key.type is not SignatureType.COSIGNATURE:
            raise SettingsError(
                f"AGENTGUARD_AUDIT_WITNESSES: the key of {key.name!r} is not that of a witness"
                " (type 4, C2SP tlog-cosignature)."
            )
    return keys


async def publisher_of(app: App, target: LogTarget) -> Publisher:
    """Return what publishes the log as static files."""
    return Publisher(app.audit, target, await verifier_of(app.settings))


async def verification_of(app: App) -> VerificationService:
    """Return what checks bundles and original data against the log."""
    return VerificationService(app.audit, await verifier_of(app.settings))


async def sequencer_of(settings: Settings, unit_of_work: SqlUnitOfWork) -> Sequencer:
    key = await asyncio.to_thread(key_of, settings)
    return Sequencer(unit_of_work, key, unit_of_work.clock)


async def sequencing(
    settings: Settings, unit_of_work: SqlUnitOfWork, turn: Callable[[str], Turn]
) -> Callable[[], Coroutine[Any, Any, None]]:
    """Return the loop that sequences the log."""
    return SequencingLoop(await sequencer_of(settings, unit_of_work), turn(SEQUENCING)).run


async def sequence_at_last(settings: Settings, unit_of_work: SqlUnitOfWork) -> None:
    """Sequence what a command has appended, unless a server does; it tries again otherwise."""
    try:
        if not await unit_of_work.read(lambda stores: stores.audit.waiting()):
            return
        with registered(settings.data_dir, sortable_id(unit_of_work.clock())) as processes:
            turn = Turn(SEQUENCING, unit_of_work, processes)
            if await turn.hold():
                try:
                    await (await sequencer_of(settings, unit_of_work)).run_once()
                finally:
                    await turn.release()
    except (AgentGuardError, OSError) as error:
        log.warning("audit_sequencing_postponed", error=str(error))
