"""Every use case that changes state is one transaction: if its end fails, nothing of it is left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import fields
from typing import Any

import pytest

from agentguard.accounts.errors import NotSignedInError
from agentguard.accounts.principal import (
    Permission,
    PermissionDeniedError,
    Principal,
    PrincipalKind,
)
from agentguard.audit.entries import Entry
from agentguard.graph.storage.publishing import GraphPublisher
from agentguard.jobs.model import JobError, TooManyJobsError
from agentguard.kernel.clock import NS_PER_HOUR, system_clock
from agentguard.scan.jobs import KIND
from agentguard.simulation.service import KIND as SIMULATION
from agentguard.simulation.service import Failure
from tests.acting import TESTER
from tests.conformance.graphs import RUNS, version
from tests.conformance.incident_use_cases import merge_incident
from tests.conformance.opened_apps import (
    FailedAtTheEndError,
    Opened,
    check_atomic,
    counted_writes,
    entries,
)
from tests.conformance.use_cases import (
    LEAVES_ENTRIES,
    OF_ANN,
    SUBMITTING,
    USE_CASES,
    actor_of,
    prepare,
    publish,
    topics_of,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("use_case", USE_CASES)
async def test_a_change_leaves_one_entry_about_who_made_it(opened: Opened, use_case):
    await prepare(opened)
    before = {entry.row for entry in await entries(opened)}
    await use_case(opened, actor_of(use_case))
    left = [Entry.parse(e.leaf) for e in await entries(opened) if e.row not in before]

    action = LEAVES_ENTRIES.get(use_case)
    about_the_other = ["incident.absorbed"] if use_case is merge_incident else []
    assert [e.action for e in left] == [*about_the_other, *([action] if action else [])]
    assert {e.actor.id for e in left} <= {actor_of(use_case).id}


@pytest.mark.parametrize("use_case", LEAVES_ENTRIES)
async def test_no_change_leaves_no_entry(
    opened: Opened, failing, monkeypatch: pytest.MonkeyPatch, use_case
):
    await prepare(opened)
    before = await entries(opened)
    failing()

    with pytest.raises(FailedAtTheEndError):
        await use_case(opened, actor_of(use_case))
    monkeypatch.undo()
    assert await entries(opened) == before


@pytest.mark.parametrize("use_case", USE_CASES)
async def test_nothing_is_left_of_a_use_case_whichever_statement_fails(
    opened: Opened, undrained, use_case
):
    await prepare(opened)
    undrained()

    statements = await check_atomic(opened, lambda: use_case(opened, actor_of(use_case)))

    assert statements >= (2 if use_case in SUBMITTING else 1)


@pytest.mark.parametrize("use_case", USE_CASES)
async def test_a_use_case_is_one_write_transaction(
    opened: Opened, undrained, monkeypatch: pytest.MonkeyPatch, use_case
):
    await prepare(opened)
    undrained()
    transactions = counted_writes(monkeypatch)

    await use_case(opened, actor_of(use_case))

    assert len(transactions) == 1


class SplitPublisher(GraphPublisher[Any]):
    """A wrong publisher: the version in one transaction, what follows from it in another."""

    async def _write(self, _actor, version, document, seen, _commit, _guard) -> None:
        await self.unit_of_work.run(lambda stores: stores.graphs.add(version, document.json))

        async def rest(stores: Any) -> None:
            await stores.history.add(seen)
            await self._announce(stores.outbox, version)

        await self.unit_of_work.run(rest)


async def test_a_use_case_of_two_transactions_is_detected(
    opened: Opened, undrained, monkeypatch: pytest.MonkeyPatch
):
    right = opened.app.scans.publisher
    split = SplitPublisher(*(getattr(right, field.name) for field in fields(right)))

    async def publish_split() -> None:
        await split.publish(TESTER, version("new", system_clock), RUNS)

    undrained()
    transactions = counted_writes(monkeypatch)
    await publish_split()

    assert len(transactions) == 2
    with pytest.raises(AssertionError):
        await check_atomic(opened, publish_split)


async def steps_of_jobs(opened: Opened) -> dict[str, Callable[[], Awaitable[Any]]]:
    """Return the steps of a job's life, which no principal calls, each ready to be made."""
    jobs = opened.app.jobs
    waiting = await jobs.submit(TESTER, KIND, {"file": "a"})
    due = await jobs.submit(TESTER, KIND, {"file": "b"})
    now = system_clock()
    running = await jobs.store.claim(due.id, now=now, until=now + 2 * 10**9)
    assert running is not None
    return {
        "claim": lambda: jobs.store.claim(waiting.id, now=now + 10**9, until=now + 2 * 10**9),
        "extend": lambda: jobs.store.extend(running, until=now + 9 * 10**9, done=3),
        "release": lambda: jobs.store.release(running.succeed({}, now)),
        "postpone": lambda: jobs.store.postpone(waiting, now + 9 * 10**9),
        "fail": lambda: jobs.store.fail(waiting.id, JobError("x", "X."), now + 10**9),
    }


