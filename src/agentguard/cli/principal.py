"""The principal of a command: the operating-system user who runs it."""

from __future__ import annotations

import getpass
import os

from agentguard.accounts.principal import EVERY_PERMISSION, Principal, PrincipalKind


def os_user() -> Principal:
    """Return the user of this process, with every permission on the data it can open.

    A user without a name, as in many containers, is identified by number.
    """
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # KeyError until Python 3.12: no entry in the password database
        name = str(os.getuid())
    return Principal(f"os-user:{name}", PrincipalKind.OS_USER, EVERY_PERMISSION)
