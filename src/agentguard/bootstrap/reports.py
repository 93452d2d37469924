"""Wires error reports to Sentry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from agentguard.bootstrap.wiring import extra
from agentguard.logs import Report, nowhere
from agentguard.settings import Settings


@contextmanager
def reporting(settings: Settings) -> Iterator[Report]:
    """Yield the function that reports errors to Sentry if SENTRY_DSN is set, else nowhere.

    On exit, queued reports are sent, for at most two seconds. Raises PackageMissingError if
    SENTRY_DSN is set and Sentry's package is not installed.
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
    """Return the name of this release in Sentry."""
    return f"agentguard@{version('agentguard')}"
