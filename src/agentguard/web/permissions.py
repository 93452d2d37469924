"""The permission that each route requires."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import Depends, Request

from agentguard.accounts.principal import Permission
from agentguard.web.auth import principal_of


@dataclass(frozen=True, slots=True)
class Requirement:
    """A dependency that raises PermissionDeniedError unless the principal has the permission."""

    permission: Permission | None
    """None: every request that passed authentication is allowed."""

    async def __call__(self, request: Request) -> None:
        if self.permission is not None:
            (await principal_of(request)).require(self.permission)


def requires(permission: Permission) -> Any:
    """Return the dependency for a route that needs this permission."""
    return Depends(Requirement(permission))


PUBLIC: Any = Depends(Requirement(None))
"""The dependency for a route that needs no permission: the root, health checks, documentation."""
