"""The port through which changes of keys, users and sessions reach the audit log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from agentguard.accounts.principal import Principal


class Trail(Protocol):
    """Records what was done, in the transaction of the change."""

    @property
    def random(self) -> Callable[[int], bytes]:
        """Returns so many unpredictable bytes."""

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
