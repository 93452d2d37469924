"""Findings about services from the results of their inspection, without contacting them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from agentguard.adapters.sql.migrating import HEAD
from agentguard.adapters.sql.postgres_inspection import DatabaseServer
from agentguard.adapters.sql.sqlite import DatabaseFile
from agentguard.diagnosis.checks import Check, Finding
from agentguard.settings import MIB

if TYPE_CHECKING:  # these need packages that are installed only where the services are used
    from agentguard.adapters.celery.inspection import BrokerQueue
    from agentguard.adapters.evm.inspection import ChainServer
    from agentguard.adapters.neo4j.inspection import GraphServer
    from agentguard.adapters.redis.inspection import KeyServer

DATABASE, NEO4J, CACHE, BROKER = "database", "neo4j", "cache", "broker"
ANCHORS = "anchors"
_WEI, _GWEI = 10**18, 10**9
_FEW_ANCHORS = 100
_OLDEST_POSTGRESQL, _OLDEST_NEO4J, _OLDEST_REDIS, _OLDEST_RABBITMQ = 15, 5, 6, (3, 10)


def judge_file(found: DatabaseFile | None) -> Iterator[Check]:
    if found is None:
        yield Check(
            DATABASE,
            Finding.FINE,
            "The database does not exist yet; the first command that stores something creates it.",
        )
        return
    for fault in found.faults:
        yield Check(
            DATABASE,
            Finding.BROKEN,
            f"The database is corrupt: {fault}. Restore it from a backup.",
        )
    newer = found.revision is not None and found.revision > HEAD
    detail = (
        f"Schema {found.revision} (this version needs {HEAD}), journal mode {found.mode},"
        f" {found.log_bytes / MIB:,.1f} MiB of write-ahead log."
    )
    yield Check(DATABASE, Finding.BROKEN if newer else Finding.FINE, detail)


def judge_postgresql(found: DatabaseServer) -> Iterator[Check]:
    faults = list(_faults(found))
    yield from (Check(DATABASE, Finding.BROKEN, f"{found.place} {fault}") for fault in faults)
    if not faults:
        yield Check(
            DATABASE,
            Finding.FINE,
            f"{found.place}: PostgreSQL {found.version}, {_schema(found.revision)}.",
        )


def _faults(found: DatabaseServer) -> Iterator[str]:
    if found.major < _OLDEST_POSTGRESQL:
        yield f"is PostgreSQL {found.version}. Upgrade it to {_OLDEST_POSTGRESQL} or newer."
    if found.encoding != "UTF8":
        yield f"has the encoding {found.encoding}. Recreate the database with the encoding UTF8."
    if found.read_only:
        yield (
            "is read-only. Set DATABASE_URL or POSTGRES_HOST to the primary server, not to a"
            " replica."
        )
    if not found.may_create:
        yield (
            "does not allow this user to create tables. Run `GRANT CREATE ON SCHEMA public TO …`"
            " there."
        )
    if found.revision is not None and found.revision > HEAD:
        yield (
            f"was written by a newer AgentGuard (schema {found.revision}; this version supports up"
            f" to {HEAD}). Upgrade AgentGuard."
        )


def _schema(revision: str | None) -> str:
    if revision is None:
        return "no tables yet; `agentguard migrate` or the first start creates them"
    return f"schema {revision}" + (
        "" if revision == HEAD else f"; `agentguard migrate` or the next start updates it to {HEAD}"
    )


def judge_neo4j(place: str, found: GraphServer) -> Check:
    known = f"{place}: Neo4j {found.version} ({found.edition})"
    if found.major < _OLDEST_NEO4J:
        return Check(NEO4J, Finding.BROKEN, f"{known}. Upgrade it to {_OLDEST_NEO4J} or newer.")
    prepared = (
        "constraints and indexes exist"
        if found.constrained
        else "the first graph will create constraints and indexes"
    )
    return Check(NEO4J, Finding.FINE, f"{known}; {prepared}.")


def judge_redis(place: str, found: KeyServer) -> Check:
    known = f"{place}: {found.product} {found.version}"
    if found.read_only:
        return Check(
            CACHE,
            Finding.BROKEN,
            f"{known} is a read-only replica. Set REDIS_URL to the primary server.",
        )
    if found.like_redis < _OLDEST_REDIS:
        return Check(
            CACHE,
            Finding.WARNING,
            f"{known} is older than the tested versions. Upgrade it to {_OLDEST_REDIS} or newer.",
        )
    if found.most_bytes and found.eviction == "noeviction":
        full = (
            f"rejects writes once it holds {found.most_bytes / MIB:,.0f} MiB. Set its"
            " maxmemory-policy to allkeys-lru."
        )
        return Check(CACHE, Finding.WARNING, f"{known} {full}")
    limit = (
        f"maxmemory {found.most_bytes / MIB:,.0f} MiB"
        if found.most_bytes
        else "no maxmemory, so it can use all memory of its host"
    )
    return Check(CACHE, Finding.FINE, f"{known}, maxmemory-policy {found.eviction}, {limit}.")


def judge_broker(place: str, queue: str, found: BrokerQueue) -> Check:
    known = f"{place}: {found.product} {found.version or ''}".rstrip()
    if found.version is not None and found.release < _OLDEST_RABBITMQ:
        oldest = ".".join(str(number) for number in _OLDEST_RABBITMQ)
        return Check(BROKER, Finding.BROKEN, f"{known}. Upgrade it to {oldest} or newer.")
    if not found.exists:
        return Check(
            BROKER,
            Finding.WARNING,
            f"{known}; the queue {queue!r} does not exist yet. Start a worker, which creates it.",
        )
    waiting = f"{known}; messages in the queue {queue!r}: {found.messages:,}"
    if found.consumers == 0:
        return Check(BROKER, Finding.WARNING, f"{waiting}; it has no workers. Start a worker.")
    workers = "" if found.consumers is None else f"; workers: {found.consumers:,}"
    return Check(BROKER, Finding.FINE, f"{waiting}{workers}.")


def judge_chain(found: ChainServer) -> Iterator[Check]:
    final = (
        "blocks are final by its tag `finalized`"
        if found.has_final_tag
        else "it has no tag `finalized`: AGENTGUARD_WEB3_FINALITY_DEPTH decides"
    )
    yield Check(ANCHORS, Finding.FINE, f"{found.place} serves {found.chain}; {final}.")
    yield from _judge_contract(found)
    if found.anchor_cost is not None:
        yield _judge_account(found, found.anchor_cost)
    if found.fee > found.fee_limit:
        yield Check(
            ANCHORS,
            Finding.WARNING,
            f"The chain's fees are {found.fee / _GWEI:,.2f} gwei per unit of gas, above"
            f" AGENTGUARD_WEB3_MAX_FEE_GWEI ({found.fee_limit / _GWEI:,.2f}): anchors wait.",
        )


def _judge_contract(found: ChainServer) -> Iterator[Check]:
    if found.contract is None:
        return
    if not found.contract_code:
        detail = (
            f"There is no contract at {found.contract} on {found.chain}. Correct"
            " WEB3_CONTRACT_ADDRESS; `agentguard audit deploy-contract` makes a contract."
        )
        yield Check(ANCHORS, Finding.BROKEN, detail)
    elif not found.contract_is_ours:
        detail = (
            f"{found.contract} is another contract than AgentGuard's: anchors through it may not"
            " be found. Correct WEB3_CONTRACT_ADDRESS."
        )
        yield Check(ANCHORS, Finding.WARNING, detail)
    else:
        yield Check(ANCHORS, Finding.FINE, f"The contract {found.contract} is AgentGuard's.")


def _judge_account(found: ChainServer, cost: int) -> Check:
    anchors = found.balance // cost
    known = (
        f"The account {found.address} has {found.balance / _WEI:,.6f} and an anchor costs"
        f" {cost / _WEI:,.6f} now (in POL on Polygon)"
    )
    if anchors == 0:
        advice = "Send it some; if it is another account than you expect, correct WEB3_PRIVATE_KEY."
        return Check(ANCHORS, Finding.BROKEN, f"{known}: it can pay for none. {advice}")
    finding = Finding.WARNING if anchors < _FEW_ANCHORS else Finding.FINE
    advice = " Send it some more." if finding is Finding.WARNING else ""
    return Check(ANCHORS, finding, f"{known}: it can pay for {anchors:,}.{advice}")
