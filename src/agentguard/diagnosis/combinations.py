"""Settings that are valid on their own but conflict in combination."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from agentguard.bootstrap.account_inspection import accounts_exist
from agentguard.diagnosis.checks import Check, Finding
from agentguard.kernel.errors import AgentGuardError
from agentguard.settings import Settings

PROCESSES = "WEB_CONCURRENCY"
"""Number of processes, read by gunicorn and uvicorn."""


def combinations(settings: Settings, variables: Mapping[str, str]) -> Iterator[Check]:
    """Yield a warning for each conflict, or one FINE finding.

    Contacts the database only if an open address makes it matter.
    """
    several = _number(variables.get(PROCESSES, "")) > 1
    found = [
        *_reachable(settings),
        *_processes(settings, several=several),
        *_workers(settings),
        *_times(settings),
    ]
    yield from (Check("combination", Finding.WARNING, sentence) for sentence in found)
    if not found:
        yield Check("combination", Finding.FINE, "The settings are consistent.")


def _reachable(settings: Settings) -> Iterator[str]:
    if _is_loopback(settings.api_host):
        return
    authenticated = settings.api_key or settings.proxy_authenticates or settings.users
    if not (authenticated or _accounts_exist(settings)):
        yield (
            f"API_HOST is {settings.api_host}, but no API key is set: the server does not start."
            " Set AGENTGUARD_API_KEY, run `agentguard keys create`, or set API_HOST to 127.0.0.1."
        )
    if settings.debug:
        yield (
            "DEBUG logs every request, and API_HOST accepts connections from other machines. Unset"
            " DEBUG in production."
        )


def _accounts_exist(settings: Settings) -> bool:
    """Return whether there are keys; False where the database cannot be asked."""
    try:
        return asyncio.run(accounts_exist(settings))
    except AgentGuardError:
        return False


def _processes(settings: Settings, *, several: bool) -> Iterator[str]:
    if several and settings.postgres is None:
        yield (
            f"{PROCESSES} starts several processes, but SQLite allows one writer at a time. Set"
            " DATABASE_URL to use PostgreSQL."
        )
    if several and settings.redis is None and settings.rate_limit:
        yield (
            f"{PROCESSES} starts several processes, and each applies AGENTGUARD_RATE_LIMIT"
            " separately. Set REDIS_URL to share one count."
        )


def _workers(settings: Settings) -> Iterator[str]:
    if settings.celery_broker_url is None:
        return
    if settings.postgres is None:
        yield (
            "CELERY_BROKER_URL is set, but jobs are stored in SQLite: only workers on this machine"
            " with the same AGENTGUARD_DATA_DIR can run them. Set DATABASE_URL to run workers on"
            " other machines."
        )
    if settings.redis is not None and _server(settings.redis.get_secret_value()) == _server(
        settings.celery_broker_url.get_secret_value()
    ):
        yield (
            "REDIS_URL and CELERY_BROKER_URL name the same Redis server. When it is full, an"
            " eviction policy drops job messages too (they are redelivered later), and without one"
            " the cache accepts no more values. Use a separate server for each."
        )


def _times(settings: Settings) -> Iterator[str]:
    if settings.window_hours > settings.retention_hours:
        yield (
            f"AGENTGUARD_WINDOW_HOURS is {settings.window_hours:g}, but spans are deleted after"
            f" {settings.retention_hours:g} hours (AGENTGUARD_RETENTION_HOURS), so the live graph"
            " covers only those. Raise the retention or shorten the window."
        )


def _server(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme.removesuffix("s"), parts.hostname, parts.port or 6379


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 1
