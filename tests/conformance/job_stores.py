"""Jobs as one process has them, over a database that it opened."""

from __future__ import annotations

from agentguard.adapters.memory.notices import MemoryNotices
from agentguard.adapters.sql.database import Database
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.bootstrap.retention import cited_version
from agentguard.coordination.dispatching import Dispatcher
from agentguard.coordination.notices import Notices
from agentguard.jobs.model import Job
from agentguard.jobs.transactions import TOPIC, JobStores, JobTransactions, job_notices
from agentguard.kernel.clock import Clock, system_clock


def job_transactions(
    database: Database, *, clock: Clock = system_clock, notices: Notices | None = None
) -> JobTransactions:
    notices = notices or MemoryNotices()
    unit_of_work = SqlUnitOfWork(database, clock)
    outbox = Dispatcher(unit_of_work, {TOPIC: job_notices(notices)}, clock)
    return JobTransactions(unit_of_work, outbox, notices, cited_version)


async def add_job(store: JobTransactions, job: Job, *, most_unfinished: int = 1000) -> None:
    """Add a job with an id and times of its own, as `Jobs.submit` would."""

    async def work(stores: JobStores) -> None:
        await stores.jobs.add(job, most_unfinished=most_unfinished)
        await stores.outbox.put(TOPIC, job.id, {})

    await store.unit_of_work.run(work)
    await store.outbox.drain(TOPIC)
