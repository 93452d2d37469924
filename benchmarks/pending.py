"""How long entries of the audit log are pending beside the loop of a server."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median, quantiles

from agentguard.adapters.files.processes import registered
from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.audit.entries import Actor, Event
from agentguard.audit.recording import AuditTrail
from agentguard.audit.store import AuditStores
from agentguard.bootstrap.auditing import sequencing_loop
from agentguard.coordination.turns import Turn
from agentguard.kernel.clock import system_clock
from agentguard.settings import Settings

_A_SECOND = 5
"""Entries, on average; the moments are random."""
_LOOK_SECONDS = 0.01


async def report(seconds: float) -> None:
    """Append to an empty log in SQLite for so long, and print how long entries were pending."""
    waited = await pending_seconds(seconds)
    most = f"p95 {quantiles(waited, n=20)[-1]:.2f} s, longest {max(waited):.2f} s"
    print(f"SQLite, {len(waited)} entries at random moments, {_A_SECOND} a second")
    print(f"  pending            {median(waited):10.2f} s (median; {most})")


async def pending_seconds(seconds: float) -> list[float]:
    """Return, for each entry, the time from its commit to the commit of the checkpoint."""
    with tempfile.TemporaryDirectory(prefix="agentguard-bench-") as name:
        settings = Settings(data_dir=Path(name))
        async with open_database(settings.data_dir) as database:
            unit = SqlUnitOfWork(database, system_clock)
            with registered(settings.data_dir, "bench") as processes:
                loop = await sequencing_loop(settings, unit, lambda of: Turn(of, unit, processes))
                running = asyncio.create_task(loop.run())
                try:
                    return await _measured(unit, seconds)
                finally:
                    running.cancel()
                    await asyncio.wait([running])


async def _measured(unit: SqlUnitOfWork, seconds: float) -> list[float]:
    committed, signed = list[float](), list[float]()
    appending = asyncio.create_task(_append(unit, seconds, committed))
    while not appending.done() or len(signed) < len(committed):
        newest = await unit.read(lambda stores: stores.audit.checkpoint())
        size = 0 if newest is None else newest.size
        signed += [time.monotonic()] * (size - len(signed))
        await asyncio.sleep(_LOOK_SECONDS)
    await appending
    return [end - begun for begun, end in zip(committed, signed, strict=True)]


async def _append(unit: SqlUnitOfWork, seconds: float, committed: list[float]) -> None:
    chance, ends = random.Random(1), time.monotonic() + seconds
    actor = Actor("api-key:bootstrap", "api_key")
    while time.monotonic() < ends:
        await asyncio.sleep(chance.expovariate(_A_SECOND))
        event = Event(actor, "x.done", str(len(committed)), None, (), {})
        await unit.run(partial(_record, event))
        committed.append(time.monotonic())


async def _record(event: Event, stores: AuditStores) -> None:
    await AuditTrail().record_all(stores.audit, [event])
