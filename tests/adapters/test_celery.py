"""What RabbitMQ does with messages: quorum queue, delays, what kills its workers."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import amqp
import pytest
from kombu import Connection

from agentguard.adapters.celery.app import main_queue
from agentguard.adapters.celery.broker import Broker
from agentguard.adapters.celery.dispatcher import CeleryDispatcher
from agentguard.jobs.dispatch import DeadLetter
from agentguard.jobs.model import Job, JobState
from agentguard.jobs.sweep import Sweep
from agentguard.kernel.clock import NS_PER_SECOND, system_clock
from tests.jobs.opening import LEASE_SECONDS, Clock, opened, until
from tests.services import server

pytestmark = pytest.mark.anyio

DYING = """
import os, sys
from agentguard.adapters.celery.app import main_queue
from agentguard.adapters.celery.broker import Broker
from agentguard.adapters.celery.worker import CeleryWorker
from agentguard.kernel.clock import system_clock

class Dies:
    def run(self, job_id): os.kill(os.getpid(), 9)
    def close(self): pass

broker = Broker(sys.argv[1], sys.argv[2], delivery_limit=int(sys.argv[3]))
CeleryWorker(broker, ["scan"], Dies(), system_clock, shutdown_seconds=1).run(1)
"""
"""A worker whose processes end before they could claim anything."""


@pytest.fixture
def broker() -> Broker:
    return Broker(server("CELERY_BROKER_URL"), f"test.{secrets.token_hex(4)}", delivery_limit=2)


def job(name: str, *, after: float = 0) -> Job:
    now = system_clock()
    return Job(name, "scan", {}, now, now + int(after * NS_PER_SECOND), now)


@contextmanager
def dying_worker(broker: Broker, folder: Path) -> Iterator[None]:
    """A worker that has declared its queues and dies with its first job."""
    output = folder / f"{broker.queue}.log"
    with output.open("wb") as log:
        command = [
            sys.executable,
            "-c",
            DYING,
            broker.url,
            broker.queue,
            str(broker.delivery_limit),
        ]
        worker = subprocess.Popen(command, stdout=log, stderr=log, env=dict(os.environ))
    try:
        deadline = time.monotonic() + 60
        while b" ready." not in output.read_bytes():
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.02)
        yield
    finally:
        worker.kill()
        worker.wait(60)


async def letters(delivery: CeleryDispatcher) -> tuple[DeadLetter, ...]:
    return await delivery.dead_letters()


def messages(broker: Broker, queue: str) -> int:
    with Connection(broker.url) as connection:
        return int(queue_at(connection, queue, passive=True).message_count)


def queue_at(connection: Connection, name: str, **how):
    channel: Any = connection.default_channel
    return channel.queue_declare(name, durable=True, auto_delete=False, **how)


async def test_the_queue_is_a_quorum_queue_and_the_message_is_in_it_once_deliver_returns(
    broker: Broker,
):
    await CeleryDispatcher(broker, system_clock).deliver(job("a"))

    assert messages(broker, broker.queue) == 1
    wanted = dict(main_queue(broker).queue_arguments or {})
    with (
        Connection(broker.url) as connection,
        pytest.raises(amqp.PreconditionFailed, match="x-queue-type"),
    ):
        queue_at(connection, broker.queue, arguments=wanted | {"x-queue-type": "classic"})
    with Connection(broker.url) as connection:
        queue_at(connection, broker.queue, arguments=wanted | {"x-queue-type": "quorum"})


async def test_a_message_that_kills_every_worker_is_a_dead_letter_and_its_job_fails(
    broker: Broker, tmp_path: Path
):
    delivery = CeleryDispatcher(broker, system_clock)
    clock = Clock()
    clock.now = system_clock()
    async with opened(tmp_path, clock=clock) as here:
        submitted = await here.submit("scan")
        sweep = Sweep(here.store, delivery, here.clock, LEASE_SECONDS, here.attempts.clear)
        with dying_worker(broker, tmp_path):
            await sweep.sweep()
            (letter,) = await until(lambda: letters(delivery), seconds=120)
        here.clock.forward(LEASE_SECONDS)
        await sweep.sweep()

        failed = await here.jobs.get(submitted.id)
        assert (letter.job_id, letter.task, letter.reason) == (
            submitted.id,
            "agentguard.scan_task",
            "delivery_limit",
        )
        assert (failed.state, failed.error.code, failed.attempts) == (
            JobState.FAILED,
            "worker-died",
            1,
        )
        assert messages(broker, broker.queue) == 0


async def test_a_delayed_message_comes_to_its_own_queue_alone(broker: Broker, tmp_path: Path):
    """The queues that hold delayed messages are shared by all who use the broker, and give them out
    by how a name ends.
    """
    ending = Broker(broker.url, broker.queue.partition(".")[2])
    with dying_worker(broker, tmp_path), dying_worker(ending, tmp_path):
        pass

    await CeleryDispatcher(broker, system_clock).deliver(job("delayed", after=1))
    assert messages(broker, broker.queue) == 0
    await until(lambda: asyncio.to_thread(messages, broker, broker.queue), seconds=30)

    assert messages(broker, ending.queue) == 0
