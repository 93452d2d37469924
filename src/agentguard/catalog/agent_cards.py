"""Reads A2A agent cards (protocol versions 0.2 to 1.0) as catalog entries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentguard.catalog.errors import CatalogFormatError
from agentguard.catalog.model import Catalog, Entry, EntryKind
from agentguard.kernel.yaml_nodes import is_encodable

_MARKS = frozenset(
    {
        "supportedInterfaces",
        "protocolVersion",
        "capabilities",
        "skills",
        "defaultInputModes",
        "preferredTransport",
    }
)
"""Card members that no catalog has; every version requires some. 1.0 has no top-level `url`."""


def is_agent_card(document: object) -> bool:
    """Return whether this JSON document is meant to be an agent card."""
    return isinstance(document, Mapping) and not _MARKS.isdisjoint(document)


def read_agent_card(document: Mapping[str, Any], *, origin: str) -> Catalog:
    """Return the agent that a card declares, with the provider's organization as its owner.

    Skills, interfaces and security are ignored: spans do not contain them, so there is nothing to
    compare. Raises CatalogFormatError.
    """
    name = _text(document, "name", origin)
    if name is None:
        raise CatalogFormatError(
            origin,
            None,
            "is an A2A agent card without a name. Add the name.",
        )
    provider = document.get("provider")
    if provider is not None and not isinstance(provider, Mapping):
        raise CatalogFormatError(
            origin, None, "is an A2A agent card whose provider is not an object."
        )
    owner = None if provider is None else _text(provider, "organization", origin)
    return Catalog(
        (Entry(EntryKind.AGENT, name=name, owner=owner, line=1, origin=origin),), None, origin
    )


def _text(members: Mapping[str, Any], key: str, origin: str) -> str | None:
    value = members.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not is_encodable(value):
        raise CatalogFormatError(origin, None, f"is an A2A agent card whose {key} is not text.")
    return value if value.strip() else None
