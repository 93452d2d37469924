"""Anchors the log's checkpoints in rounds; a process may be killed at any moment of one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import structlog

from agentguard.accounts.principal import Permission, Principal
from agentguard.audit.anchor_changes import AnchorChanges, mark_entries, unmarked
from agentguard.audit.anchor_standing import Standing, newest_failure
from agentguard.audit.anchor_steps import ANCHORING, AnchorSteps
from agentguard.audit.anchor_store import AnchorStores
from agentguard.audit.anchoring import Anchor, Problem
from agentguard.audit.checkpoint_folder import (
    CheckpointFolder,
    CheckpointFolderError,
    PublishedCheckpoint,
    PublishedOtherwiseError,
    due_before,
    is_news,
    unpublished,
)
from agentguard.audit.errors import AuditFormatError
from agentguard.audit.store import StoredCheckpoint
from agentguard.kernel.clock import Clock
from agentguard.kernel.errors import AgentGuardError, NotFoundError
from agentguard.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)


_WAITING_POLLS = 4
"""An anchor that waits for something to be mended is looked at so many times less often."""


class NoOpenAnchorError(NotFoundError):
    """There is nothing to give up."""

    code = "no-open-anchor"

    def __init__(self) -> None:
        super().__init__("No anchor is open. See `agentguard audit anchor`.")


@dataclass(frozen=True, slots=True)
class Intervals:
    """How often what is done, in seconds."""

    anchor: float = 3600
    """Between two anchors, and between two published checkpoints."""
    poll: float = 15
    """Between two looks at the chain while an anchor is open."""


@dataclass(frozen=True, slots=True)
class Anchoring:
    """Writes checkpoints to a chain, to a folder, or to both."""

    unit_of_work: UnitOfWork[AnchorStores]
    steps: AnchorSteps | None
    """None: no chain is set."""
    folder: CheckpointFolder | None
    """None: checkpoints are published nowhere."""
    clock: Clock
    intervals: Intervals = field(default_factory=Intervals)

    async def is_due(self) -> bool:
        """Return whether a round would do something. Raises UnavailableError."""
        if await self._publishing_is_due() or await self._anchor_is_due():
            return True
        return await self.unit_of_work.read(unmarked) is not None

    async def run(self, actor: Principal, *, at_once: bool = False) -> None:
        """Run one round; `at_once`: without waiting for the interval.

        A problem of the chain is kept with the anchor. Raises PublishedOtherwiseError,
        CheckpointFolderError, UnavailableError (of the database), PermissionDeniedError.
        """
        actor.require(Permission.OPERATE)
        refused: AgentGuardError | None = None
        try:
            await self._publish(at_once=at_once)
        except (PublishedOtherwiseError, CheckpointFolderError) as error:
            refused = error
        if self.steps is not None:
            await self.steps.open()
        await mark_entries(self.unit_of_work)
        anchor = await self._opened(at_once=at_once)
        if anchor is not None and self.steps is not None:
            await self.steps.take(anchor)
        if refused is not None:
            raise refused

    async def work(self, _job: object, _report: object) -> dict[str, object]:
        """Do a job: one round. Its result is what `audit anchor` shows first."""
        try:
            await self.run(ANCHORING)
        except (PublishedOtherwiseError, CheckpointFolderError) as error:
            log.warning("checkpoint_not_published", error=str(error))
            return {"summary": str(error)}
        return {"summary": (await self.standing(1)).summary}

    async def give_up(self, actor: Principal) -> None:
        """End the open anchor, whose chain or account is no longer used.

        Raises NoOpenAnchorError, AnchorChangedError, PermissionDeniedError.
        """
        actor.require(Permission.OPERATE)
        anchor = await self.unit_of_work.read(lambda stores: stores.anchors.open())
        if anchor is None:
            raise NoOpenAnchorError
        changes = AnchorChanges(self.unit_of_work, self.clock)
        await changes.store(actor, anchor, anchor.given_up(actor.id))

    async def standing(self, limit: int = 50) -> Standing:
        """Return what is anchored and published, with the newest anchors."""

        async def work(stores: AnchorStores) -> Standing:
            checkpoint = await stores.audit.checkpoint()
            newest = await stores.anchors.newest(max(limit, 2))
            return Standing(
                on_chain=self.steps is not None,
                place=None if self.folder is None else self.folder.place,
                size=0 if checkpoint is None else checkpoint.size,
                open=await stores.anchors.open(),
                last=await stores.anchors.last_finalised(),
                failed=newest_failure(newest),
                anchors=newest[:limit],
                published=published,
                publishing_problem=problem,
            )

        published, problem = await self._published()
        return await self.unit_of_work.read(work)

    async def costs(self) -> tuple[Anchor, ...]:
        """Return the anchors that are settled: what they have cost is known."""
        return await self.unit_of_work.read(lambda stores: stores.anchors.settled())

    async def _published(self) -> tuple[PublishedCheckpoint | None, Problem | None]:
        """Return the newest published checkpoint, and why no newer one can be published."""
        if self.folder is None:
            return None, None
        try:
            published = await asyncio.to_thread(self.folder.newest)
            await self._to_publish(at_once=True)
        except AgentGuardError as error:
            return None, Problem.of(error)
        return published, None

    async def _publishing_is_due(self) -> bool:
        try:
            return await self._to_publish(at_once=False) is not None
        except (PublishedOtherwiseError, CheckpointFolderError, AuditFormatError):
            return False  # `standing` tells what is wrong, and the next look sees it mended

    async def _anchor_is_due(self) -> bool:
        async def work(stores: AnchorStores) -> bool:
            anchor = await stores.anchors.open()
            if anchor is None:
                return await self._checkpoint_due(stores, at_once=False) is not None
            pause = self.intervals.poll * (1 if anchor.problem is None else _WAITING_POLLS)
            return anchor.looked_at is None or self._has_passed(anchor.looked_at, pause)

        return self.steps is not None and await self.unit_of_work.read(work)

    def _has_passed(self, since: int, seconds: float) -> bool:
        now = self.clock()
        return since <= due_before(now, seconds) or since > now

    async def _publish(self, *, at_once: bool) -> None:
        checkpoint = await self._to_publish(at_once=at_once)
        if checkpoint is not None and self.folder is not None:
            await asyncio.to_thread(self.folder.put, checkpoint.size, checkpoint.note)
            log.info("checkpoint_published", size=checkpoint.size, place=self.folder.place)

    async def _to_publish(self, *, at_once: bool) -> StoredCheckpoint | None:
        if (folder := self.folder) is None:
            return None
        published = await asyncio.to_thread(folder.newest)
        now = self.clock()
        before = due_before(now, 0 if at_once else self.intervals.anchor)
        if published is not None and published.time > now:  # the clock was set back
            before = published.time
        return await self.unit_of_work.read(
            lambda stores: unpublished(stores.audit, published, folder.place, due_before=before)
        )

    async def _opened(self, *, at_once: bool) -> Anchor | None:
        """Return the open anchor, or a new one if it is due."""

        async def work(stores: AnchorStores) -> Anchor | None:
            anchor = await stores.anchors.open()
            if anchor is not None:
                return anchor
            checkpoint = await self._checkpoint_due(stores, at_once=at_once)
            if checkpoint is None:
                return None
            now = self.clock()
            new = Anchor(checkpoint.size, checkpoint.note, now, changed_at=now)
            await stores.anchors.add(new)
            return new

        return None if self.steps is None else await self.unit_of_work.run(work)

    async def _checkpoint_due(
        self, stores: AnchorStores, *, at_once: bool
    ) -> StoredCheckpoint | None:
        """Return the checkpoint that a new anchor is for, or None."""
        checkpoint = await stores.audit.checkpoint()
        newest = next(iter(await stores.anchors.newest(1)), None)
        if checkpoint is None or (newest is not None and newest.size >= checkpoint.size):
            return None
        recent = newest is not None and not self._has_passed(
            newest.created_at, self.intervals.anchor
        )
        if recent and not at_once:
            return None
        last = await stores.anchors.last_finalised()
        anchored = 0 if last is None else last.size
        return checkpoint if await is_news(stores.audit, anchored, checkpoint.size) else None
