"""Shows and replaces the keys of the audit log: the files, then the database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentguard.accounts.principal import Principal
from agentguard.adapters.files.audit_key import (
    new_key,
    other_keys,
    put_in_use,
    read_key,
    store_beside,
    write_key,
)
from agentguard.adapters.files.signed_checkpoint import SignedCheckpointFile
from agentguard.audit.checkpoints import Checkpoint
from agentguard.audit.errors import AuditFormatError
from agentguard.audit.handovers import Handover
from agentguard.audit.key_state import KeyState
from agentguard.audit.keys import SigningKey, VerifierKey
from agentguard.audit.rotation import NoNewLogError
from agentguard.bootstrap.app import App
from agentguard.bootstrap.auditing import key_of, keys_of
from agentguard.bootstrap.opening import open_app
from agentguard.bootstrap.wiring import NoDataError
from agentguard.kernel.errors import ConflictError, InvalidInputError, NotFoundError
from agentguard.settings import Settings


class KeyInSettingsError(InvalidInputError):
    """The key comes from the settings, which a command cannot change."""

    code = "audit-key-in-settings"

    def __init__(self) -> None:
        super().__init__(
            "The key of the audit log is set by AGENTGUARD_AUDIT_KEY or AGENTGUARD_AUDIT_KEY_FILE."
            " Run `agentguard audit keys rotate --new-key FILE`: it stores the new key in FILE."
            " Then set AGENTGUARD_AUDIT_KEY_FILE to it on every server; entries wait until then."
        )


class NoKeyError(NotFoundError):
    """There is no key of the audit log."""

    code = "no-audit-key"

    def __init__(self, data_dir: Path) -> None:
        super().__init__(
            f"There is no key of the audit log in {str(data_dir)!r}. One is made when the first"
            " entry is signed. If the log was signed before, restore its key from a backup. If that"
            " key is lost, begin a new log with `agentguard audit keys begin`."
        )


async def public_key(app: App) -> VerifierKey | None:
    """Return the key that signs the log now; None where this process cannot read it."""
    try:
        return await verifier_of(app)
    except (NoKeyError, ConflictError, OSError):
        return None


async def newest_handover(app: App) -> bytes:
    """Return the note of the newest handover. Raises NotFoundError."""
    notes = (await app.audit.key_state()).handovers
    if not notes:
        raise NotFoundError("The key of the audit log was never replaced: there is no note.")
    return notes[-1]


async def key_to_check(app: App) -> VerifierKey | None:
    """Return the key that ought to have signed the log; None: this process can read none."""
    try:
        keys = await _keys(app.settings)
    except (NoKeyError, AuditFormatError, OSError):
        return None
    try:
        return (await app.audit.key_state()).choose(keys).verifier
    except (ConflictError, AuditFormatError):
        return keys[0].verifier


def remembered_checkpoint(settings: Settings) -> bytes | None:
    """Return the newest checkpoint that was signed with this data directory. Raises OSError."""
    return SignedCheckpointFile(settings.data_dir).read()


async def verifier_of(app: App) -> VerifierKey:
    """Return the key that signs the log now.

    Raises NoKeyError, ForeignLogError, KeyReplacedError, AuditFormatError, OSError.
    """
    state = await app.audit.key_state()
    return state.choose(await _keys(app.settings)).verifier


def keys_document(settings: Settings) -> dict[str, Any]:
    """Return the public key of the log, and its former ones.

    Raises ForeignLogError, KeyReplacedError, AuditFormatError, OSError; NoDataError where there is
    neither data nor a key in the settings.
    """
    try:
        return asyncio.run(_keys_document(settings))
    except NoDataError:
        if settings.audit_key is None:
            raise
        return {"key": key_of(settings).verifier.encode(), "former": []}


async def _keys_document(settings: Settings) -> dict[str, Any]:
    async with open_app(settings, create=False) as app:
        state = await app.audit.key_state()
        key = state.choose(await _keys(settings)).verifier
        former = [
            {"key": period.key.encode(), "largest_size": period.largest_size}
            for period in state.chain(key).periods
            if period.key != key
        ]
        return {"key": key.encode(), "former": former}


async def rotate(app: App, actor: Principal, file: Path | None) -> Handover:
    """Hand the log over to a new key, stored in `file` or else in the data directory.

    Killed at any moment, it leaves the old or the new key in charge, and both are stored. Repeated
    with the same file, it goes on with the key in it. Raises KeyInSettingsError, ForeignLogError,
    KeyReplacedError, AuditFormatError, OSError.
    """
    settings = app.settings
    if file is None and settings.audit_key is not None:
        raise KeyInSettingsError
    old = (await app.audit.key_state()).choose(await _keys(settings))
    new = await asyncio.to_thread(_stored_key, settings, old, file)
    made = await app.key_rotation.rotate(actor, old, new)
    if file is None:
        await asyncio.to_thread(put_in_use, settings.data_dir, new)
    return made


async def begin(app: App, actor: Principal, origin: str | None) -> tuple[Checkpoint, VerifierKey]:
    """Begin a new log, as the key of the old one is lost; return the old one's end, the new key.

    Raises NoNewLogError, DamagedLogError, AuditFormatError, OSError.
    """
    state, settings = await app.audit.key_state(), app.settings
    keys = await _readable_keys(settings)
    if keys and _has_key(state, keys):
        raise NoNewLogError(
            "The key of the audit log is not lost. Replace it with `agentguard audit keys rotate`."
        )
    new = keys[0] if settings.audit_key is not None else new_key(origin or settings.audit_origin)
    if settings.audit_key is None:
        await asyncio.to_thread(store_beside, settings.data_dir, new)
    ended = await app.key_rotation.begin(actor, new)
    if settings.audit_key is None:
        await asyncio.to_thread(put_in_use, settings.data_dir, new)
    return ended, new.verifier


def _stored_key(settings: Settings, old: SigningKey, file: Path | None) -> SigningKey:
    """Return the new key, of which the file is durable."""
    new = new_key(old.name)
    if file is None:
        store_beside(settings.data_dir, new)
        return new
    try:
        write_key(file, new)
    except FileExistsError:
        new = read_key(file)
    if new.name != old.name or new == old:
        raise InvalidInputError(
            f"{str(file)!r} holds no new key of {old.name!r}. Choose another path."
        )
    return new


def _has_key(state: KeyState, keys: Sequence[SigningKey]) -> bool:
    try:
        state.choose(keys)
    except ConflictError:
        return False
    return True


async def _readable_keys(settings: Settings) -> Sequence[SigningKey]:
    try:
        return await asyncio.to_thread(keys_of, settings)
    except AuditFormatError:
        if settings.audit_key is not None:
            raise
        return await asyncio.to_thread(other_keys, settings.data_dir)


async def _keys(settings: Settings) -> Sequence[SigningKey]:
    """Return at least one key. Raises NoKeyError, AuditFormatError, OSError."""
    if not (keys := await asyncio.to_thread(keys_of, settings)):
        raise NoKeyError(settings.data_dir)
    return keys
