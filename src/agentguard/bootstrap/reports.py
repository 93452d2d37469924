"""Joins Sentry, where it is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from agentguard.bootstrap.wiring import extra
from agentguard.logs import Report, nowhere
from agentguard.settings import Settings


@contextmanager
def reporting(settings: Settings) -> Iterator[Report]:
    """Give what tells Sentry of errors, where SENTRY_DSN is set.

    When left, what waits is sent, for two seconds at most.

    Raises PackageMissingError where Sentry is wanted and its package is not there.
    """
    if settings.sentry_dsn is None:
        yield nowhere
        return
    with extra("SENTRY_DSN"):
        from agentguard.adapters.sentry.reporting import open_reports
    with open_reports(
        settings.sentry_dsn.get_secret_value(),
        release=release(),
        environment=settings.sentry_environment,
    ) as report:
        yield report


def release() -> str:
    """Return what Sentry calls this version."""
    return f"agentguard@{version('agentguard')}"
