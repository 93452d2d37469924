"""The one-time link that a server prints while users are required and there is none."""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

from agentguard.bootstrap.app import App
from agentguard.bootstrap.startup_warnings import tell_of_loopback_only

_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - to recognise them, not to listen there


async def tell_who_may_enter(app: App, url: str) -> None:
    """Log that this machine needs no credentials, or print the link, where that is so.

    Raises UnavailableError.
    """
    accounts = await app.accounts.identities.exist()
    tell_of_loopback_only(app.settings, app.settings.api_host, accounts=accounts)
    await print_set_up_link(app, url)


async def print_set_up_link(app: App, url: str) -> None:
    """Print the link on standard error, not in the log: whoever has it becomes administrator.

    `url` is where the server listens. The link's token is in the fragment, which browsers send to
    no server. Raises UnavailableError.
    """
    if not app.settings.users:
        return
    token = await app.accounts.set_up.begin()
    if token is None:
        return
    sys.stderr.write(
        "There is no user yet. Open this link once, within a day, to create the first"
        f" administrator:\n  {_reachable(app, url)}/sign-in#set-up={token}\n"
    )
    sys.stderr.flush()


def _reachable(app: App, url: str) -> str:
    """Return where people reach the server: a wildcard address is none that a browser can open."""
    if app.settings.public_url is not None:
        return app.settings.public_url.rstrip("/")
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{parts.scheme}://localhost:{parts.port}" if host in _WILDCARDS else url


def url_of(host: str, port: int) -> str:
    """Return the URL of a server that listens there."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
