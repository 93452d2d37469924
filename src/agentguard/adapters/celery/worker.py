"""A Celery worker that attempts jobs and acknowledges, rejects or delays their messages."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, TypeAlias, assert_never

import structlog
from celery import Task
from celery.exceptions import CPendingDeprecationWarning, Reject
from celery.signals import celeryd_after_setup, worker_process_shutdown

from agentguard.adapters.celery.app import make_app
from agentguard.adapters.celery.broker import Broker, task_name
from agentguard.adapters.celery.dispatcher import Message, connected, send
from agentguard.jobs.attempts import Ended, GivenUp, Later, Outcome, Tries, backoff
from agentguard.jobs.dispatch import BrokerUnavailableError
from agentguard.jobs.model import UnknownJobError
from agentguard.kernel.clock import Clock
from agentguard.kernel.errors import UnavailableError

log = structlog.get_logger(__name__)

JobTask: TypeAlias = Task[Any, Any]


class CeleryWorker:
    """The Celery application with one task per kind of job."""

    def __init__(
        self,
        broker: Broker,
        kinds: Iterable[str],
        tries: Tries,
        clock: Clock,
        *,
        shutdown_seconds: float,
    ) -> None:
        self._broker, self._tries, self._clock = broker, tries, clock
        self.app = make_app(broker)
        # At a soft shutdown (SIGTERM with REMAP_SIGTERM=SIGQUIT), jobs that are still running
        # after this time are requeued.
        self.app.conf.worker_soft_shutdown_timeout = shutdown_seconds
        for kind in kinds:
            self._add(task_name(kind))
        worker_process_shutdown.connect(self._close, weak=False)
        celeryd_after_setup.connect(_silence_deprecation, weak=False)

    def run(self, concurrency: int | None) -> int:
        """Work until stopped, in `concurrency` processes (None: one per CPU).

        Return the exit code.
        """
        worker = self.app.Worker(
            concurrency=concurrency,
            loglevel="INFO",
            optimization="fair",
            without_gossip=True,
            without_mingle=True,
        )
        worker.start()
        return int(worker.exitcode or 0)

    def _add(self, name: str) -> None:
        @self.app.task(name=name, bind=True)
        def try_job(task: JobTask, job_id: str) -> None:
            self._try(task, job_id)

    def _try(self, task: JobTask, job_id: str) -> None:
        try:
            outcome = self._tries.run(job_id)
        except UnknownJobError as error:
            raise Reject(str(error), requeue=False) from error
        except (UnavailableError, OSError) as error:
            log.warning("job_not_attempted", job_id=job_id, error=str(error))
            outcome = Later(self._clock() + backoff(task.request.retries + 1))
        self._answer(task, job_id, outcome)

    def _answer(self, task: JobTask, job_id: str, outcome: Outcome) -> None:
        match outcome:
            case Ended():
                return
            case GivenUp():
                raise Reject(f"Job {job_id} failed permanently.", requeue=False)
            case Later(at):
                self._redeliver(task, job_id, at)
            case _:
                assert_never(outcome)

    def _redeliver(self, task: JobTask, job_id: str, at: int) -> None:
        try:
            with connected(self.app, self._broker) as connection:
                message = Message(
                    str(task.name), job_id, at - self._clock(), task.request.retries + 1
                )
                send(self.app, self._broker, connection, message)
        except BrokerUnavailableError as error:  # a server's sweep will redeliver the job
            log.warning("job_not_redelivered", job_id=job_id, error=str(error))

    def _close(self, **_signal: Any) -> None:
        self._tries.close()


def _silence_deprecation(**_signal: Any) -> None:
    """Silence a deprecation warning about a default that `make_app` sets explicitly.

    Celery repeats it at every loss of the connection.
    """
    warnings.filterwarnings(
        "ignore", category=CPendingDeprecationWarning, module="celery.worker.consumer"
    )
