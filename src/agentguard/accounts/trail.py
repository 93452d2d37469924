"""The port through which changes of keys, users and sessions reach the audit log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from agentguard.accounts.principal import Principal


class Trail(Protocol):
    """Appends audit entries in the same transaction as the change that they record."""

    @property
    def random(self) -> Callable[[int], bytes]:
        """Return a function that returns the requested number of unpredictable bytes."""

    async def record(
        self,
        log: Any,
        who: Principal,
        action: str,
        *,
        object_id: str | None = None,
        payload: object = None,
    ) -> None:
        """Append an entry to `log`, the `audit` of the transaction's stores.

        `action` is in the past tense (`key.created`); personal data go into `payload`, which can be
        removed. If this raises, the change must fail too.
        """
