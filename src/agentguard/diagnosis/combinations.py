"""Settings that are each in order and together do not do what somebody may believe."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from agentguard.diagnosis.checks import Check, Finding
from agentguard.settings import Settings

PROCESSES = "WEB_CONCURRENCY"
"""What gunicorn and uvicorn read to know how many processes to start."""


def combinations(settings: Settings, variables: Mapping[str, str]) -> Iterator[Check]:
    """Yield a warning for each, or that there are none. Asks nobody."""
    several = _number(variables.get(PROCESSES, "")) > 1
    found = [
        *_reachable(settings),
        *_processes(settings, several=several),
        *_workers(settings),
        *_times(settings),
    ]
    yield from (Check("combination", Finding.WARNING, sentence) for sentence in found)
    if not found:
        yield Check("combination", Finding.FINE, "The settings go together.")


def _reachable(settings: Settings) -> Iterator[str]:
    if _is_loopback(settings.api_host):
        return
    if settings.api_key is None:
        yield (
            f"API_HOST is {settings.api_host}, but without AGENTGUARD_API_KEY only this machine is"
            " answered. Set a key, or API_HOST to 127.0.0.1."
        )
    if settings.debug:
        yield (
            "DEBUG logs every request, and API_HOST lets other machines in. Unset DEBUG where many"
            " people ask."
        )


def _processes(settings: Settings, *, several: bool) -> Iterator[str]:
    if several and settings.postgres is None:
        yield (
            f"{PROCESSES} starts several processes, which take turns to write to SQLite. Set"
            " DATABASE_URL for them to write side by side."
        )
    if several and settings.redis is None and settings.rate_limit:
        yield (
            f"{PROCESSES} starts several processes, each of which counts AGENTGUARD_RATE_LIMIT for"
            " itself. Set REDIS_URL for one count."
        )


def _workers(settings: Settings) -> Iterator[str]:
    if settings.celery_broker_url is None:
        return
    if settings.postgres is None:
        yield (
            "CELERY_BROKER_URL hands jobs to workers, but the table that says what they are is"
            " SQLite's: only workers on this machine, with the same AGENTGUARD_DATA_DIR, can do"
            " them. Set DATABASE_URL for workers elsewhere."
        )
    if settings.redis is not None and _server(settings.redis.get_secret_value()) == _server(
        settings.celery_broker_url.get_secret_value()
    ):
        yield (
            "REDIS_URL and CELERY_BROKER_URL name one Redis: made to forget what is old when it is"
            " full, it loses jobs' messages too (they are found again, later); made to keep all, it"
            " takes no more answers. Give each a server."
        )


def _times(settings: Settings) -> Iterator[str]:
    if settings.window_hours > settings.retention_hours:
        yield (
            f"AGENTGUARD_WINDOW_HOURS is {settings.window_hours:g}, but spans are deleted after"
            f" {settings.retention_hours:g} hours (AGENTGUARD_RETENTION_HOURS): the live graph"
            " shows no more than those."
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
