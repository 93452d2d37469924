"""The ports to leases and to living processes: which of several does work that only one has to."""

from __future__ import annotations

from typing import Protocol


class Leases(Protocol):
    """Leases by name, in the database; every method runs in the caller's transaction.

    All times are by the database's clock.
    """

    async def hold(
        self, name: str, holder: str, seconds: float, *, done_ago: float | None = None
    ) -> bool:
        """Acquire or renew the lease for `seconds` from now; return whether the holder has it.

        Two holders never have it at the same time unless the database's clock jumps. A lease that
        would last longer than `seconds` from now was taken before the clock was set back and counts
        as expired. A holder that loses the lease while working is not stopped: work under a lease
        must be idempotent. `done_ago` records how many seconds ago the work was last complete.
        """

    async def holder(self, name: str) -> str | None:
        """Return the last holder, whether or not its lease has expired; None after a release."""

    async def release(self, name: str, holder: str) -> None:
        """Release the lease; a no-op if the holder does not have it."""

    async def seconds_since_done(self, name: str) -> float | None:
        """Return how long ago any holder's work was last complete; None if it never was."""


class LeaseStores(Protocol):
    """What holding a lease needs."""

    @property
    def leases(self) -> Leases: ...


class Processes(Protocol):
    """The processes that share a data directory."""

    @property
    def name(self) -> str:
        """The unique name of this process."""

    def is_dead(self, name: str) -> bool:
        """Return whether the process of this name ran on this host and has ended.

        False where that is unknown. Reads files; raises OSError.
        """
