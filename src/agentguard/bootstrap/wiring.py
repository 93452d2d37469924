"""Chooses adapters by the settings: the embedded ones, or those of real services."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path

from agentguard.adapters.files.runs import FileRunStore
from agentguard.adapters.memory.cache import MemoryCache
from agentguard.adapters.memory.limits import MemoryRateLimits
from agentguard.adapters.memory.notices import MemoryNotices
from agentguard.adapters.sql.database import Database
from agentguard.adapters.sql.graphs import SqlGraphStore
from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.bootstrap.app import Shared
from agentguard.catalog.matching import match
from agentguard.catalog.model import Catalog
from agentguard.compute.tasks import task_group
from agentguard.coordination.cache import Layered
from agentguard.graph.model import Graph
from agentguard.graph.store import GraphStore
from agentguard.kernel.clock import Clock
from agentguard.kernel.errors import InvalidInputError, PackageMissingError
from agentguard.settings import Settings


class DataDirectoryError(InvalidInputError):
    """The data directory cannot be used."""

    code = "bad-data-directory"


def make_folder(folder: Path) -> None:
    """Make the data directory; raise DataDirectoryError where that is not possible."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = f"The data directory {str(folder)!r} cannot be made: {error.strerror}."
        raise DataDirectoryError(f"{reason} Set AGENTGUARD_DATA_DIR.") from error


@contextmanager
def extra(setting: str) -> Iterator[None]:
    """Say which setting needs the optional packages that are imported within."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise PackageMissingError(setting, error.name or "") from error


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
    """Return where the runs of graph versions are.

    Of SQLite's, or of another store's in a folder of their own.

    Each store deletes runs that none of its versions own, and whoever goes back to another one
    finds that one's where they were.
    """
    return data_dir / "graphs" / store


async def graph_store(
    stack: AsyncExitStack,
    settings: Settings,
    database: Database,
    catalog: Catalog | None,
    clock: Clock,
) -> GraphStore:
    store = NEO4J if settings.neo4j else POSTGRESQL if settings.postgres else ""
    run_store = FileRunStore(runs_folder(settings.data_dir, store), clock)
    if settings.neo4j is None:
        return SqlGraphStore(database, run_store, clock, settings.versions_kept)
    return await _neo4j_graphs(
        stack, settings, settings.neo4j, run_store, partial(_standings, catalog)
    )


async def _neo4j_graphs(
    stack: AsyncExitStack,
    settings: Settings,
    uri: str,
    run_store: FileRunStore,
    standings: Callable[[Graph], Mapping[str, str]],
) -> GraphStore:
    with extra("NEO4J_URI"):
        from agentguard.adapters.neo4j.database import Credentials, open_neo4j
        from agentguard.adapters.neo4j.graphs import Neo4jGraphStore
    password = settings.neo4j_password
    who = (
        Credentials(settings.neo4j_user or "neo4j", password.get_secret_value())
        if password
        else None
    )
    opening = open_neo4j(
        uri, who, settings.neo4j_database or "neo4j", settings.neo4j_timeout_seconds
    )
    server = await stack.enter_async_context(opening)
    return Neo4jGraphStore(server, run_store, run_store.clock, settings.versions_kept, standings)


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
