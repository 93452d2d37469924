"""Wires the broker: the dispatcher of jobs, and the Celery worker that receives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agentguard.adapters.celery.broker import Broker
from agentguard.bootstrap.app import WORKS, App
from agentguard.bootstrap.wiring import extra
from agentguard.jobs.attempts import Tries
from agentguard.jobs.dispatch import DeadLetter, JobDispatcher, NoDeadLettersError
from agentguard.jobs.embedded import WITHOUT_BROKER, EmbeddedRunner
from agentguard.kernel.clock import system_clock
from agentguard.kernel.errors import InvalidInputError, UnusableServiceError
from agentguard.service_settings import secret_text
from agentguard.settings import Settings

if TYPE_CHECKING:
    from agentguard.adapters.celery.worker import CeleryWorker


log = structlog.get_logger(__name__)


class NoBrokerError(InvalidInputError):
    """No broker is configured."""

    code = "no-broker"

    def __init__(self) -> None:
        super().__init__(
            "CELERY_BROKER_URL is not set, so the server runs jobs itself. Set it for the server"
            " and all workers."
        )


def embedded_runner(app: App) -> EmbeddedRunner | None:
    """Return what runs jobs in this server; None where workers do."""
    return EmbeddedRunner(app.attempts) if app.settings.celery_broker_url is None else None


def dispatcher_of(settings: Settings) -> JobDispatcher:
    """Return the dispatcher to Celery workers; raise NoBrokerError, PackageMissingError."""
    broker = _broker(settings)
    with extra("CELERY_BROKER_URL"):
        from agentguard.adapters.celery.dispatcher import CeleryDispatcher
    return CeleryDispatcher(broker, system_clock)


async def dead_letters(settings: Settings) -> tuple[DeadLetter, ...]:
    """Return the messages that the broker no longer delivers.

    Raises NoDeadLettersError, BrokerUnavailableError, PackageMissingError.
    """
    if settings.celery_broker_url is None:
        raise NoDeadLettersError(WITHOUT_BROKER)
    return await dispatcher_of(settings).dead_letters()


def worker_of(settings: Settings, tries: Tries) -> CeleryWorker:
    """Return the Celery worker that passes delivered jobs to `tries`.

    Raises NoBrokerError, PackageMissingError.
    """
    broker = _broker(settings)
    with extra("CELERY_BROKER_URL"):
        from agentguard.adapters.celery.worker import CeleryWorker
    return CeleryWorker(
        broker, WORKS, tries, system_clock, shutdown_seconds=settings.shutdown_seconds
    )


def refuse_if_refused(settings: Settings) -> None:
    """Raise BrokerRejectedError if the broker rejects the connection: a worker would retry forever.

    If the broker is unreachable, the worker waits for it.
    """
    broker = _broker(settings)
    with extra("CELERY_BROKER_URL"):
        from agentguard.adapters.celery.inspection import BrokerRejectedError, inspect_broker
    try:
        inspect_broker(broker.url, broker.queue)
    except BrokerRejectedError:
        raise
    except UnusableServiceError as error:
        log.warning("broker_unavailable", detail=str(error))


def _broker(settings: Settings) -> Broker:
    if settings.celery_broker_url is None:
        raise NoBrokerError
    results = settings.celery_result_backend
    return Broker(
        settings.celery_broker_url.get_secret_value(),
        settings.jobs_queue,
        secret_text(results) or None,
    )
