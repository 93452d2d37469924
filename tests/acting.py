"""Who acts in tests."""

from __future__ import annotations

from agentguard.accounts.principal import EVERY_PERMISSION, Principal, PrincipalKind

TESTER = Principal("os-user:tester", PrincipalKind.OS_USER, EVERY_PERMISSION)
