"""What can go wrong with Neo4j, in one sentence that says what to do.

None repeats what the server said: it may hold anything.
"""

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
    """The driver cannot use this URI."""

    code = "bad-neo4j-uri"

    def __init__(self) -> None:
        super().__init__(
            "NEO4J_URI cannot be used. Write it like bolt://host:7687, without user and password;"
            " those are NEO4J_USER and NEO4J_PASSWORD."
        )


class Neo4jUnavailableError(UnavailableError):
    """Neo4j is away, or does not do what it is asked."""

    code = "neo4j-unavailable"


class StagedGraphLostError(Neo4jUnavailableError):
    """What was written was taken for a dead writer's before it could be shown."""

    code = "staged-graph-lost"

    def __init__(self) -> None:
        super().__init__(
            "Another process deleted the graph before it could be shown, for its writer seemed dead"
            " after an hour. Set the clocks of all machines alike, and try again."
        )


def met_another(error: Neo4jError) -> bool:
    """Whether somebody created the same node, constraint or index at the same time: MERGE and IF
    NOT EXISTS see it the next time.
    """
    return isinstance(error, ConstraintError) or error.code == _SAME_SCHEMA


def unavailable(
    error: GqlError | TimeoutError | OSError, address: str, database: str
) -> Neo4jUnavailableError:
    """Return what the driver's error means for who runs AgentGuard."""
    return Neo4jUnavailableError(f"Neo4j at {address} {_trouble(error, database)}")


def _trouble(error: GqlError | TimeoutError | OSError, database: str) -> str:
    code = error.code if isinstance(error, Neo4jError) else None
    if isinstance(error, AuthError) or code == _RATE_LIMIT:
        return "does not accept the user or the password. Correct NEO4J_USER and NEO4J_PASSWORD."
    if code == _NO_DATABASE:
        return (
            f"has no database {database!r}. Correct NEO4J_DATABASE; the Community edition has one,"
            " `neo4j`."
        )
    if isinstance(error, TimeoutError) or code in _TIMED_OUT:
        return (
            "did not answer in time. See what keeps it busy, or raise"
            " AGENTGUARD_NEO4J_TIMEOUT_SECONDS."
        )
    if isinstance(error, ConstraintError):
        return (
            "holds a node with an id that AgentGuard needs for one of its own. Give AgentGuard a"
            " database to itself."
        )
    if isinstance(error, DriverError | OSError):
        return "cannot be reached. Start it, or correct NEO4J_URI."
    return f"refused to work ({code}). Its log says more."
