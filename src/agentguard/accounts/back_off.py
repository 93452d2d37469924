"""How long to wait after failed sign-ins, by account and by address."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from hashlib import sha256

from agentguard.accounts.users import name_key
from agentguard.kernel.addresses import parsed_address
from agentguard.kernel.clock import NS_PER_HOUR, NS_PER_SECOND
from agentguard.kernel.errors import AgentGuardError

FORGET = 24 * NS_PER_HOUR
"""Failures older than this do not count."""
_IPV6_NETWORK = 64
"""A customer gets such a network at least (RFC 6177 §2), so it counts as one address."""


@dataclass(frozen=True, slots=True)
class Limit:
    """After so many failures each further attempt waits twice as long as the one before."""

    free: int
    longest_seconds: int


ACCOUNT = Limit(free=5, longest_seconds=60)
"""Short, since whoever knows a name could otherwise keep its owner out."""
ADDRESS = Limit(free=20, longest_seconds=900)
"""More free ones, since many users may share an address."""


class TooManyAttemptsError(AgentGuardError):
    """Too many sign-ins of an account or from an address failed."""

    code = "too-many-attempts"
    status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many failed sign-ins. Try again in {seconds} s.")
        self.seconds = seconds

    @property
    def extensions(self) -> dict[str, object]:
        return {"retry_after_seconds": self.seconds}


@dataclass(frozen=True, slots=True)
class Attempts:
    """Attempts at an account or from an address that have not succeeded."""

    failed: int = 0
    last_at: int = 0
    """In ns since the epoch."""

    def seconds_to_wait(self, limit: Limit, now: int) -> int:
        """Return for how long further attempts are refused, rounded up; 0: not at all."""
        over = self._counted(now) - limit.free
        if over < 0:
            return 0
        wait = min(1 << min(over, 20), limit.longest_seconds) * NS_PER_SECOND
        since = max(now - self.last_at, 0)
        return max(-((since - wait) // NS_PER_SECOND), 0)

    def one_more(self, now: int) -> Attempts:
        return Attempts(self._counted(now) + 1, now)

    def one_less(self) -> Attempts:
        return replace(self, failed=max(self.failed - 1, 0))

    def _counted(self, now: int) -> int:
        return 0 if now - self.last_at > FORGET else self.failed


def account_source(name: str) -> str:
    """Return under what an account's failures are counted: no name, as people mistype passwords."""
    return f"account:{sha256(name_key(name).encode('utf-8', 'replace')).hexdigest()[:32]}"


def address_source(address: str) -> str:
    """Return under what an address's failures are counted."""
    found = parsed_address(address)
    if found is None:
        return f"address:{address[:64]}"
    if isinstance(found, ipaddress.IPv4Address):
        return f"address:{found}"
    return f"address:{ipaddress.ip_network((int(found), _IPV6_NETWORK), strict=False)}"
