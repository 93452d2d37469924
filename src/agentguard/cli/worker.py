"""`agentguard worker`: runs jobs from a broker."""

from __future__ import annotations

from typing import Annotated

import typer

from agentguard.cli.options import CatalogOption, DataDirOption, examples

EXAMPLES = examples(
    "CELERY_BROKER_URL=amqp://user:password@host:5672// agentguard worker",
    "agentguard worker --concurrency 4",
    "REMAP_SIGTERM=SIGQUIT celery -A agentguard.worker.app worker --concurrency 4",
)


def worker(
    concurrency: Annotated[
        int | None,
        typer.Option(
            help="Jobs to run in parallel, each in its own process; default: one per CPU.",
            min=1,
            show_default=False,
        ),
    ] = None,
    catalog: CatalogOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Run jobs (large scans, simulations, playbooks) until stopped.

    This is a Celery worker for the queue AGENTGUARD_JOBS_QUEUE. If CELERY_BROKER_URL is set,
    servers run no jobs; start any number of workers, on any machine with the same settings,
    database and data directory. RabbitMQ keeps jobs that failed permanently as dead letters
    (`agentguard jobs dead`); Redis has no dead letters.

    On SIGTERM, running jobs may continue for AGENTGUARD_SHUTDOWN_SECONDS; then they are requeued
    for another worker, and the attempt is not counted. Ctrl-C waits for running jobs; a second one
    requeues them. If a worker dies, its jobs are given to other workers after
    AGENTGUARD_JOB_LEASE_SECONDS, each at most AGENTGUARD_JOB_ATTEMPTS times. The log is on
    standard error.
    """
    from importlib import import_module

    from agentguard.bootstrap.shells import WORKER
    from agentguard.cli.choices import settings_with

    raise typer.Exit(import_module(WORKER).work(settings_with(data_dir, catalog), concurrency))
