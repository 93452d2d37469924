"""Chooses adapters by the settings: the embedded ones, or those of real services."""

from __future__ import annotations

import asyncio
import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from agentguard.accounts.principal import system_principal
from agentguard.adapters.files.folders import private_folder
from agentguard.adapters.files.runs import FileRunStore, share_runs
from agentguard.adapters.memory.cache import MemoryCache
from agentguard.adapters.memory.limits import MemoryRateLimits
from agentguard.adapters.memory.notices import MemoryNotices
from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.adapters.sql.sqlite import FILE_NAME
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.bootstrap.app import Shared
from agentguard.catalog.matching import match
from agentguard.catalog.model import Catalog
from agentguard.compute.tasks import task_group
from agentguard.coordination.cache import Layered
from agentguard.graph.model import Graph
from agentguard.graph.projection import GraphProjection
from agentguard.graph.storage.importing import GraphImport
from agentguard.kernel.clock import Clock
from agentguard.kernel.errors import (
    InvalidInputError,
    NotFoundError,
    PackageMissingError,
    UnavailableError,
)
from agentguard.settings import Settings

if TYPE_CHECKING:
    from agentguard.adapters.neo4j.database import Neo4jDatabase

log = structlog.get_logger(__name__)


class DataDirectoryError(InvalidInputError):
    """The data directory cannot be used."""

    code = "bad-data-directory"


def make_folder(folder: Path) -> None:
    """Create the data directory, private to this user.

    Raises DataDirectoryError if that fails or if no file can be created there.
    """
    try:
        private_folder(folder)
    except OSError as error:
        reason = f"The data directory {str(folder)!r} cannot be created: {error.strerror}."
        raise DataDirectoryError(f"{reason} Set AGENTGUARD_DATA_DIR.") from error
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DataDirectoryError(_unwritable(folder, error)) from error


def _unwritable(folder: Path, error: OSError) -> str:
    reason = f"The data directory {str(folder)!r} is not writable: {error.strerror}."
    if error.errno == errno.EROFS:
        return f"{reason} Mount its disk for writing, or set AGENTGUARD_DATA_DIR to another folder."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{reason} Free some space, or set AGENTGUARD_DATA_DIR to another disk."
    return f"{reason} Allow this user to write there, or set AGENTGUARD_DATA_DIR to another folder."


class NoDataError(NotFoundError):
    """A command reads a data directory in which AgentGuard has stored nothing."""

    code = "no-data"

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"No AgentGuard data in {str(folder)!r}. Run `agentguard scan PATH` or `agentguard"
            " serve` first, or set --data-dir or AGENTGUARD_DATA_DIR to the directory that holds"
            " the data."
        )


def refuse_empty(settings: Settings) -> None:
    """Raise NoDataError where the data directory has no database; one in PostgreSQL may be used."""
    if settings.postgres is None and not (settings.data_dir / FILE_NAME).is_file():
        raise NoDataError(settings.data_dir)


@contextmanager
def extra(setting: str, group: str = "services") -> Iterator[None]:
    """Say which setting needs the optional packages, a group, that are imported within."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise PackageMissingError(setting, error.name or "", group) from error


def postgresql(settings: Settings) -> PostgreSQL | None:
    """Return where PostgreSQL is, or None for SQLite."""
    if settings.postgres is None:
        return None
    return PostgreSQL(
        settings.postgres.get_secret_value(),
        settings.database_pool_size,
        settings.database_timeout_seconds,
    )


POSTGRESQL, NEO4J = "postgresql", "neo4j"


def runs_folder(data_dir: Path, store: str = "") -> Path:
    """Return the folder of the runs of a database's graph versions: SQLite's, or another store's.

    Each store deletes runs that none of its versions own, so each has a folder of its own. That of
    Neo4j is left from when it held the versions.
    """
    return data_dir / "graphs" / store


def run_store(settings: Settings, clock: Clock) -> FileRunStore:
    return FileRunStore(_runs_folder(settings), clock)


def _runs_folder(settings: Settings) -> Path:
    return runs_folder(settings.data_dir, POSTGRESQL if settings.postgres else "")


async def open_neo4j_database(stack: AsyncExitStack, settings: Settings) -> Neo4jDatabase | None:
    """Return the Neo4j database that is set, not connected yet, or None."""
    if settings.neo4j is None:
        return None
    with extra("NEO4J_URI"):
        from agentguard.adapters.neo4j.database import Credentials, open_neo4j
    password = settings.neo4j_password
    who = (
        Credentials(settings.neo4j_user or "neo4j", password.get_secret_value())
        if password
        else None
    )
    name = settings.neo4j_database or "neo4j"
    opening = open_neo4j(settings.neo4j, who, name, settings.neo4j_timeout_seconds)
    return await stack.enter_async_context(opening)


def projection_in(
    neo4j: Neo4jDatabase | None, catalog: Catalog | None, clock: Clock
) -> GraphProjection | None:
    if neo4j is None:
        return None
    from agentguard.adapters.neo4j.projection import Neo4jProjection

    return Neo4jProjection(neo4j, clock, partial(_standings, catalog))


async def import_former_graphs(
    neo4j: Neo4jDatabase | None, settings: Settings, unit_of_work: SqlUnitOfWork
) -> None:
    """Move graph versions that an older AgentGuard kept in Neo4j into the database.

    Their folder of runs tells that there may be some; it goes once they are moved. Where Neo4j is
    unreachable a warning is logged, and the next start tries again.
    """
    former = runs_folder(settings.data_dir, NEO4J)
    if neo4j is None or not await asyncio.to_thread(former.exists):
        return
    from agentguard.adapters.neo4j.former_graphs import Neo4jFormerGraphs

    await asyncio.to_thread(share_runs, former, _runs_folder(settings))
    try:
        moved = await GraphImport(unit_of_work).run(
            system_principal("migration"), Neo4jFormerGraphs(neo4j)
        )
    except UnavailableError as error:
        log.warning("graphs_not_moved_from_neo4j", error=str(error))
        return
    # Again: a sweep meanwhile could delete runs whose versions were not there yet.
    await asyncio.to_thread(share_runs, former, _runs_folder(settings))
    await asyncio.to_thread(shutil.rmtree, former)
    log.info("graphs_moved_from_neo4j", versions=moved)


def _standings(catalog: Catalog | None, graph: Graph) -> dict[str, str]:
    return {found.component: found.standing.value for found in match(graph, catalog).components}


async def coordination(stack: AsyncExitStack, settings: Settings) -> Shared:
    limits = MemoryRateLimits(settings.rate_limit) if settings.rate_limit else None
    own = Shared(MemoryCache(), MemoryNotices(), limits)
    return (
        own
        if settings.redis is None
        else await _through_redis(stack, settings.redis.get_secret_value(), settings, own)
    )


async def _through_redis(
    stack: AsyncExitStack, url: str, settings: Settings, own: Shared
) -> Shared:
    with extra("REDIS_URL"):
        from agentguard.adapters.redis.cache import RedisCache
        from agentguard.adapters.redis.connection import open_connection
        from agentguard.adapters.redis.limits import RedisRateLimits
        from agentguard.adapters.redis.notices import RedisNotices
    connection = await stack.enter_async_context(
        open_connection(url, timeout_seconds=settings.redis_timeout_seconds)
    )
    limits = RedisRateLimits(connection, settings.rate_limit, own.limits) if own.limits else None
    notices = RedisNotices(connection, own.notices)
    tasks = await stack.enter_async_context(task_group())
    stack.callback(tasks.create_task(notices.follow()).cancel)
    return Shared(Layered(own.cache, RedisCache(connection)), notices, limits, connection.ping)
