"""A2A agent cards (versions 0.2 to 1.0 of the protocol) as entries of a catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentguard.catalog.errors import CatalogFormatError
from agentguard.catalog.model import Catalog, Declared, Entry
from agentguard.catalog.nodes import is_whole

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
"""Members of a card that no catalogue has; every version asks for some of them. 1.0 has no `url` at
the top any more.
"""


def is_agent_card(document: object) -> bool:
    """Whether this JSON document is meant to be an agent card."""
    return isinstance(document, Mapping) and not _MARKS.isdisjoint(document)


def read_agent_card(document: Mapping[str, Any], *, origin: str) -> Catalog:
    """Return the agent that a card declares.

    Its name, and the provider's organization as its owner.

    Skills, interfaces and security are left out: no span carries them, so nothing could be
    compared. Raises CatalogFormatError.
    """
    name = _text(document, "name", origin)
    if name is None:
        raise CatalogFormatError(
            origin,
            None,
            "is an A2A agent card without a name. Ask the agent's people for a whole one.",
        )
    provider = document.get("provider")
    if provider is not None and not isinstance(provider, Mapping):
        raise CatalogFormatError(
            origin, None, "is an A2A agent card whose provider is no object with an organization."
        )
    owner = None if provider is None else _text(provider, "organization", origin)
    return Catalog(
        (Entry(Declared.AGENT, name=name, owner=owner, line=1, origin=origin),), None, origin
    )


def _text(members: Mapping[str, Any], key: str, origin: str) -> str | None:
    value = members.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not is_whole(value):
        raise CatalogFormatError(origin, None, f"is an A2A agent card whose {key} is no text.")
    return value if value.strip() else None
