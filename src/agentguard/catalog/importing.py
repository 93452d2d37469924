"""The use case of importing a catalog: one file from many, in any format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agentguard.catalog.loading import load_catalogs
from agentguard.catalog.model import Catalog
from agentguard.catalog.writing import imported_text


@dataclass(frozen=True, slots=True)
class ImportedCatalog:
    """A catalog as YAML, and what its reader should know about it."""

    text: str
    notes: Sequence[str]


def import_catalog(files: Sequence[Path]) -> ImportedCatalog:
    """Return the catalog that these files declare; raise CatalogFormatError."""
    catalog = load_catalogs(files) or Catalog()
    return ImportedCatalog(imported_text(catalog), catalog.notes)
