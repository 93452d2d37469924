"""The one-time link that a server prints while users are required and there is none."""

from __future__ import annotations

import sys

from agentguard.bootstrap.app import App
from agentguard.bootstrap.startup_warnings import tell_of_loopback_only


async def tell_who_may_enter(app: App, url: str) -> None:
    """Log that this machine needs no credentials, or print the link, where that is so.

    Raises UnavailableError.
    """
    accounts = await app.accounts.identities.exist()
    tell_of_loopback_only(app.settings, app.settings.api_host, accounts=accounts)
    await print_set_up_link(app, url)


async def print_set_up_link(app: App, url: str) -> None:
    """Print the link on standard error, not in the log: whoever has it becomes administrator.

    Its token is in the fragment, which browsers send to no server. Raises UnavailableError.
    """
    if not app.settings.users:
        return
    token = await app.accounts.set_up.begin()
    if token is None:
        return
    sys.stderr.write(
        "There is no user yet. Open this link once, within a day, to create the first"
        f" administrator:\n  {url}/sign-in#set-up={token}\n"
    )
    sys.stderr.flush()
