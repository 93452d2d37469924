"""The permission that each route requires."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import Depends, Request

from agentguard.accounts.principal import Permission, PermissionDeniedError
from agentguard.audit.refused_access import RefusedAccess
from agentguard.web.auth import principal_of
from agentguard.web.refusals import note_refusal


@dataclass(frozen=True, slots=True)
class Requirement:
    """A dependency that raises PermissionDeniedError unless the principal has the permission."""

    permission: Permission | None
    """None: every request that passed authentication is allowed."""

    async def __call__(self, request: Request) -> None:
        if self.permission is None:
            return
        try:
            (await principal_of(request)).require(self.permission)
        except PermissionDeniedError as error:
            refused: RefusedAccess = request.state.refused
            note_refusal(refused, request.scope, error)
            raise


def requires(permission: Permission) -> Any:
    """Return the dependency for a route that needs this permission."""
    return Depends(Requirement(permission))


PUBLIC: Any = Depends(Requirement(None))
"""The dependency for a route that needs no permission: the root, health checks, documentation."""
