"""The port to leases: which of several processes does what only one needs to do."""

from __future__ import annotations

from typing import Protocol


class Leases(Protocol):
    """Leases by name, kept where the truth is kept: in the database."""

    async def hold(self, name: str, holder: str, seconds: float) -> bool:
        """Take the lease, or keep it, for so long from now; return whether the holder has it.

        Two holders never have it at one time, as far as their clocks agree. It does not stop a
        holder that lost it in the middle of its work: what is done under a lease must be harmless
        when done twice.
        """

    async def release(self, name: str, holder: str) -> None:
        """Let others take it at once; nothing happens if the holder does not have it."""
