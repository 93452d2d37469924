"""A stored log that is anchored on a real node, for tests that drive the clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agentguard.adapters.evm.chain import EVMChain
from agentguard.adapters.files.checkpoints import FileCheckpoints
from agentguard.adapters.sql.database import Database, open_database
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.audit.anchor_steps import ANCHORING, AnchorSteps
from agentguard.audit.anchoring import Anchor, Patience
from agentguard.audit.anchoring_rounds import Anchoring, Intervals
from agentguard.audit.entries import Entry
from agentguard.audit.keys import SigningKey
from agentguard.audit.recording import AuditTrail
from agentguard.audit.sequencing import Sequencer
from agentguard.audit.service import AuditService
from agentguard.audit.store import EntryFilter
from agentguard.kernel.clock import NS_PER_SECOND, system_clock
from tests.acting import TESTER
from tests.databases import empty_database
from tests.evm.node import Node

KEY = SigningKey("example.com/log", bytes(range(32)))
FINAL_AFTER = 64
"""Blocks after which anvil's tag `finalized` has reached one."""


@dataclass
class Clock:
    """Goes on with the real one, and further when a test says so."""

    ahead: int = 0

    def __call__(self) -> int:
        return system_clock() + self.ahead

    def forward(self, seconds: float) -> None:
        self.ahead += int(seconds * NS_PER_SECOND)


@dataclass
class AnchoredLog:
    """A log, its anchoring, and the node that it is anchored on."""

    node: Node
    chain: EVMChain
    database: Database
    folder: Path | None = None
    clock: Clock = field(default_factory=Clock)
    first_block: int = 0
    """Nothing of this log's account is in an earlier one."""

    @property
    def unit_of_work(self) -> SqlUnitOfWork:
        return SqlUnitOfWork(self.database, self.clock)

    @property
    def service(self) -> AuditService:
        return AuditService(self.unit_of_work)

    @property
    def anchoring(self) -> Anchoring:
        steps = AnchorSteps(
            self.unit_of_work, lambda: self.chain, self.clock, Patience(stuck=600, resend=60)
        )
        folder = None if self.folder is None else FileCheckpoints(self.folder)
        return Anchoring(self.unit_of_work, steps, folder, self.clock, Intervals(3600, 15))

    async def add(self, *objects: str) -> None:
        """Append entries and sequence all that wait."""

        async def work(stores) -> None:
            for each in objects:
                await AuditTrail(self.clock).record(
                    stores.audit, TESTER, "dataset.deleted", object_id=each
                )

        await self.unit_of_work.run(work)
        await self.sequence()

    async def sequence(self) -> None:
        await Sequencer(self.unit_of_work, KEY, self.clock).run_once()

    async def round(self, *, at_once: bool = False) -> Anchor | None:
        """Run a round, and return the newest anchor after it."""
        await self.anchoring.run(ANCHORING, at_once=at_once)
        return await self.newest()

    async def newest(self) -> Anchor | None:
        found = await self.unit_of_work.read(lambda stores: stores.anchors.newest(1))
        return found[0] if found else None

    async def outcomes(self) -> list[str]:
        """The actions of entries about anchors, the oldest first."""
        await self.sequence()
        page = await self.service.entries(EntryFilter(actor=ANCHORING.id), 100)
        return [Entry.parse(stored.leaf).action for stored in reversed(page.entries)]

    def transactions(self) -> int:
        """The number of mined transactions of the account."""
        address = self.chain.signer.address
        return int(self.node.call("eth_getTransactionCount", address, "latest"), 16)

    def anchored_data(self) -> list[bytes]:
        """What the account has written to the chain, in order."""
        found = []
        for number in range(self.first_block, self.node.height() + 1):
            block = self.node.call("eth_getBlockByNumber", hex(number), True)
            found += [
                bytes.fromhex(one["input"][2:])
                for one in block["transactions"]
                if one["from"] == self.chain.signer.address.lower()
            ]
        return found


@asynccontextmanager
async def anchored_log(
    node: Node, folder: Path, kind: str = "sqlite", **settings
) -> AsyncIterator[AnchoredLog]:
    """Yield an empty log whose account has money."""
    async with (
        empty_database(kind) as server,
        open_database(folder / "data", server, hurried=False) as database,
    ):
        chain = node.chain(**settings)
        yield AnchoredLog(node, chain, database, first_block=max(0, node.height() - 8))
