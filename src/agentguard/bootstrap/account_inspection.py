"""Whether an installation has accounts, before its server is opened."""

from __future__ import annotations

from agentguard.adapters.sql.account_inspection import has_accounts
from agentguard.bootstrap.wiring import postgresql
from agentguard.settings import Settings


async def accounts_exist(settings: Settings) -> bool:
    """Return whether the database has keys; it is neither created nor migrated.

    Raises DatabaseUnavailableError.
    """
    return await has_accounts(settings.data_dir, postgresql(settings))
