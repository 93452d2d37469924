"""Running a worker."""

from __future__ import annotations

import os

from agentguard.bootstrap.broker import refuse_if_refused, worker_of
from agentguard.bootstrap.startup_warnings import warn_of_unused_settings
from agentguard.logs import configure_logs
from agentguard.settings import Settings
from agentguard.worker.process import OpenedApp


def work(settings: Settings, concurrency: int | None) -> int:
    """Run jobs until stopped; return the exit code.

    Raise NoBrokerError, BrokerRejectedError or PackageMissingError.
    """
    os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")  # before Celery is imported, which reads it
    configure_logs(debug=settings.debug)
    warn_of_unused_settings()
    refuse_if_refused(settings)
    return worker_of(settings, OpenedApp(settings)).run(concurrency)
