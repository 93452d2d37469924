"""Joins the audit log with its keys and the process that sequences it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import structlog

from agentguard.adapters.files.audit_key import key_in_use, other_keys, signing_key
from agentguard.adapters.files.processes import registered
from agentguard.adapters.files.signed_checkpoint import SignedCheckpointFile
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.audit.errors import AuditFormatError
from agentguard.audit.keys import SignatureType, SigningKey, VerifierKey
from agentguard.audit.sequencing import Sequencer
from agentguard.audit.sequencing_loop import SEQUENCING, SequencingLoop
from agentguard.coordination.turns import Turn
from agentguard.environment import environment, values_in_files
from agentguard.kernel.errors import AgentGuardError
from agentguard.kernel.ids import sortable_id
from agentguard.settings import Settings, SettingsError

log = structlog.get_logger(__name__)


def key_of(settings: Settings) -> SigningKey:
    """Return the key of the settings, or the one in the data directory, made at the first call.

    Raises AuditFormatError, OSError.
    """
    if settings.audit_key is not None:
        return SigningKey.parse(settings.audit_key.get_secret_value())
    return signing_key(settings.data_dir, settings.audit_origin)


def keys_of(settings: Settings) -> Sequence[SigningKey]:
    """Return all keys that this process can read now, the one in use first; it makes none.

    Those of the data directory do not count where the settings name a key. Raises as `key_of`.
    """
    if settings.audit_key is None:
        own = key_in_use(settings.data_dir)
        return (*(() if own is None else (own,)), *other_keys(settings.data_dir))
    now, _ = values_in_files(environment(), ["audit_key"])
    texts = dict.fromkeys((settings.audit_key.get_secret_value(), *now.values()))
    return tuple(SigningKey.parse(text) for text in texts)


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


async def sequencer_of(settings: Settings, unit_of_work: SqlUnitOfWork) -> Sequencer:
    signed = await unit_of_work.read(lambda stores: stores.audit.checkpoint()) is not None
    key = await asyncio.to_thread(_key_to_sign, settings, signed=signed)
    return Sequencer(
        unit_of_work,
        key,
        unit_of_work.clock,
        partial(keys_of, settings),
        SignedCheckpointFile(settings.data_dir),
        spacing_seconds=1.0,
    )


def _key_to_sign(settings: Settings, *, signed: bool) -> SigningKey | None:
    """Return the key in use; a new one only for a log that no key has signed yet."""
    if signed and settings.audit_key is None:
        return key_in_use(settings.data_dir)
    return key_of(settings)


async def sequencing_loop(
    settings: Settings, unit_of_work: SqlUnitOfWork, turn: Callable[[str], Turn]
) -> SequencingLoop:
    """Return the loop that sequences the log."""
    return SequencingLoop(await sequencer_of(settings, unit_of_work), turn(SEQUENCING))


async def pending(unit_of_work: SqlUnitOfWork) -> int:
    """Return how many entries of the audit log are not sequenced."""
    return await unit_of_work.read(lambda stores: stores.audit.waiting())


@asynccontextmanager
async def sequenced_at_last(
    settings: Settings, unit_of_work: SqlUnitOfWork, *, changing: bool
) -> AsyncIterator[None]:
    """Sequence what is pending at the end; unless `changing`, only if there is more of it."""
    before = 0 if changing else await pending(unit_of_work)
    yield
    await sequence_at_last(settings, unit_of_work, before)


async def sequence_at_last(settings: Settings, unit_of_work: SqlUnitOfWork, before: int) -> None:
    """Sequence what a command has appended, unless a server does.

    `before`: entries that were pending when it began. Without new ones nothing is signed, so a
    command that only reads changes nothing. What cannot be sequenced now is left to the next one.
    """
    try:
        if await pending(unit_of_work) <= before:
            return
        await _sequence_alone(settings, unit_of_work, await sequencer_of(settings, unit_of_work))
    except (AgentGuardError, OSError) as error:
        log.warning("audit_sequencing_postponed", error=str(error))


async def _sequence_alone(
    settings: Settings, unit_of_work: SqlUnitOfWork, sequencer: Sequencer
) -> None:
    """Sequence once, unless another process has the lease."""
    with registered(settings.data_dir, sortable_id(unit_of_work.clock())) as processes:
        turn = Turn(SEQUENCING, unit_of_work, processes)
        if await turn.hold():
            try:
                await sequencer.run_once()
            finally:
                await turn.release()
