"""Anchors in the database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import RowMapping, Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.adapters.sql.tables import audit_anchors
from agentguard.audit.anchoring import Anchor, AnchorState, Attempt, Problem, Receipt
from agentguard.audit.anchors import AnchorReceipt
from agentguard.audit.chain import SignedTransaction

_FINAL = [state.value for state in AnchorState if state.final]
_stored = audit_anchors.c


@dataclass(frozen=True, slots=True)
class SqlAnchors:
    """An AnchorStore over one transaction."""

    connection: AsyncConnection

    async def add(self, anchor: Anchor) -> None:
        if await self._one(select(audit_anchors).where(_stored.size == anchor.size)) is not None:
            raise ValueError(f"the checkpoint of size {anchor.size} has an anchor")
        await self.connection.execute(insert(audit_anchors).values(_values(anchor)))

    async def replace(self, anchor: Anchor) -> bool:
        same = update(audit_anchors).where(
            _stored.size == anchor.size, _stored.version == anchor.version
        )
        changed = _values(replace(anchor, version=anchor.version + 1))
        found = await self.connection.execute(same.values(changed).returning(_stored.size))
        return found.first() is not None

    async def open(self) -> Anchor | None:
        return await self._one(select(audit_anchors).where(_stored.state.not_in(_FINAL)))

    async def newest(self, limit: int) -> tuple[Anchor, ...]:
        return await self._all(select(audit_anchors).order_by(_stored.size.desc()).limit(limit))

    async def last_finalised(self, below: int | None = None) -> Anchor | None:
        wanted = _finalised().order_by(_stored.size.desc())
        return await self._one(wanted if below is None else wanted.where(_stored.size < below))

    async def covering(self, index: int) -> Anchor | None:
        return await self._one(_finalised().where(_stored.size > index).order_by(_stored.size))

    async def of_transaction(self, tx_hash: str) -> Anchor | None:
        return await self._one(select(audit_anchors).where(_stored.tx_hash == tx_hash))

    async def settled(self) -> tuple[Anchor, ...]:
        return await self._all(
            select(audit_anchors).where(_stored.state.in_(_FINAL)).order_by(_stored.size)
        )

    async def _one(self, wanted: Select[Any]) -> Anchor | None:
        row = (await self.connection.execute(wanted.limit(1))).mappings().first()
        return None if row is None else _anchor(row)

    async def _all(self, wanted: Select[Any]) -> tuple[Anchor, ...]:
        return tuple(_anchor(row) for row in (await self.connection.execute(wanted)).mappings())


def _finalised() -> Select[Any]:
    return select(audit_anchors).where(_stored.state == AnchorState.FINALISED.value)


def _values(anchor: Anchor) -> dict[str, Any]:
    receipt, problem = anchor.receipt, anchor.problem
    return {
        "size": anchor.size,
        "note": anchor.note,
        "state": anchor.state.value,
        "chain_id": anchor.chain_id,
        "tx_hash": None if receipt is None else receipt.anchored.tx_hash,
        "attempts": [_attempt_document(attempt) for attempt in anchor.attempts],
        "receipt": None if receipt is None else _receipt_document(receipt),
        "problem": None if problem is None else {"code": problem.code, "message": problem.message},
        "told": list(anchor.told),
        "created_at": anchor.created_at,
        "changed_at": anchor.changed_at,
        "looked_at": anchor.looked_at,
        "version": anchor.version,
    }


def _anchor(row: RowMapping) -> Anchor:
    receipt, problem = row["receipt"], row["problem"]
    return Anchor(
        row["size"],
        bytes(row["note"]),
        row["created_at"],
        AnchorState(row["state"]),
        row["chain_id"],
        tuple(_attempt(document) for document in row["attempts"]),
        None if receipt is None else _receipt(receipt),
        None if problem is None else Problem(problem["code"], problem["message"]),
        tuple(row["told"]),
        row["changed_at"],
        row["looked_at"],
        row["version"],
    )


def _attempt_document(attempt: Attempt) -> dict[str, Any]:
    """Return an attempt as JSON; amounts are text, as JSON's numbers are doubles."""
    transaction = attempt.transaction
    return {
        "hash": transaction.hash,
        "nonce": transaction.nonce,
        "raw": transaction.raw.hex(),
        "gas_limit": str(transaction.gas_limit),
        "max_fee": str(transaction.max_fee),
        "max_tip": str(transaction.max_tip),
        "account": attempt.account,
        "target": attempt.target,
        "signed_at": attempt.signed_at,
        "tried_at": attempt.tried_at,
        "sent_at": attempt.sent_at,
    }


def _attempt(document: dict[str, Any]) -> Attempt:
    transaction = SignedTransaction(
        document["hash"],
        document["nonce"],
        bytes.fromhex(document["raw"]),
        int(document["gas_limit"]),
        int(document["max_fee"]),
        int(document["max_tip"]),
    )
    return Attempt(
        transaction,
        document["account"],
        document["target"],
        document["signed_at"],
        document["tried_at"],
        document["sent_at"],
    )


def _receipt_document(receipt: Receipt) -> dict[str, Any]:
    costs = {"gas_used": str(receipt.gas_used), "gas_price": str(receipt.gas_price)}
    return {"anchored": receipt.anchored.document(), **costs}


def _receipt(document: dict[str, Any]) -> Receipt:
    anchored = AnchorReceipt.parse(document["anchored"])
    return Receipt(anchored, int(document["gas_used"]), int(document["gas_price"]))
