"""Loads declarations by content: YAML catalogs, A2A agent cards and Backstage entities."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentguard.catalog.agent_cards import is_agent_card, read_agent_card
from agentguard.catalog.backstage import is_backstage, read_backstage
from agentguard.catalog.errors import CatalogFormatError
from agentguard.catalog.model import Catalog, merge
from agentguard.catalog.reading import catalog_of
from agentguard.kernel.yaml_nodes import MAX_CHARACTERS, documents, read_text


def load_catalogs(paths: Sequence[Path]) -> Catalog | None:
    """Return the merged declarations of all files, or None without files.

    Raises CatalogFormatError.
    """
    found = [load_catalog(path) for path in paths]
    return merge(found) if len(found) > 1 else next(iter(found), None)


def load_catalog(path: Path) -> Catalog:
    """Return the declarations of a file.

    Raises CatalogFormatError, also if the file is missing or unreadable.
    """
    return read_declarations(read_text(path, CatalogFormatError), origin=str(path))


def read_declarations(text: str, *, origin: str) -> Catalog:
    """Return the declarations in a text of any supported format.

    Raises only CatalogFormatError.
    """
    card = _json_object(text)
    if is_agent_card(card):
        return read_agent_card(card, origin=origin)
    roots = documents(text, origin, CatalogFormatError)
    if is_backstage(roots):
        return read_backstage(roots, origin=origin)
    if not roots:
        raise CatalogFormatError(
            origin, None, "is empty. Create a catalog with `agentguard catalog init`."
        )
    return catalog_of(roots, origin)


def _json_object(text: str) -> dict[str, Any]:
    """Return the text as a JSON object, or an empty one if it is not.

    Agent cards are parsed as JSON because YAML is not a superset of it in practice.
    """
    if len(text) > MAX_CHARACTERS or not text.lstrip().startswith("{"):
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
