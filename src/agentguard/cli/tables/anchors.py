"""Tables of anchors and their costs."""

from __future__ import annotations

from typing import Any

from rich.console import RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import Document, answer, faint, section
from agentguard.cli.tables.rows import Rows, names, number, text

_ANCHORS = (
    number("Entries"),
    text("State"),
    text("Chain"),
    number("Block"),
    text("Time"),
    names("Transaction"),
)
_COSTS = (
    text("Chain"),
    number("Anchors"),
    number("Total"),
    number("Per anchor"),
    number("Per month"),
    number("At most"),
)
_STYLES = {"finalised": "green", "failed": "red"}


def standing_parts(document: Document) -> list[RenderableType]:
    """Return how much is anchored, what waits, and the newest anchors."""
    parts: list[RenderableType] = [answer(document["summary"])]
    rows = [_row(anchor) for anchor in document["anchors"]]
    if rows:
        parts.append(section("Anchors", Rows(_ANCHORS, rows)))
    elif not document["anchored_on_a_chain"]:
        parts.append(faint("To anchor it on a chain, set WEB3_PROVIDER_URL and WEB3_PRIVATE_KEY."))
    if document["published_in"] is None:
        parts.append(faint("To publish it as files, set AGENTGUARD_AUDIT_CHECKPOINT_DIR."))
    return parts


def _row(anchor: dict[str, Any]) -> list[str | Text]:
    receipt, attempts, problem = anchor["receipt"], anchor["attempts"], anchor["problem"]
    state = anchor["state"] + (f": {problem['code']}" if problem else "")
    sent = attempts[-1]["tx_hash"] if attempts else "–"
    return [
        f"{anchor['size']:,}",
        Text(state, style="yellow" if problem else _STYLES.get(anchor["state"], "")),
        anchor["chain"] or "–",
        "–" if receipt is None else str(receipt["block"]),
        (anchor["changed_at"] or "–")[:19] if receipt is None else receipt["timestamp"][:19],
        sent if receipt is None else receipt["tx_hash"],
    ]


def costs_parts(document: Document) -> list[RenderableType]:
    """Return what anchors have cost on each chain."""
    chains = document["chains"]
    if not chains:
        return [answer("Unknown: no anchor is final yet, so there is no receipt.")]
    rows: list[list[str | Text]] = [
        [
            chain["chain"],
            f"{chain['anchors']:,}",
            _coins(chain["total"], chain["unit"]),
            _coins(chain["per_anchor"], chain["unit"]),
            "unknown" if chain["per_month"] is None else _coins(chain["per_month"], chain["unit"]),
            _coins(chain["per_month_at_most"], chain["unit"]),
        ]
        for chain in chains
    ]
    told = "; ".join(
        f"{_coins(chain['total'], chain['unit'])} on {chain['chain']}" for chain in chains
    )
    note = (
        "Per month: 30 days at the pace of the anchors so far. At most: one per"
        f" {document['interval_seconds']:g} s, at the mean cost so far."
    )
    return [
        answer(f"Anchors have cost {told}."),
        section("Costs", Rows(_COSTS, rows)),
        faint(note),
    ]


def _coins(amount: str, unit: str) -> str:
    """Return an amount to six significant digits; JSON has all."""
    return f"{float(amount):.6g} {unit}"
