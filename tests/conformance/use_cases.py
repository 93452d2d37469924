"""Every use case that changes state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

from agentguard.accounts.key_service import KeyService
from agentguard.accounts.principal import Permission, Principal, PrincipalKind
from agentguard.accounts.roles import Role
from agentguard.accounts.sign_in import SignInService
from agentguard.accounts.user_service import UserService
from agentguard.audit.keys import SigningKey
from agentguard.audit.rotation import KeyRotation
from agentguard.audit.sequencing import Sequencer
from agentguard.graph.storage.dataset_deletion import DatasetService
from agentguard.graph.storage.history import History, history_of
from agentguard.graph.storage.importing import GraphImport
from agentguard.graph.storage.publishing import GraphPublisher
from agentguard.graph.storage.store import GraphVersion
from agentguard.ingest.sources import read_stream
from agentguard.jobs.model import JobKind, JobState
from agentguard.jobs.queue import Jobs
from agentguard.kernel.clock import NS_PER_HOUR, system_clock
from agentguard.playbooks.service import PlaybookService
from agentguard.retention.service import RetentionService
from agentguard.scan.jobs import KIND
from agentguard.scan.service import ScanService
from agentguard.simulation.service import Failure, SimulationService
from tests.acting import TESTER
from tests.conformance.audit_logs import KEY, NEXT_KEY
from tests.conformance.graphs import GRAPH, RUNS, SteppingClock, version
from tests.conformance.incident_use_cases import (
    ENTRIES_OF_INCIDENTS,
    METHODS_OF_INCIDENTS,
    TOLD_INCIDENTS,
    add_incidents,
    merge_incident,
)
from tests.conformance.opened_apps import Opened
from tests.conformance.owners import ANN, API_KEY, SESSION_TOKEN, add_owners
from tests.jobs.uploads import spans

NEW_LOG_KEY = SigningKey("example.com/log-2", bytes(range(3, 35)))


def file_of(opened: Opened) -> Path:
    path = opened.directory / "traces.json"
    path.write_bytes(spans())
    return path


async def scan(opened: Opened, actor: Principal) -> None:
    with file_of(opened).open("rb") as stream:
        await opened.app.scans.scan(actor, read_stream(stream, "x"), dataset="new")


async def scan_file(opened: Opened, actor: Principal) -> None:
    await opened.app.scans.scan_file(actor, file_of(opened), "x", dataset="new")


async def keep_once(opened: Opened, actor: Principal) -> None:
    found = await opened.app.scans.read_file(file_of(opened), "x")
    jobs = await opened.app.jobs.store.unfinished()
    (held,) = [job for job in jobs if job.state is JobState.RUNNING]
    await opened.app.scans.keep_once(actor, found, "new", held)


async def publish(opened: Opened, actor: Principal) -> None:
    await opened.app.scans.publisher.publish(actor, version("new", system_clock), RUNS)


async def submit(opened: Opened, actor: Principal) -> None:
    await opened.app.jobs.submit(actor, KIND, {"file": "x"})


async def submit_single(opened: Opened, actor: Principal) -> None:
    assert await opened.app.jobs.submit_single(actor, JobKind.AUDIT.value, {})


async def cancel_job(opened: Opened, actor: Principal) -> None:
    jobs = await opened.app.jobs.store.unfinished()
    (held,) = [job for job in jobs if job.state is JobState.RUNNING]
    await opened.app.jobs.cancel(actor, held.id)


async def simulate(opened: Opened, actor: Principal) -> None:
    await opened.app.simulations.submit(actor, Failure(("agent:a",)))


async def write_playbook(opened: Opened, actor: Principal) -> None:
    await opened.app.playbooks.submit(actor, Failure(("agent:a",)))


class Former:
    """A former store with one version."""

    async def versions(self) -> tuple[GraphVersion, ...]:
        return (version("former", SteppingClock()),)

    async def history(self) -> History:
        return history_of(GRAPH, RUNS)

    async def forget(self) -> None:
        return


async def import_graphs(opened: Opened, actor: Principal) -> None:
    unit_of_work: Any = opened.app.graphs.unit_of_work
    await GraphImport(unit_of_work).run(actor, Former())


async def delete_dataset(opened: Opened, actor: Principal) -> None:
    await opened.app.datasets.delete(actor, "new", include_cited=True)


async def purge(opened: Opened, actor: Principal) -> None:
    await opened.app.retention.purge(actor, system_clock() + NS_PER_HOUR)


async def rotate_key(opened: Opened, actor: Principal) -> None:
    await opened.app.key_rotation.rotate(actor, KEY, NEXT_KEY)


async def begin_log(opened: Opened, actor: Principal) -> None:
    await opened.app.key_rotation.begin(actor, NEW_LOG_KEY)


async def create_key(opened: Opened, actor: Principal) -> None:
    await opened.app.accounts.keys.create(actor, "k", [Permission.READ])


async def rotate_api_key(opened: Opened, actor: Principal) -> None:
    await opened.app.accounts.keys.rotate(actor, API_KEY.id)


async def expire_key(opened: Opened, actor: Principal) -> None:
    await opened.app.accounts.keys.expire(actor, API_KEY.id, system_clock())


async def revoke_key(opened: Opened, actor: Principal) -> None:
    await opened.app.accounts.keys.revoke(actor, API_KEY.id)


async def create_user(opened: Opened, actor: Principal) -> None:
    await opened.app.accounts.users.create(actor, "bob", Role.VIEWER, "a long password")


async def set_role(opened: Opened, actor: Principal) -> None:
    await opened.app.accounts.users.set_role(actor, ANN.id, Role.OPERATOR)


async def set_password(opened: Opened, actor: Principal) -> None:
    await opened.app.accounts.users.set_password(actor, ANN.id, "another password")


async def sign_user_out(opened: Opened, actor: Principal) -> None:
    await opened.app.accounts.users.sign_out(actor, ANN.id)


async def remove_user(opened: Opened, actor: Principal) -> None:
    await opened.app.accounts.users.remove(actor, ANN.id)


async def sign_out(opened: Opened, actor: Principal) -> None:
    await opened.app.accounts.sign_in.sign_out(actor, SESSION_TOKEN, everywhere=False)


async def sign_out_everywhere(opened: Opened, actor: Principal) -> None:
    await opened.app.accounts.sign_in.sign_out(actor, None, everywhere=True)


UseCase: TypeAlias = Callable[[Opened, Principal], Awaitable[None]]

METHODS: dict[Callable[..., Any], UseCase] = {
    ScanService.scan: scan,
    ScanService.scan_file: scan_file,
    ScanService.keep_once: keep_once,
    GraphPublisher.publish: publish,
    Jobs.submit: submit,
    SimulationService.submit: simulate,
    PlaybookService.submit: write_playbook,
    GraphImport.run: import_graphs,
    DatasetService.delete: delete_dataset,
    RetentionService.purge: purge,
    Jobs.submit_single: submit_single,
    Jobs.cancel: cancel_job,
    KeyRotation.rotate: rotate_key,
    KeyRotation.begin: begin_log,
    KeyService.create: create_key,
    KeyService.rotate: rotate_api_key,
    KeyService.expire: expire_key,
    KeyService.revoke: revoke_key,
    UserService.create: create_user,
    UserService.set_role: set_role,
    UserService.set_password: set_password,
    UserService.sign_out: sign_user_out,
    UserService.remove: remove_user,
    SignInService.sign_out: sign_out,
    **METHODS_OF_INCIDENTS,
}
"""Every use case that changes state, and how the test calls it."""

USE_CASES = (*METHODS.values(), sign_out_everywhere)

OF_ANN = (sign_out, sign_out_everywhere)
"""Use cases of users about themselves, which need no permission."""


def actor_of(use_case: UseCase) -> Principal:
    return ANN.principal(PrincipalKind.SESSION) if use_case in OF_ANN else TESTER


PUBLISHING = (scan, scan_file, keep_once, publish)

OF_INCIDENTS = tuple(METHODS_OF_INCIDENTS.values())

SUBMITTING = (submit, submit_single, simulate, write_playbook)


def topics_of(use_case: UseCase) -> list[str]:
    """Return the topics of the outbox entries that a use case writes."""
    if use_case in OF_INCIDENTS:
        told = ["incident_messages"] if use_case in TOLD_INCIDENTS else []
        return ["incidents"] * (2 if use_case is merge_incident else 1) + told
    published = ["graph"] if use_case in PUBLISHING else []
    return ["jobs"] if use_case in (*SUBMITTING, cancel_job) else published


LEAVES_ENTRIES = {
    scan: "scan.stored",
    scan_file: "scan.stored",
    keep_once: "scan.stored",
    publish: "scan.stored",
    import_graphs: "graphs.imported",
    delete_dataset: "dataset.deleted",
    purge: "data.purged",
    cancel_job: "job.cancelled",
    rotate_key: "audit-key.rotated",
    begin_log: "audit-log.begun",
    create_key: "key.created",
    rotate_api_key: "key.rotated",
    expire_key: "key.expiry_changed",
    revoke_key: "key.revoked",
    create_user: "user.created",
    set_role: "user.role_changed",
    set_password: "user.password_changed",
    sign_user_out: "user.signed_out_everywhere",
    remove_user: "user.removed",
    sign_out: "user.signed_out",
    sign_out_everywhere: "user.signed_out_everywhere",
    **ENTRIES_OF_INCIDENTS,
}
"""The use cases that leave an audit entry. A submitted job leaves one when its result is stored."""


async def prepare(opened: Opened) -> None:
    """Store a graph, incidents, a job that an attempt holds, a key and users; sign the log."""
    await publish(opened, TESTER)
    await add_incidents(opened)
    await add_owners(opened)
    await Sequencer(opened.app.audit.unit_of_work, KEY, system_clock).run_once()
    job = await opened.app.jobs.submit(TESTER, KIND, {"file": "held"})
    now = system_clock()
    assert await opened.app.jobs.store.claim(job.id, now=now, until=now + NS_PER_HOUR)
