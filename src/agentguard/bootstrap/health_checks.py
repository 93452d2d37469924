"""Health checks of the parts that a server needs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from agentguard.adapters.sql.database import Database
from agentguard.bootstrap.app import Serving, Shared
from agentguard.compute.pools import Pool
from agentguard.graph.projection import GraphProjection
from agentguard.health import HealthCheck, StillStartingError, TaskFailedError
from agentguard.jobs.dispatch import JobDispatcher
from agentguard.settings import Settings
from agentguard.traces.damage import DamagedFile
from agentguard.traces.validation import COSTLY

_SHOWN_FILES = 5

STALE_SECONDS = 15.0
"""The live graph is called stale when it has not been up to date for so long.

Longer than another host needs to take over from a process that died (LEASE_SECONDS and one look).
"""


def database_part(database: Database, settings: Settings) -> HealthCheck:
    disk = "Check the disk of AGENTGUARD_DATA_DIR."
    server = "Start PostgreSQL, or correct DATABASE_URL or POSTGRES_HOST."
    return HealthCheck(
        "database",
        database.ping,
        f"{server if settings.postgres else disk} See `agentguard doctor`.",
    )


def projection_part(projection: GraphProjection | None) -> tuple[HealthCheck, ...]:
    """Return the check of Neo4j, if the newest graph is shown there."""
    advice = (
        "Start Neo4j, or correct NEO4J_URI. Until then it shows an older graph. See"
        " `agentguard doctor`."
    )
    return () if projection is None else (HealthCheck("neo4j", projection.ping, advice),)


def redis_part(shared: Shared) -> tuple[HealthCheck, ...]:
    advice = (
        "Start Redis, or correct REDIS_URL or REDIS_HOST. Until then, everything works but is"
        " slower. See `agentguard doctor`."
    )
    return (
        (
            HealthCheck(
                "redis",
                shared.ping_redis,
                advice,
            ),
        )
        if shared.ping_redis
        else ()
    )


def broker_part(dispatcher: JobDispatcher, settings: Settings) -> tuple[HealthCheck, ...]:
    """Return the check of the broker, if one is configured."""
    advice = (
        "Start the broker, or correct CELERY_BROKER_URL. Until then, jobs wait. See"
        " `agentguard doctor`."
    )
    return (HealthCheck("broker", dispatcher.ping, advice),) if settings.celery_broker_url else ()


def serving_parts(
    serving: Serving,
    warming: asyncio.Task[None],
    workers: Sequence[Pool[Any]],
    settings: Settings,
) -> tuple[HealthCheck, ...]:
    async def ask_spans() -> str | None:
        _raise_failure(serving.compactor.failure)
        await serving.spans.ping()
        return _quarantined(await serving.spans.damaged())

    async def ask_live_graph() -> str | None:
        _raise_failure(serving.live.failure)
        age = await serving.live.turn.age()
        return None if age <= STALE_SECONDS else f"stale since {_ago(age)}"

    async def ask_workers() -> str | None:
        if not warming.done():
            raise StillStartingError("Worker processes are starting.")
        if max(each.busy_seconds for each in workers) > settings.decode_seconds:
            raise TaskFailedError("DecoderStuck")
        await asyncio.gather(*[each.ping() for each in workers])
        return _costly(serving.receiver.refused[COSTLY])

    return (
        HealthCheck(
            "spans",
            ask_spans,
            "Free space on the disk of AGENTGUARD_DATA_DIR, and make sure that this process can"
            " write there.",
        ),
        HealthCheck(
            "live_graph",
            ask_live_graph,
            "The server retries automatically. If the failure persists, see the error in the log.",
        ),
        HealthCheck(
            "workers",
            ask_workers,
            "They are restarted automatically. If they keep failing, give the machine more memory.",
        ),
    )


def _quarantined(found: Sequence[DamagedFile]) -> str | None:
    """Return what is in quarantine: the newest files, and the number of older ones."""
    if not found:
        return None
    shown = "; ".join(map(str, reversed(found[-_SHOWN_FILES:])))
    more = f"; and {len(found) - _SHOWN_FILES:,} more" if len(found) > _SHOWN_FILES else ""
    return f"In quarantine: {shown}{more}. See `agentguard traces fsck`."


def _costly(refused: int) -> str | None:
    if not refused:
        return None
    return (
        f"{refused:,} OTLP requests were refused since the start because decoding them exceeded"
        " AGENTGUARD_DECODE_SECONDS."
    )


def _ago(seconds: float) -> str:
    """Return the time this many seconds ago, to the second: "2026-11-25T10:00:00Z"."""
    return f"{datetime.now(UTC) - timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"


def _raise_failure(kind: str | None) -> None:
    if kind is not None:
        raise TaskFailedError(kind)
