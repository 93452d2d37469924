"""Roles: what each kind of user may do."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from agentguard.accounts.principal import EVERY_PERMISSION, Permission


class Role(StrEnum):
    """What a user may do; each role includes those before it."""

    VIEWER = "viewer"
    ANALYST = "analyst"
    OPERATOR = "operator"
    ADMIN = "admin"


_VIEWER = frozenset({Permission.READ})
_ANALYST = _VIEWER | {Permission.SIMULATE}
_OPERATOR = _ANALYST | {Permission.OPERATE}

PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: _VIEWER,
    Role.ANALYST: _ANALYST,
    Role.OPERATOR: _OPERATOR,
    Role.ADMIN: EVERY_PERMISSION,
}
"""The explicit table: role → permissions."""
