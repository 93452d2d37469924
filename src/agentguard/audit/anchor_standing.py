"""Where a log stands: how much of it is anchored and published, and what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agentguard.audit.anchoring import Anchor, AnchorState, Problem
from agentguard.audit.chain_names import chain_name
from agentguard.audit.checkpoint_folder import PublishedCheckpoint
from agentguard.audit.checkpoints import SignedCheckpoint


@dataclass(frozen=True, slots=True)
class Standing:
    """How much of the log is anchored and published."""

    on_chain: bool
    """A chain is set."""
    place: str | None
    """The folder for checkpoints, if one is set."""
    size: int
    """Of the newest checkpoint."""
    open: Anchor | None
    last: Anchor | None
    """The newest that is final."""
    failed: Anchor | None
    """The newest that failed, if none of a larger checkpoint has become final since."""
    anchors: tuple[Anchor, ...]
    published: PublishedCheckpoint | None
    publishing_problem: Problem | None

    @property
    def summary(self) -> str:
        """One line for people."""
        return f"{self._chain()} {self._folder()}"

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What waits to be mended."""
        anchors = (self.open, self.failed)
        found = [anchor.problem for anchor in anchors if anchor is not None]
        return tuple(one for one in (*found, self.publishing_problem) if one is not None)

    @property
    def published_size(self) -> int:
        if self.published is None:
            return 0
        return SignedCheckpoint.parse(self.published.note).checkpoint.size

    def _chain(self) -> str:
        anchored = self._anchored()
        if not self.on_chain:
            return (
                "Not anchored on a chain." if anchored is None else f"{anchored} No chain is set."
            )
        if self.open is None:
            return f"{anchored or 'Nothing is anchored yet.'}{self._failure()}"
        waiting = f"The anchor of size {self.open.size:,} is {self.open.state.value}"
        if self.open.problem is not None:
            waiting += f" and waits: {self.open.problem.message.rstrip('.')}"
        told = f"{waiting}.{self._failure()}"
        return f"{anchored} {told}" if anchored else told

    def _failure(self) -> str:
        if self.failed is None or self.failed.problem is None:
            return ""
        return f" The anchor of size {self.failed.size:,} failed: {self.failed.problem.message}"

    def _anchored(self) -> str | None:
        if self.last is None or self.last.receipt is None:
            return None
        chain = chain_name(self.last.receipt.anchored.chain_id)
        return f"Anchored on {chain}: {self.last.size:,} of {self.size:,} entries."

    def _folder(self) -> str:
        if self.place is None:
            return "Checkpoints are published nowhere."
        if self.publishing_problem is not None:
            return self.publishing_problem.message
        if self.published is None:
            return f"No checkpoint is published in {self.place!r} yet."
        return f"Published in {self.place!r}: {self.published_size:,} of {self.size:,} entries."


def newest_failure(newest: Sequence[Anchor]) -> Anchor | None:
    """Return the first of these anchors, newest first, if it failed; an open one is passed."""
    settled = next((each for each in newest if each.state.final), None)
    return settled if settled is not None and settled.state is AnchorState.FAILED else None
