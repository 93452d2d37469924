"""The audit trail: entries, the Merkle tree over them, signed checkpoints, proofs, verification."""
