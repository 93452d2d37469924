"""The port to leases: which of several processes does work that only one has to do."""

from __future__ import annotations

from typing import Protocol


class Leases(Protocol):
    """Leases by name, in the database; every method runs in the caller's transaction."""

    async def hold(self, name: str, holder: str, seconds: float) -> bool:
        """Acquire or renew the lease for `seconds` from now; return whether the holder has it.

        Two holders never have it at the same time, provided that their clocks agree. A holder that
        loses the lease while working is not stopped: work under a lease must be idempotent.
        """

    async def release(self, name: str, holder: str) -> None:
        """Release the lease; a no-op if the holder does not have it."""


class LeaseStores(Protocol):
    """What holding a lease needs."""

    @property
    def leases(self) -> Leases: ...
