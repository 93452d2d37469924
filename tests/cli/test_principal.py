from __future__ import annotations

import getpass
import os

import pytest

from agentguard.accounts.principal import EVERY_PERMISSION, PrincipalKind
from agentguard.cli.principal import os_user


def test_a_command_acts_as_the_user_who_runs_it(monkeypatch):
    monkeypatch.setenv("LOGNAME", "ada")

    actor = os_user()

    assert (actor.id, actor.kind) == ("os-user:ada", PrincipalKind.OS_USER)
    assert actor.permissions == EVERY_PERMISSION


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_a_user_without_a_name_is_named_by_number(monkeypatch, error):
    def nameless() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", nameless)

    assert os_user().id == f"os-user:{os.getuid()}"