@pytest.mark.parametrize("step", ["claim", "extend", "release", "postpone", "fail"])
async def test_nothing_is_left_of_a_jobs_step_whose_last_statement_fails(
    opened: Opened, failing, step: str
):
    steps = await steps_of_jobs(opened)
    before = await opened.content()
    failing()

    with pytest.raises(FailedAtTheEndError):
        await steps[step]()

    assert await opened.content() == before


@pytest.mark.parametrize("use_case", USE_CASES)
async def test_a_use_case_writes_what_follows_from_it(opened: Opened, undrained, use_case):
    await prepare(opened)
    undrained()
    before = (await opened.content())["outbox"]
    await use_case(opened, actor_of(use_case))

    topics = [row[1] for row in (await opened.content())["outbox"] if row not in before]
    assert topics == topics_of(use_case)


@pytest.mark.parametrize("use_case", USE_CASES)
async def test_once_a_use_case_returns_its_follow_ups_are_done(opened: Opened, use_case):
    await prepare(opened)
    await use_case(opened, actor_of(use_case))

    left = {row[1] for row in (await opened.content())["outbox"]}
    assert left == {"incident_messages"}  # of incidents: they wait for a server


@pytest.mark.parametrize("use_case", USE_CASES)
async def test_a_principal_without_the_permission_changes_nothing(opened: Opened, use_case):
    await prepare(opened)
    reader = Principal("reader", PrincipalKind.API_KEY, frozenset({Permission.READ}))
    before, files = await opened.content(), opened.files()

    with pytest.raises(NotSignedInError if use_case in OF_ANN else PermissionDeniedError):
        await use_case(opened, reader)

    assert await opened.content() == before
    assert opened.files() == files


async def test_a_job_keeps_who_submitted_it(opened: Opened):
    job = await opened.app.jobs.submit(TESTER, KIND, {"file": "x"})

    kept = await opened.app.jobs.get(job.id)
    assert (kept.submitted_by, kept.submitted_by_kind) == (TESTER.id, TESTER.kind)


async def test_the_entry_of_a_stored_result_names_who_submitted_the_job(opened: Opened):
    await publish(opened, TESTER)
    job = await opened.app.jobs.submit(TESTER, SIMULATION, {})
    now = system_clock()
    running = await opened.app.jobs.store.claim(job.id, now=now, until=now + NS_PER_HOUR)
    assert running is not None
    result = {"graph_version": (await opened.app.graphs.newest("new")).id}
    assert await opened.app.jobs.store.release(running.succeed(result, now))

    told = Entry.parse((await entries(opened))[-1].leaf)
    assert (told.action, told.actor.id) == ("simulation.stored", TESTER.id)
    assert told.actor.kind == TESTER.kind.value


async def test_nothing_is_left_of_a_stored_result_whichever_statement_fails(opened: Opened):
    await publish(opened, TESTER)
    failure = Failure(("agent:a",))
    resolved = await opened.app.simulations.resolve(TESTER, failure)
    document = await opened.app.simulations.simulate(TESTER, resolved)

    async def keep() -> None:
        await opened.app.stored_simulations.keep(TESTER, failure, resolved.selected, document)

    assert await check_atomic(opened, keep) > 1
    assert await opened.app.stored_simulations.is_kept(document["id"])


async def test_work_that_is_run_again_reads_again(opened: Opened):
    """Two that add the last job that the queue has room for: one of them is refused."""
    for n in range(31):
        await opened.app.jobs.submit(TESTER, KIND, {"file": str(n)})

    added = await asyncio.gather(
        *[opened.app.jobs.submit(TESTER, KIND, {"file": "last"}) for _ in range(4)],
        return_exceptions=True,
    )

    assert [type(each) for each in added].count(TooManyJobsError) == 3


async def test_reading_sees_one_snapshot(opened: Opened):
    unit_of_work = opened.app.graphs.unit_of_work
    await publish(opened, TESTER)

    async def work(stores: Any) -> tuple[Any, Any]:
        first = await stores.graphs.ids()
        await publish(opened, TESTER)
        return first, await stores.graphs.ids()

    first, second = await unit_of_work.read(work)

    assert first == second
    assert len(await unit_of_work.read(lambda stores: stores.graphs.ids())) == 2
