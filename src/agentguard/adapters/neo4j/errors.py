"""Errors of Neo4j, each with advice; none repeats the server's message, which may hold anything."""

from __future__ import annotations

from neo4j.exceptions import AuthError, ConstraintError, DriverError, GqlError, Neo4jError

from agentguard.kernel.errors import InvalidInputError, UnavailableError

_RATE_LIMIT = "Neo.ClientError.Security.AuthenticationRateLimit"
_NO_DATABASE = "Neo.ClientError.Database.DatabaseNotFound"
_SAME_SCHEMA = "Neo.ClientError.Schema.EquivalentSchemaRuleAlreadyExists"
_TIMED_OUT = (
    "Neo.ClientError.Transaction.TransactionTimedOut",
    "Neo.ClientError.Transaction.TransactionTimedOutClientConfiguration",
)


class Neo4jAddressError(InvalidInputError):
    """NEO4J_URI is malformed."""

    code = "bad-neo4j-uri"

    def __init__(self) -> None:
        super().__init__(
            "NEO4J_URI is invalid. Write it like bolt://host:7687, without user and password;"
            " those belong in NEO4J_USER and NEO4J_PASSWORD."
        )


class Neo4jUnavailableError(UnavailableError):
    """Neo4j is unreachable, or refuses what AgentGuard needs."""

    code = "neo4j-unavailable"


class StagedGraphLostError(Neo4jUnavailableError):
    """Another process replaced or deleted the staged graph before it was shown."""

    code = "staged-graph-lost"

    def __init__(self) -> None:
        super().__init__(
            "Another process took over or deleted the staged graph before it was shown. If this"
            " repeats, synchronise the clocks of all machines."
        )


def met_another(error: Neo4jError) -> bool:
    """Return whether another transaction created the same node, constraint or index meanwhile.

    MERGE and IF NOT EXISTS find it the next time.
    """
    return isinstance(error, ConstraintError) or error.code == _SAME_SCHEMA


def unavailable(
    error: GqlError | TimeoutError | OSError, address: str, database: str
) -> Neo4jUnavailableError:
    """Return the driver's error as advice for the operator."""
    return Neo4jUnavailableError(f"Neo4j at {address} {_trouble(error, database)}")


def _trouble(error: GqlError | TimeoutError | OSError, database: str) -> str:
    code = error.code if isinstance(error, Neo4jError) else None
    if isinstance(error, AuthError) or code == _RATE_LIMIT:
        return "rejected the credentials. Correct NEO4J_USER and NEO4J_PASSWORD."
    if code == _NO_DATABASE:
        return (
            f"has no database {database!r}. Correct NEO4J_DATABASE; the Community edition has one,"
            " `neo4j`."
        )
    if isinstance(error, TimeoutError) or code in _TIMED_OUT:
        return "did not answer in time. Check its load, or raise AGENTGUARD_NEO4J_TIMEOUT_SECONDS."
    if isinstance(error, ConstraintError):
        return (
            "has a node of another application with the id of a component. Use a dedicated"
            " database for AgentGuard."
        )
    if isinstance(error, DriverError | OSError):
        return "is unreachable. Start it, or correct NEO4J_URI."
    return f"rejected the request ({code}). See the server's log."
