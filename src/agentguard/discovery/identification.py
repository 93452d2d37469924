"""What identifies the component that a span represents, and how well that is proven."""

from __future__ import annotations

from agentguard.discovery.classification import Classification
from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.kinds import ComponentKind
from agentguard.discovery.naming import Identity, clean, identity, is_service_name
from agentguard.discovery.partial import Proof
from agentguard.discovery.rows import COMPONENT


def component_identity(
    role: Role,
    name: str | None,
    server: str | None,
    classification: Classification,
    *,
    level: int = 0,
) -> Identity:
    """Return the identity for a role and a name.

    Without a name, an unidentified component is identified by service, span name and `level`, the
    number of unnamed agents that enclose it.
    """
    if name:
        return identity(
            COMPONENT[role],
            name,
            environment=classification.environment,
            server=server,
            service=_place_of_tool(classification) if role is Role.TOOL else None,
        )
    place = _place(role, classification) if role is not Role.MODEL else ""
    place += f" (level {level + 1})" if level else ""
    return identity(
        COMPONENT[role],
        place or "(unnamed)",
        environment=classification.environment,
        server=server,
        identified=False,
    )


def _place_of_tool(tool: Classification) -> str | None:
    """Return the tool's service, and its plugin in it."""
    plugin = tool.server.replace("/", "%2f") if tool.server else None
    return "/".join(filter(None, (service_of(tool), plugin))) or None


def service_of(classification: Classification) -> str | None:
    """Return the service as part of an id; None if nobody has named it."""
    service = clean(classification.service) if is_service_name(classification.service) else None
    return None if service is None else service.replace("/", "%2f")


def _place(role: Role, classification: Classification) -> str:
    """Return service and span name; instead of the span name, a framework's default name."""
    default = clean(classification.spelling) if role is Role.AGENT else None
    return f"{classification.service} {default or clean(classification.route) or ''}".strip()


def spelling_of(component: Identity, classification: Classification) -> str:
    if (
        component.kind in (ComponentKind.AGENT, ComponentKind.TOOL, ComponentKind.MODEL)
        and classification.spelling
        and component.identified
    ):
        return classification.spelling
    return component.name


def proof_of(classification: Classification) -> Proof:
    if classification.weak:
        return Proof.SHAPE
    return Proof.ATTRIBUTE if classification.explicit else Proof.STRUCTURE
