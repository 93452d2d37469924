"""`agentguard worker`: runs jobs that a broker brings."""

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
            help="Jobs that run at one time, each in a process of its own; one per CPU.",
            min=1,
            show_default=False,
        ),
    ] = None,
    catalog: CatalogOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Run jobs (large scans, simulations, playbooks) until told to stop.

    A Celery worker for the queue that AGENTGUARD_JOBS_QUEUE names.

    With CELERY_BROKER_URL set, servers run no jobs themselves; start as many workers as you like,
    on any machine that has the same settings, database and data directory. RabbitMQ keeps what
    failed for good as dead letters (`agentguard jobs dead`); Redis works too, without them.

    SIGTERM lets running jobs go on for AGENTGUARD_SHUTDOWN_SECONDS, then gives them back: another
    worker starts them again, and this attempt is not counted. Ctrl-C waits for running jobs, a
    second one gives them back. A worker that dies loses nothing: after AGENTGUARD_JOB_LEASE_SECONDS
    its jobs go to others, each at most AGENTGUARD_JOB_ATTEMPTS times. The log is on standard error.
    """
    from importlib import import_module

    from agentguard.bootstrap.shells import WORKER
    from agentguard.cli.choices import settings_with

    raise typer.Exit(import_module(WORKER).work(settings_with(data_dir, catalog), concurrency))
