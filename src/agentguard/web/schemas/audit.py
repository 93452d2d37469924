"""Documents about the audit log, and what is given to verify."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema, model_validator

from agentguard.audit.signers import SignerKind
from agentguard.audit.verification import CheckName, Outcome
from agentguard.web.schemas.common import Document, Time
from agentguard.web.schemas.requests import RequestBody

_ANY_JSON = {
    "type": ["object", "array", "string", "number", "boolean", "null"],
    "additionalProperties": True,
    "description": "Any JSON.",
}
JSONValue = Annotated[Any, WithJsonSchema(_ANY_JSON)]
Base64Hash = Annotated[str, Field(description="A SHA-256 hash in base64.")]


class ActorDocument(Document):
    """Who acted."""

    id: str
    kind: str = Field(description="How the principal was identified.")


class EntryDocument(Document):
    """An entry of the audit log."""

    index: int
    time: Time | None
    actor: ActorDocument
    action: str = Field(examples=["scan.stored"])
    object: str | None
    graph_version: str | None
    trace_ids: list[str]
    payload: JSONValue
    payload_removed: bool


class EntriesDocument(Document):
    """A page of entries, newest first."""

    entries: list[EntryDocument]
    size: int = Field(description="Entries in the whole log.")
    pending: int = Field(description="Entries that wait for their place in the log.")
    next: int | None = Field(description="`before` of the next page; null after the last.")


class SignatureDocument(Document):
    """A signature of a checkpoint."""

    name: str
    key_id: str
    kind: SignerKind
    outcome: Outcome = Field(description="`not checkable` where the key is not known.")
    time: Time | None = Field(description="When a witness cosigned.")


class CheckpointDocument(Document):
    """The state of the log, signed."""

    origin: str
    size: int
    root: str = Field(description="Root hash of the Merkle tree (RFC 9162), in hexadecimal.")
    time: Time | None = Field(description="When it was signed, as the server says.")
    note: str = Field(description="The signed note (C2SP tlog-checkpoint).")
    signatures: list[SignatureDocument]


class LeafDocument(Document):
    """An entry as it was hashed, in canonical JSON (RFC 8785)."""

    action: str
    actor: ActorDocument
    evidence: list[str] = Field(description="Trace ids.")
    graph_version: str | None
    object: str | None
    payload_commitment: str = Field(description="SHA-256 of salt and payload, in hexadecimal.")
    schema_: int = Field(alias="schema")
    time: str = Field(description="ns since the epoch.")


class OriginalDataDocument(Document):
    """An entry as it was hashed, and its payload with the salt."""

    entry: LeafDocument
    payload: JSONValue
    salt: str | None = Field(description="Null: the payload was removed.")


class AnchoredDocument(Document):
    """Where a checkpoint is anchored; all members are null where it is not."""

    chain: str | None = Field(description="The chain's name.")
    chain_id: int | None = Field(description="137 is Polygon, 80002 its test network.")
    tx_hash: str | None
    block: int | None
    timestamp: Time | None = Field(description="Of the block.")
    contract: str | None = Field(description="The address that the anchor was sent to.")


class ProofDocument(AnchoredDocument):
    """An entry, the proof that it is in the log, and the checkpoint that the proof is for."""

    index: int
    verified: None = Field(description="Always null: `POST /api/audit/verify` asks the chain.")
    data_hash: str = Field(description="Leaf hash of the entry (RFC 9162), in hexadecimal.")
    proof: list[Base64Hash] = Field(description="From the leaf's sibling to the child of the root.")
    checkpoint: CheckpointDocument
    key: str | None = Field(description="The log's public key; get it from elsewhere to trust it.")
    entry: EntryDocument
    data: OriginalDataDocument


class ConsistencyDocument(Document):
    """The proof that one state of the log extends another."""

    from_: int = Field(alias="from")
    to: int
    proof: list[Base64Hash]


class CheckDocument(Document):
    """One check."""

    check: CheckName
    outcome: Outcome
    detail: str = Field(description="What was found; of a failure, the first step that differs.")


class VerificationDocument(AnchoredDocument):
    """What was checked."""

    data_hash: str | None = Field(description="Leaf hash of the entry, in hexadecimal.")
    verified: bool | None = Field(
        description="True only if the log has the entry and, where a transaction is given, its"
        " anchor is verified too; null: it cannot be checked, and the checks say why."
    )
    outcome: Outcome
    checks: list[CheckDocument]


class ActorData(RequestBody):
    """Who acted."""

    id: str
    kind: str


class LeafData(RequestBody):
    """An entry as it was hashed."""

    action: str
    actor: ActorData
    evidence: list[str]
    graph_version: str | None
    object: str | None
    payload_commitment: str
    schema_: int = Field(alias="schema")
    time: str


class OriginalData(RequestBody):
    """`data` of a proof."""

    entry: LeafData
    payload: JSONValue = None
    salt: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None


class VerifyRequest(RequestBody):
    """A bundle; or an entry and the transaction that anchored it."""

    bundle: str | None = Field(default=None, description="The text of a `.tlog-proof` file.")
    tx_hash: Annotated[str, Field(pattern="^0x[0-9a-fA-F]{64}$")] | None = None
    data: OriginalData | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> VerifyRequest:
        original = self.tx_hash is not None and self.data is not None
        neither = self.tx_hash is None and self.data is None
        if not (original if self.bundle is None else neither):
            raise ValueError("must have either bundle, or tx_hash and data")
        return self


ProofFormat = Literal["json", "tlog-proof"]
