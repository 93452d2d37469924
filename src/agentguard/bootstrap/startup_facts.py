"""Enters into the audit log what a process finds at its start: catalog and settings."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from agentguard.accounts.principal import system_principal
from agentguard.audit.startup_facts import StartupFact, StartupFacts
from agentguard.audit.store import AuditStores
from agentguard.catalog.model import Catalog, EntryKind
from agentguard.kernel.masking import endpoint_of
from agentguard.settings import Settings, secret_fields
from agentguard.unit_of_work import UnitOfWork

COMMAND, SERVER, WORKER = "command", "server", "worker"
"""Kinds of processes."""
_LONGEST_VALUE = 200
_AGENTS = (EntryKind.AGENT, EntryKind.ANY)


async def enter_startup_facts(
    settings: Settings, catalog: Catalog | None, unit_of_work: UnitOfWork[AuditStores], kind: str
) -> None:
    """Enter the catalog and, for servers and workers, the settings, where they have changed.

    Commands without a catalog say nothing about it. Raises UnavailableError, OSError.
    """
    startup = StartupFacts(unit_of_work)
    if catalog is not None:
        hashed = await asyncio.to_thread(_hash, settings.catalog)
        await startup.enter(_catalog_fact(kind, hashed, catalog))
    if kind == COMMAND:
        return
    if catalog is None and await _was_seen(unit_of_work):
        await startup.enter(_catalog_fact(kind, None, Catalog()))
    who, seen = system_principal(kind), seen_settings(settings)
    facts = {"settings": seen, "version": version("agentguard")}
    await startup.enter(StartupFact(who, "settings.seen", None, facts, of_all=False))


def seen_settings(settings: Settings) -> dict[str, str]:
    """Return each setting as text: of a secret whether it is set, of a URL only where it leads."""
    secret = secret_fields()
    values = {name: getattr(settings, name) for name in sorted(type(settings).model_fields)}
    return {
        f"AGENTGUARD_{name.upper()}": "set" if name in secret and value else _shown(value)
        for name, value in values.items()
    }


async def _was_seen(unit_of_work: UnitOfWork[AuditStores]) -> bool:
    last = await unit_of_work.read(lambda stores: stores.audit.newest("catalog.changed"))
    return last is not None


def _catalog_fact(kind: str, hashed: str | None, catalog: Catalog) -> StartupFact:
    agents = sum(1 for entry in catalog.entries if entry.declares in _AGENTS)
    facts = {"sha256": hashed, "agents": agents}
    return StartupFact(system_principal(kind), "catalog.changed", hashed, facts, of_all=True)


def _hash(paths: Sequence[Path]) -> str:
    """Return the SHA-256 of the file's bytes; of several files, that of their hashes in order."""
    found = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    return found[0] if len(found) == 1 else hashlib.sha256("".join(found).encode()).hexdigest()


def _shown(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, tuple):
        return _cut(", ".join(_shown(each) for each in value))
    return _cut(_place(str(value)))


def _place(text: str) -> str:
    """Return the text; of a URL only scheme, host and port, as the rest may hold a key."""
    if "://" not in text:
        return text
    try:
        return endpoint_of(text)
    except ValueError:
        return "set"


def _cut(text: str) -> str:
    plain = text.encode("utf-8", "replace").decode()
    return plain if len(plain) <= _LONGEST_VALUE else f"{plain[:_LONGEST_VALUE]}…"
