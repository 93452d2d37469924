"""The parts that a server stands on, each with the question that shows whether it works."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from agentguard.adapters.sql.database import Database
from agentguard.bootstrap.app import Serving, Shared
from agentguard.compute.pools import Pool
from agentguard.graph.projection import GraphProjection
from agentguard.health import HealthCheck, RoundFailedError, StillStartingError
from agentguard.jobs.dispatch import JobDispatcher
from agentguard.settings import Settings


def database_part(database: Database, settings: Settings) -> HealthCheck:
    disk = "Look at the disk that AGENTGUARD_DATA_DIR is on."
    server = "Start PostgreSQL, or set DATABASE_URL or POSTGRES_HOST to where it runs."
    return HealthCheck(
        "database",
        database.ping,
        f"{server if settings.postgres else disk} `agentguard doctor` says more.",
    )


def projection_part(projection: GraphProjection | None) -> tuple[HealthCheck, ...]:
    """Return the check of Neo4j, where the newest graph is shown there."""
    advice = (
        "Start Neo4j, or set NEO4J_URI to its address. Until then it shows an older graph. See"
        " `agentguard doctor`."
    )
    return () if projection is None else (HealthCheck("graphs", projection.ping, advice),)


def redis_part(shared: Shared) -> tuple[HealthCheck, ...]:
    start = (
        "Start Redis, or set REDIS_URL or REDIS_HOST to where it runs. `agentguard doctor` says"
        " more."
    )
    return (
        (
            HealthCheck(
                "redis",
                shared.ping_redis,
                f"{start} Until then everything is slower, nothing is wrong.",
            ),
        )
        if shared.ping_redis
        else ()
    )


def broker_part(delivery: JobDispatcher, settings: Settings) -> tuple[HealthCheck, ...]:
    """Return the broker as a part, where there is one."""
    advice = (
        "Start the broker, or set CELERY_BROKER_URL to where it runs. Jobs are kept meanwhile."
        " `agentguard doctor` says more."
    )
    return (HealthCheck("broker", delivery.ping, advice),) if settings.celery_broker_url else ()


def serving_parts(
    serving: Serving, warming: asyncio.Task[None], workers: Sequence[Pool[Any]]
) -> tuple[HealthCheck, ...]:
    async def ask_spans() -> None:
        _raise_failure(serving.compactor.failure)
        await serving.spans.ping()

    async def ask_live_graph() -> None:
        _raise_failure(serving.live.failure)

    async def ask_workers() -> None:
        if not warming.done():
            raise StillStartingError("Worker processes are starting.")
        await asyncio.gather(*[each.ping() for each in workers])

    return (
        HealthCheck(
            "spans",
            ask_spans,
            "Make room on the disk that AGENTGUARD_DATA_DIR is on, and let this process write"
            " there.",
        ),
        HealthCheck(
            "live_graph",
            ask_live_graph,
            "It is tried again by itself; where that does not help, see the error in the log.",
        ),
        HealthCheck(
            "workers",
            ask_workers,
            "They are started again by themselves; where that repeats, give the machine more"
            " memory.",
        ),
    )


def _raise_failure(kind: str | None) -> None:
    if kind is not None:
        raise RoundFailedError(kind)
