"""Identities where no key was ever created."""

from __future__ import annotations

from agentguard.accounts.identities import Identities


class Nobody(Identities):
    def __init__(self) -> None:
        """Need no database."""

    async def of_bearer(self, _text: str) -> None:
        return None

    async def exist(self) -> bool:
        return False
