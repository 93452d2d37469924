"""The loop that keeps all stored data within its limits, in one of several processes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, Protocol, TypeVar

import structlog

from agentguard.accounts.principal import system_principal
from agentguard.audit.recording import AuditTrail, named
from agentguard.audit.store import AuditLog
from agentguard.coordination.leases import Leases
from agentguard.coordination.turns import Turn
from agentguard.kernel.clock import Clock, timestamp
from agentguard.kernel.errors import UnavailableError
from agentguard.retention.expiry_clock import ExpiryClocks, expiry_time
from agentguard.retention.policy import Item, Usage
from agentguard.retention.retained import LeftoverFiles, RetainedFiles, RetainedRows
from agentguard.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)

HOUSEKEEPING = "housekeeping"
"""The name of the lease."""
RETENTION = system_principal("retention")
_PAUSE_SECONDS = 60.0


class HousekeepingStores(Protocol):
    """What the loop itself needs."""

    @property
    def leases(self) -> Leases: ...

    @property
    def expiry_clock(self) -> ExpiryClocks: ...

    @property
    def audit(self) -> AuditLog: ...


S = TypeVar("S", bound=HousekeepingStores)


@dataclass(frozen=True, slots=True)
class KeptData(Generic[S]):
    """Every kind of kept data."""

    unit_of_work: UnitOfWork[S]
    rows: Sequence[RetainedRows[S]]
    files: Sequence[RetainedFiles]
    """Deleted with an entry."""
    leftovers: Sequence[LeftoverFiles] = ()
    """Deleted without one, after the rows that own them."""
    trail: AuditTrail = field(default_factory=AuditTrail)

    async def usage(self) -> dict[str, Usage]:
        """Return what each kind occupies.

        Raises UnavailableError, OSError.
        """
        found = {each.kind: await self.unit_of_work.read(each.usage) for each in self.rows}
        files = {each.kind: await each.usage() for each in self.files}
        return found | files | {each.kind: await each.usage() for each in self.leftovers}

    async def expire(self, now: int) -> dict[str, int]:
        """Delete what exceeds the limits; return the number of deleted items per kind.

        Data does not expire because the clock has jumped ahead; see `expiry_clock.py`. A kind that
        fails is logged and does not keep the others from being deleted.
        """
        deleted: dict[str, int] = {}
        time = await self.unit_of_work.run(partial(expiry_time, now=now))
        for rows in self.rows:
            with _logged(rows.kind):
                deleted[rows.kind] = await self._expire_rows(rows, time)
        for files in self.files:
            with _logged(files.kind):
                deleted[files.kind] = await self._expire_files(files, time)
        for left in self.leftovers:
            with _logged(left.kind):
                deleted[left.kind] = await left.expire(time)
        return deleted

    async def _expire_rows(self, rows: RetainedRows[S], now: int) -> int:
        async def work(stores: S) -> tuple[str, ...]:
            gone = await rows.expire(stores, now=now)
            if gone:
                await self._record(stores, rows.kind, named(gone))
            return gone

        ids = await self.unit_of_work.run(work)
        await rows.deleted(ids)
        return len(ids)

    async def _expire_files(self, files: RetainedFiles, now: int) -> int:
        """Delete files once their entry is durable: one cut off in between is entered again."""
        async with files.expiring(now) as selected:
            if selected:
                facts = _facts(selected)
                await self.unit_of_work.run(lambda stores: self._record(stores, files.kind, facts))
                await files.delete(selected)
        return len(selected)

    async def _record(self, stores: S, kind: str, facts: dict[str, object]) -> None:
        await self.trail.record(
            stores.audit, RETENTION, "data.expired", object_id=kind, payload=facts
        )


@dataclass(slots=True)
class Housekeeping(Generic[S]):
    """Expires kept data every minute, in the process that holds the lease."""

    kept: KeptData[S]
    clock: Clock
    turn: Turn
    usage: dict[str, Usage] = field(default_factory=dict)
    """As of the last round; empty in processes without the lease."""

    async def run(self) -> None:
        """Work until cancelled."""
        async with self.turn.kept():
            while True:
                await self._run_once()
                await asyncio.sleep(_PAUSE_SECONDS)

    async def run_once(self) -> bool:
        """Expire once, if this process has the lease; return whether it has.

        Raises UnavailableError, OSError.
        """
        if not await self.turn.hold():
            self.usage = {}
            return False
        deleted = await self.kept.expire(self.clock())
        if any(deleted.values()):
            log.info("expired_data_deleted", **{k: n for k, n in deleted.items() if n})
        self.usage = await self.kept.usage()
        return True

    async def _run_once(self) -> None:
        try:
            await self.run_once()
        except (UnavailableError, OSError) as error:
            log.warning("housekeeping_postponed", error=str(error))
        # The outermost frame of a loop: the next round tries again.
        except Exception:
            log.exception("housekeeping_failed")


def _facts(selected: Sequence[Item]) -> dict[str, object]:
    """Return the number and the times of files, as a payload."""
    times = [item.created_at for item in selected]
    oldest, newest = timestamp(min(times)), timestamp(max(times))
    return {"number": len(selected), "oldest": oldest, "newest": newest}


@contextlib.contextmanager
def _logged(kind: str) -> Iterator[None]:
    try:
        yield
    except (UnavailableError, OSError) as error:
        log.warning("expiry_postponed", kind=kind, error=str(error))
