"""Documents about anchors of the audit log."""

from __future__ import annotations

from pydantic import Field

from agentguard.audit.anchoring import AnchorState
from agentguard.web.schemas.common import Document, Time


class AnchorProblem(Document):
    """Why an anchor waits, or has failed."""

    code: str
    message: str


class AnchorAttempt(Document):
    """A signed transaction of an anchor; of those with the same nonce, one at most is mined."""

    tx_hash: str
    nonce: int
    account: str
    max_fee_wei: str = Field(description="Per unit of gas.")
    max_tip_wei: str = Field(description="Per unit of gas.")
    signed_at: Time | None
    sent_at: Time | None = Field(description="When the chain accepted it last.")


class AnchorReceiptDocument(Document):
    """The block that an anchor's transaction is in, and what it cost."""

    tx_hash: str
    block: int
    block_hash: str
    timestamp: Time | None = Field(description="Of the block.")
    contract: str = Field(description="Wrote the event, or received the calldata.")
    gas_used: int
    gas_price_wei: str = Field(description="Paid per unit of gas.")
    cost: str = Field(description="In `unit`, exact.")
    unit: str = Field(examples=["POL"])


class AnchorDocument(Document):
    """The anchor of one checkpoint on a chain."""

    size: int = Field(description="Of the checkpoint: the number of entries that it covers.")
    state: AnchorState
    chain: str | None = Field(examples=["Polygon Amoy"])
    chain_id: int | None
    receipt: AnchorReceiptDocument | None = Field(
        description="Null while no transaction is in a block. It counts once `state` is finalised."
    )
    attempts: list[AnchorAttempt]
    problem: AnchorProblem | None
    note: str = Field(description="The checkpoint as it was signed, a C2SP signed note.")
    created_at: Time | None
    changed_at: Time | None
    looked_at: Time | None = Field(description="When the chain was asked last.")


class AnchorsDocument(Document):
    """How much of the audit log is anchored and published."""

    summary: str
    anchored_on_a_chain: bool = Field(description="A chain is set.")
    size: int = Field(description="Entries that the newest checkpoint covers.")
    anchored_size: int = Field(description="Entries that a final anchor covers.")
    published_in: str | None = Field(
        description="The folder AGENTGUARD_AUDIT_CHECKPOINT_DIR; null: no files are published."
    )
    published_size: int = Field(description="Entries that a published checkpoint covers.")
    published_at: Time | None
    problems: list[AnchorProblem]
    anchors: list[AnchorDocument] = Field(description="Newest first.")
