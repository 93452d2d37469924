"""Problem documents (RFC 9457) as responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from agentguard.kernel.problems import internal_problem

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = {"Retry-After": "1"}


class Problem(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(
        description="A URI that identifies the kind of problem.",
        examples=["urn:agentguard:problem:unknown-component"],
    )
    title: str
    status: int
    detail: str = Field(description="What happened, then what to do.")
    code: str = Field(
        description="The kind of problem: stable, for programs.", examples=["unknown-component"]
    )


class ProblemResponse(Response):
    """A problem document with its own status."""

    media_type = MEDIA_TYPE

    def __init__(
        self, document: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(orjson.dumps(document), document["status"], headers=dict(headers or {}))


def internal_problem_response() -> ProblemResponse:
    """Return the response to an internal error, without its cause."""
    return ProblemResponse(internal_problem("An internal error occurred. See the server log."))
