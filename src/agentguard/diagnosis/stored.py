"""What each kind of stored data occupies, read without changing anything."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from agentguard.adapters.sql.database import inspected_database
from agentguard.adapters.sql.migrating import HEAD
from agentguard.adapters.sql.postgres_inspection import inspect_postgresql
from agentguard.adapters.sql.sqlite import FILE_NAME, revision_of
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.bootstrap.retention import kept_data
from agentguard.bootstrap.wiring import postgresql, run_store
from agentguard.diagnosis.checks import Check, Finding
from agentguard.graph.storage.versions import Graphs
from agentguard.kernel.clock import system_clock, timestamp
from agentguard.kernel.errors import AgentGuardError
from agentguard.retention.policy import Usage
from agentguard.settings import MIB, Settings

STORED = "stored data"


def stored_data(settings: Settings) -> Iterator[Check]:
    """Yield a check per kind; none of the database's kinds unless its schema is up to date."""
    for kind, usage in asyncio.run(_usage(settings, with_rows=is_current(settings))).items():
        yield Check(STORED, Finding.FINE, f"{kind}: {_detail(usage)}.")


def is_current(settings: Settings) -> bool:
    """Return whether the database can be read; what is wrong with it, its own check says."""
    server = postgresql(settings)
    try:
        if server is None:
            return revision_of(settings.data_dir / FILE_NAME) == HEAD
        return inspect_postgresql(server).revision == HEAD
    except AgentGuardError:
        return False


async def _usage(settings: Settings, *, with_rows: bool) -> dict[str, Usage]:
    async with inspected_database(settings.data_dir, postgresql(settings)) as database:
        unit_of_work = SqlUnitOfWork(database, system_clock)
        graphs = Graphs(unit_of_work, run_store(settings, system_clock))
        kept = kept_data(settings, unit_of_work, graphs)
        if with_rows:
            return await kept.usage()
        return {each.kind: await each.usage() for each in kept.files}


def _detail(usage: Usage) -> str:
    oldest = "" if usage.oldest is None else f", oldest {timestamp(usage.oldest)}"
    return f"{usage.count:,} items, {usage.bytes / MIB:,.1f} MiB{oldest}"
