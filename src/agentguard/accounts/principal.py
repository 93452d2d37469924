"""Principals and their permissions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agentguard.kernel.errors import AgentGuardError


class Permission(StrEnum):
    """What a principal may be allowed to do."""

    INGEST = "ingest"
    """Send telemetry."""
    READ = "read"
    """Read graphs, findings, jobs and stored results."""
    SIMULATE = "simulate"
    """Run simulations and generate playbooks."""
    OPERATE = "operate"
    """Store scans, delete datasets, and change the state of incidents."""
    ADMIN = "admin"
    """Manage keys, users and settings."""


EVERY_PERMISSION = frozenset(Permission)


class PrincipalKind(StrEnum):
    """How a principal was identified."""

    LOOPBACK = "loopback"
    """A request from this machine to a server without an API key."""
    API_KEY = "api_key"
    SESSION = "session"
    """A user who signed in with a browser."""
    SCRIPT = "script"
    """A user's script, with a short-lived token."""
    PROXY = "proxy"
    """A request that a proxy in front of the server has authenticated."""
    OS_USER = "os_user"
    """The operating-system user who runs a command."""
    ANYONE = "anyone"
    """Somebody unknown, who reads what is public."""
    SYSTEM = "system"
    """AgentGuard itself: its live graph, its workers, its housekeeping."""


class PermissionDeniedError(AgentGuardError):
    """The principal lacks a permission."""

    code = "permission-denied"
    status = 403

    def __init__(self, actor: Principal, permission: Permission) -> None:
        super().__init__(
            f"{actor.id!r} lacks the permission {permission.value!r}. Use a key that has it."
        )
        self.permission = permission


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts: the first argument of every use case that changes state or costs much."""

    id: str
    """Stable and unique among all kinds: `api-key:bootstrap`, `user:…`, `system:live`."""
    kind: PrincipalKind
    permissions: frozenset[Permission]

    def require(self, permission: Permission) -> None:
        """Raise PermissionDeniedError if the principal lacks the permission."""
        if permission not in self.permissions:
            raise PermissionDeniedError(self, permission)


def system_principal(name: str) -> Principal:
    """Return AgentGuard itself, as the part of it that acts."""
    return Principal(f"system:{name}", PrincipalKind.SYSTEM, EVERY_PERMISSION)
