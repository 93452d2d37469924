"""Checks of the configured services; each is contacted, except Sentry."""

from __future__ import annotations

from collections.abc import Iterator

from agentguard.adapters.sql.postgres_inspection import inspect_postgresql
from agentguard.adapters.sql.sqlite import inspect_database
from agentguard.bootstrap.chain import WEB3, evm_chain
from agentguard.bootstrap.reports import release
from agentguard.bootstrap.wiring import extra, postgresql
from agentguard.diagnosis.checks import Check, Finding, Group
from agentguard.diagnosis.judging import (
    ANCHORS,
    BROKER,
    CACHE,
    DATABASE,
    NEO4J,
    judge_broker,
    judge_chain,
    judge_file,
    judge_neo4j,
    judge_postgresql,
    judge_redis,
)
from agentguard.kernel.masking import endpoint_of
from agentguard.service_settings import secret_text
from agentguard.settings import Settings

_SENTRY = "Sentry"


def services(settings: Settings, *, send_test_event: bool) -> list[Group]:
    """Return the checks of the database and of the optional services."""
    return [
        Group(DATABASE, lambda: _database(settings)),
        Group(NEO4J, lambda: _neo4j(settings)),
        Group(CACHE, lambda: _cache(settings)),
        Group(BROKER, lambda: _broker(settings)),
        Group(ANCHORS, lambda: _anchors(settings)),
        Group(_SENTRY, lambda: _sentry(settings, send_test_event=send_test_event)),
    ]


def _database(settings: Settings) -> Iterator[Check]:
    server = postgresql(settings)
    yield from (
        judge_file(inspect_database(settings.data_dir))
        if server is None
        else judge_postgresql(inspect_postgresql(server))
    )


def _neo4j(settings: Settings) -> Iterator[Check]:
    if settings.neo4j is None:
        yield Check(NEO4J, Finding.FINE, "NEO4J_URI is not set: graphs are not projected to Neo4j.")
        return
    with extra("NEO4J_URI"):
        from agentguard.adapters.neo4j.inspection import inspect_neo4j
    password = secret_text(settings.neo4j_password) or None
    found = inspect_neo4j(
        settings.neo4j, settings.neo4j_user, password, settings.neo4j_database or "neo4j"
    )
    yield judge_neo4j(settings.neo4j, found)


def _cache(settings: Settings) -> Iterator[Check]:
    if settings.redis is None:
        yield Check(
            CACHE,
            Finding.FINE,
            "REDIS_URL is not set: cache, rate limits and live updates are per process.",
        )
        return
    with extra("REDIS_URL"):
        from agentguard.adapters.redis.inspection import inspect_redis
    url = settings.redis.get_secret_value()
    yield judge_redis(endpoint_of(url), inspect_redis(url))


def _broker(settings: Settings) -> Iterator[Check]:
    if settings.celery_broker_url is None:
        yield Check(BROKER, Finding.FINE, "CELERY_BROKER_URL is not set: the server runs the jobs.")
        return
    with extra("CELERY_BROKER_URL"):
        from agentguard.adapters.celery.inspection import inspect_broker
    url = settings.celery_broker_url.get_secret_value()
    yield judge_broker(
        endpoint_of(url), settings.jobs_queue, inspect_broker(url, settings.jobs_queue)
    )


def _anchors(settings: Settings) -> Iterator[Check]:
    if settings.web3_provider_url is None:
        meant = settings.web3_private_key or settings.web3_contract_address
        yield Check(
            ANCHORS,
            Finding.WARNING if meant else Finding.FINE,
            "WEB3_PROVIDER_URL is not set: the audit log is not anchored on a chain.",
        )
        return
    chain = evm_chain(settings)
    if chain is None:
        yield Check(
            ANCHORS,
            Finding.BROKEN,
            "WEB3_PRIVATE_KEY is not set, so nothing can be anchored. Set it to the key of the"
            " account that pays.",
        )
        return
    with extra("WEB3_PROVIDER_URL", WEB3):
        from agentguard.adapters.evm.inspection import inspect_chain
    yield from judge_chain(inspect_chain(chain))


def _sentry(settings: Settings, *, send_test_event: bool) -> Iterator[Check]:
    if settings.sentry_dsn is None:
        yield Check(_SENTRY, Finding.FINE, "SENTRY_DSN is not set: errors are only logged.")
        return
    with extra("SENTRY_DSN"):
        from agentguard.adapters.sentry.inspection import inspect_dsn
        from agentguard.adapters.sentry.inspection import send_test_event as send
    dsn = settings.sentry_dsn.get_secret_value()
    project = inspect_dsn(dsn)
    known = (
        f"Errors go to {project.host}, project {project.number}, environment"
        f" {settings.sentry_environment!r}."
    )
    if not send_test_event:
        yield Check(
            _SENTRY,
            Finding.FINE,
            f"{known} Sentry was not contacted; --send-test-event sends it an event.",
        )
        return
    event = send(dsn, release=release(), environment=settings.sentry_environment)
    yield Check(_SENTRY, Finding.FINE, f"{known} Sentry accepted the event {event}.")
