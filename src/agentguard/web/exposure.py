"""Whether a server may listen on an address."""

from __future__ import annotations

from agentguard.bootstrap.account_inspection import accounts_exist
from agentguard.kernel.errors import InvalidInputError
from agentguard.settings import Settings
from agentguard.web.loopback import is_local_name


class ExposedError(InvalidInputError):
    """Other machines could reach the server, and nothing would authenticate them."""

    code = "no-authentication"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"Other machines can reach {host}, but no API key is set. Set AGENTGUARD_API_KEY, run"
            " `agentguard keys create`, or listen on 127.0.0.1. If a proxy in front authenticates"
            " every request, set AGENTGUARD_PROXY_AUTHENTICATES=true."
        )


async def refuse_exposure(settings: Settings, host: str) -> None:
    """Raise ExposedError if the address is not of this machine and no request needs a key.

    Raises DatabaseUnavailableError where the settings leave it to the database.
    """
    authenticated = settings.api_key is not None or settings.proxy_authenticates or settings.users
    if authenticated or is_local_name(host):
        return
    if not await accounts_exist(settings):
        raise ExposedError(host)
