"""Problem documents (RFC 9457), as the API answers them and `--format json` prints them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentguard.kernel.errors import AgentGuardError


def problem(error: AgentGuardError) -> dict[str, Any]:
    """Return the problem document of an error."""
    return problem_document(error.status, error.code, str(error), error.extensions)


def problem_document(
    status: int, code: str, detail: str, extensions: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """Return a problem document; the standard members win over extensions of the same name."""
    return dict(extensions or {}) | {
        "type": f"urn:agentguard:problem:{code}",
        "title": code.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
    }


def internal_problem(detail: str) -> dict[str, Any]:
    """Return the problem document of an internal error."""
    return problem_document(500, "internal", detail)
