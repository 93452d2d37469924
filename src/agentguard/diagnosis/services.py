"""Checks of the services that are set: each is asked for real, and where one is broken the sentence says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from agentguard.adapters.sql.migrating import HEAD
from agentguard.adapters.sql.postgres_inspection import DatabaseServer, inspect_postgresql
from agentguard.adapters.sql.sqlite import inspect_database
from agentguard.bootstrap import extra, postgresql, release
from agentguard.diagnosis.checks import Check, Finding, Group
from agentguard.kernel.masking import masked
from agentguard.settings import MIB, Settings

_OLDEST_POSTGRESQL, _OLDEST_NEO4J, _OLDEST_REDIS, _OLDEST_RABBITMQ = 15, 5, 6, (3, 10)


def services(settings: Settings, *, send_test_event: bool) -> list[Group]:
    """Return the checks of what may be a server of its own."""
    return [
        Group("database", lambda: _database(settings)),
        Group("graph store", lambda: _graph_store(settings)),
        Group("cache", lambda: _cache(settings.redis.get_secret_value() if settings.redis else None)),
        Group("broker", lambda: _broker(settings)),
        Group("Sentry", lambda: _sentry(settings, send_test_event=send_test_event)),
    ]


def _database(settings: Settings) -> Iterator[Check]:
    server = postgresql(settings)
    yield from _file(settings.data_dir) if server is None else _database_server(inspect_postgresql(server))


def _file(folder: Path) -> Iterator[Check]:
    found = inspect_database(folder)
    if found is None:
        yield Check("database", Finding.FINE, "There is none yet; the first command that stores something makes it.")
        return
    for fault in found.faults:
        yield Check("database", Finding.BROKEN, f"It is damaged: {fault}. Restore it from a backup.")
    newer = found.revision is not None and found.revision > HEAD
    detail = f"Schema {found.revision} (this version's: {HEAD}), journal mode {found.mode}, {found.log_bytes / MIB:,.1f} MiB of log."
    yield Check("database", Finding.BROKEN if newer else Finding.FINE, detail)


def _database_server(found: DatabaseServer) -> Iterator[Check]:
    faults = list(_database_faults(found))
    yield from (Check("database", Finding.BROKEN, f"{found.place} {fault}") for fault in faults)
    if not faults:
        yield Check("database", Finding.FINE, f"{found.place}: PostgreSQL {found.version}, {_schema(found.revision)}.")


def _database_faults(found: DatabaseServer) -> Iterator[str]:
    if found.major < _OLDEST_POSTGRESQL:
        yield f"is PostgreSQL {found.version}. Upgrade it to {_OLDEST_POSTGRESQL} or newer."
    if found.encoding != "UTF8":
        yield f"keeps text as {found.encoding}. Create the database anew with the encoding UTF8."
    if found.read_only:
        yield "takes no writes. Set DATABASE_URL or POSTGRES_HOST to the primary server, not to a copy of it."
    if not found.may_create:
        yield "does not let this user create tables. Say `GRANT CREATE ON SCHEMA public TO …` there."
    if found.revision is not None and found.revision > HEAD:
        yield f"was written by a newer AgentGuard (schema {found.revision}, this one knows {HEAD}). Upgrade AgentGuard."


def _schema(revision: str | None) -> str:
    if revision is None:
        return "no tables yet; `agentguard migrate` or the first start makes them"
    return f"schema {revision}" + ("" if revision == HEAD else f"; `agentguard migrate` or the next start brings it to {HEAD}")


def _graph_store(settings: Settings) -> Iterator[Check]:
    if settings.neo4j is None:
        yield Check("graph store", Finding.FINE, "NEO4J_URI is not set: graphs are kept in the database.")
        return
    with extra("NEO4J_URI"):
        from agentguard.adapters.neo4j.inspection import inspect_neo4j
    password = settings.neo4j_password.get_secret_value() if settings.neo4j_password else None
    found = inspect_neo4j(settings.neo4j, settings.neo4j_user, password, settings.neo4j_database)
    known = f"{masked(settings.neo4j)}: Neo4j {found.version} ({found.edition})"
    if found.major < _OLDEST_NEO4J:
        yield Check("graph store", Finding.BROKEN, f"{known}. Upgrade it to {_OLDEST_NEO4J} or newer.")
    elif found.constrained:
        yield Check("graph store", Finding.FINE, f"{known}, prepared for graphs.")
    else:
        yield Check("graph store", Finding.FINE, f"{known}; nothing of ours is there yet, the first graph prepares it.")


def _cache(url: str | None) -> Iterator[Check]:
    if url is None:
        yield Check("cache", Finding.FINE, "REDIS_URL is not set: cache, rate limits and live updates are in each process.")
        return
    with extra("REDIS_URL"):
        from agentguard.adapters.redis.inspection import inspect_redis
    found = inspect_redis(url)
    known = f"{_place(url)}: {found.product} {found.version}"
    if found.read_only:
        yield Check("cache", Finding.BROKEN, f"{known}, a copy that takes no writes. Set REDIS_URL to the primary server.")
    elif found.major < _OLDEST_REDIS:
        yield Check("cache", Finding.WARNING, f"{known} is older than what is tested. Upgrade it to {_OLDEST_REDIS} or newer.")
    elif found.most_bytes and found.eviction == "noeviction":
        full = f"takes nothing more once it holds {found.most_bytes / MIB:,.0f} MiB. Set its maxmemory-policy to allkeys-lru."
        yield Check("cache", Finding.WARNING, f"{known} {full}")
    else:
        unlimited = "" if found.most_bytes else ", which may use all memory (set its maxmemory where it shares a machine)"
        yield Check("cache", Finding.FINE, f"{known}, maxmemory-policy {found.eviction}{unlimited}.")


def _broker(settings: Settings) -> Iterator[Check]:
    if settings.celery_broker_url is None:
        yield Check("broker", Finding.FINE, "CELERY_BROKER_URL is not set: the server runs jobs itself.")
        return
    with extra("CELERY_BROKER_URL"):
        from agentguard.adapters.celery.inspection import inspect_broker
    url = settings.celery_broker_url.get_secret_value()
    found = inspect_broker(url, settings.jobs_queue)
    known = f"{_place(url)}: {found.product} {found.version or ''}".rstrip()
    queue = f"queue {settings.jobs_queue!r}"
    if found.version is not None and found.release < _OLDEST_RABBITMQ:
        oldest = ".".join(str(number) for number in _OLDEST_RABBITMQ)
        yield Check("broker", Finding.BROKEN, f"{known}. Upgrade it to {oldest} or newer.")
    elif not found.exists:
        yield Check("broker", Finding.WARNING, f"{known}; there is no {queue} yet. Start a worker, which makes it.")
    elif found.consumers == 0:
        yield Check("broker", Finding.WARNING, f"{known}; nobody listens to {queue}, {found.messages:,} wait in it. Start a worker.")
    else:
        listening = "" if found.consumers is None else f", {found.consumers:,} workers listen"
        yield Check("broker", Finding.FINE, f"{known}; {queue}: {found.messages:,} wait{listening}.")


def _sentry(settings: Settings, *, send_test_event: bool) -> Iterator[Check]:
    if settings.sentry_dsn is None:
        yield Check("Sentry", Finding.FINE, "SENTRY_DSN is not set: errors are in the log only.")
        return
    with extra("SENTRY_DSN"):
        from agentguard.adapters.sentry.inspection import inspect_dsn
        from agentguard.adapters.sentry.inspection import send_test_event as send
    dsn = settings.sentry_dsn.get_secret_value()
    project = inspect_dsn(dsn)
    known = f"Errors go to {project.host}, project {project.number}, environment {settings.sentry_environment!r}."
    if not send_test_event:
        yield Check("Sentry", Finding.FINE, f"{known} It was not asked; --send-test-event sends it an event.")
        return
    event = send(dsn, release=release(), environment=settings.sentry_environment)
    yield Check("Sentry", Finding.FINE, f"{known} It took the event {event}.")


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"
