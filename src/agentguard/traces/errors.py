"""Errors of span intake, with the gRPC status codes that OTLP responses use."""

from __future__ import annotations

from enum import IntEnum

from agentguard.kernel.errors import AgentGuardError, UnavailableError


class RpcCode(IntEnum):
    """google.rpc.Code."""

    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class SpansNotStoredError(AgentGuardError):
    """The store rejected the spans."""

    code = "spans-not-stored"

    def __init__(self, rpc: RpcCode, message: str) -> None:
        super().__init__(message)
        self.rpc = rpc


class StoreUnavailableError(SpansNotStoredError, UnavailableError):
    """The store cannot accept spans at the moment, for example because the disk is full."""

    code = "store-unavailable"

    def __init__(self, message: str) -> None:
        super().__init__(RpcCode.UNAVAILABLE, message)


class IngestFullError(UnavailableError):
    """The limit of requests in progress is reached."""

    code = "ingest-full"

    def __init__(self) -> None:
        super().__init__(
            "Too many requests in progress. Retry after the number of seconds in Retry-After."
        )


class UnusableDeliveryError(AgentGuardError):
    """The delivery contains no readable span."""

    code = "unusable-delivery"
    status = 400

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
