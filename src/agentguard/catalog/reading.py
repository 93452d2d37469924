"""Catalogues from YAML."""

from __future__ import annotations

from pathlib import Path

from agentguard.catalog.model import Catalog


def read_catalog(text: str, *, origin: str) -> Catalog:
    """Return the catalogue written in this YAML text; raise CatalogFormatError, and nothing else, with the line.

    A mapping of `agents`, `workflows`, `components` (lists of entries with `id`, `name`, `owner`, `value_per_run`; id or name
    needed) and `currency`; or just a list of entries, which are agents. Unknown keys and doubled ids are errors.
    """
    raise NotImplementedError


def load_catalog(path: Path) -> Catalog:
    """Return the catalogue in this file; raise CatalogFormatError also where it is missing or unreadable."""
    raise NotImplementedError
