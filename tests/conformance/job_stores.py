"""Jobs as one process has them, over a database that it opened."""

from __future__ import annotations

from agentguard.adapters.memory.notices import MemoryNotices
from agentguard.adapters.sql.database import Database
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.bootstrap.retention import cited_version
from agentguard.coordination.dispatching import Dispatcher
from agentguard.coordination.notices import Notices
from agentguard.jobs.transactions import TOPIC, JobTransactions, job_notices
from agentguard.kernel.clock import Clock, system_clock


def job_transactions(
    database: Database, *, clock: Clock = system_clock, notices: Notices | None = None
) -> JobTransactions:
    notices = notices or MemoryNotices()
    unit_of_work = SqlUnitOfWork(database, clock)
    outbox = Dispatcher(unit_of_work, {TOPIC: job_notices(notices)}, clock)
    return JobTransactions(unit_of_work, outbox, notices, cited_version)
