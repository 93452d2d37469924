"""Times: nanoseconds here, datetimes in Neo4j, which keep every nanosecond."""

from __future__ import annotations


def moment(nanoseconds: str) -> str:
    """Return Cypher for the datetime of an expression in nanoseconds since the epoch."""
    return (
        f"datetime({{epochSeconds: {nanoseconds} / 1000000000, nanosecond: {nanoseconds} %"
        " 1000000000})"
    )


def nanoseconds(moment: str) -> str:
    """Return Cypher for the nanoseconds since the epoch of an expression that is a datetime."""
    return f"{moment}.epochSeconds * 1000000000 + {moment}.nanosecond"
