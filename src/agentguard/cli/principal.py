"""Who acts when a command runs."""

from __future__ import annotations

import getpass

from agentguard.accounts.principal import EVERY_PERMISSION, Principal, PrincipalKind


def os_user() -> Principal:
    """Return the operating-system user who runs the command: every permission."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, in a container say
        name = "unknown"
    return Principal(f"os-user:{name}", PrincipalKind.OS_USER, EVERY_PERMISSION)
