"""Documents about anchors: where the log stands, and what anchors have cost."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from agentguard.audit.anchor_standing import Standing
from agentguard.audit.anchoring import Anchor, Attempt, Problem, Receipt
from agentguard.audit.chain_names import chain_name, coin
from agentguard.kernel.clock import NS_PER_SECOND, timestamp

_WEI = Decimal(10) ** 18
_MONTH_SECONDS = 30 * 24 * 3600
_ONE_ANCHOR = "It takes at least two anchors at different times."


def standing_document(standing: Standing) -> dict[str, Any]:
    """Return how much of the log is anchored and published, with the newest anchors."""
    last, published = standing.last, standing.published
    return {
        "summary": standing.summary,
        "anchored_on_a_chain": standing.on_chain,
        "size": standing.size,
        "anchored_size": 0 if last is None else last.size,
        "published_in": standing.place,
        "published_size": standing.published_size,
        "published_at": None if published is None else timestamp(published.time),
        "problems": [problem_document(problem) for problem in standing.problems],
        "anchors": [anchor_document(anchor) for anchor in standing.anchors],
    }


def anchor_document(anchor: Anchor) -> dict[str, Any]:
    """Return an anchor with its attempts; amounts in wei are text, as they exceed doubles."""
    chain_id, problem = anchor.chain_id, anchor.problem
    return {
        "size": anchor.size,
        "state": anchor.state.value,
        "chain": None if chain_id is None else chain_name(chain_id),
        "chain_id": chain_id,
        "receipt": None if anchor.receipt is None else receipt_document(anchor.receipt),
        "attempts": [_attempt(attempt) for attempt in anchor.attempts],
        "problem": None if problem is None else problem_document(problem),
        "note": anchor.note.decode(),
        "created_at": timestamp(anchor.created_at),
        "changed_at": timestamp(anchor.changed_at),
        "looked_at": timestamp(anchor.looked_at or 0),
    }


def receipt_document(receipt: Receipt) -> dict[str, Any]:
    """Return where a transaction was mined, and what it cost."""
    anchored = receipt.anchored
    return {
        "tx_hash": anchored.tx_hash,
        "block": anchored.block_number,
        "block_hash": anchored.block_hash,
        "timestamp": timestamp(anchored.block_time * NS_PER_SECOND),
        "contract": anchored.contract,
        "gas_used": receipt.gas_used,
        "gas_price_wei": str(receipt.gas_price),
        "cost": _amount(receipt.cost),
        "unit": coin(anchored.chain_id),
    }


def problem_document(problem: Problem) -> dict[str, str]:
    return {"code": problem.code, "message": problem.message}


def _attempt(attempt: Attempt) -> dict[str, Any]:
    transaction = attempt.transaction
    return {
        "tx_hash": transaction.hash,
        "nonce": transaction.nonce,
        "account": attempt.account,
        "max_fee_wei": str(transaction.max_fee),
        "max_tip_wei": str(transaction.max_tip),
        "signed_at": timestamp(attempt.signed_at),
        "sent_at": timestamp(attempt.sent_at or 0),
    }


def costs_document(anchors: Sequence[Anchor], interval_seconds: float) -> dict[str, Any]:
    """Return what settled anchors have cost, by chain, computed from their receipts only."""
    receipts = [anchor.receipt for anchor in anchors if anchor.receipt is not None]
    chains = sorted({receipt.anchored.chain_id for receipt in receipts})
    return {
        "interval_seconds": interval_seconds,
        "chains": [
            _costs([r for r in receipts if r.anchored.chain_id == chain_id], interval_seconds)
            for chain_id in chains
        ],
    }


def _costs(receipts: Sequence[Receipt], interval_seconds: float) -> dict[str, Any]:
    """Return the costs on one chain; `receipts` are not empty, the oldest first."""
    chain_id = receipts[0].anchored.chain_id
    total, number = sum(receipt.cost for receipt in receipts), len(receipts)
    mean = Decimal(total) / number
    seconds = receipts[-1].anchored.block_time - receipts[0].anchored.block_time
    later = sum(receipt.cost for receipt in receipts[1:])
    observed = Decimal(later) * _MONTH_SECONDS / seconds if seconds > 0 else None
    most = mean * _MONTH_SECONDS / Decimal(interval_seconds)
    return {
        "chain": chain_name(chain_id),
        "chain_id": chain_id,
        "unit": coin(chain_id),
        "anchors": number,
        "total": _amount(total),
        "per_anchor": _amount(mean),
        "last": _amount(receipts[-1].cost),
        "per_month": None if observed is None else _amount(observed),
        "per_month_note": _ONE_ANCHOR if observed is None else None,
        "per_month_at_most": _amount(most),
    }


def _amount(wei: int | Decimal) -> str:
    """Return an amount in coins, exact to the wei, as text."""
    return f"{(Decimal(wei) / _WEI).quantize(1 / _WEI):f}"
