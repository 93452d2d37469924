"""The port to what may put a playbook into better words."""

from __future__ import annotations

from typing import Protocol

from agentguard.playbooks.model import Playbook


class PlaybookWriter(Protocol):
    """A language model, say, that refines a generated playbook."""

    async def refine(self, playbook: Playbook) -> Playbook:
        """Return the playbook in better words, under the writer's own name as generator.

        Cites no component and no evidence that the given playbook does not hold. Raises
        UnavailableError where the writer cannot be reached in time; the caller then keeps the
        playbook it has.
        """
