"""Errors of catalog files."""

from __future__ import annotations

from agentguard.kernel.errors import FileFormatError


class CatalogFormatError(FileFormatError):
    """The file is not a valid catalog."""

    code = "catalog-format"
    advice = "Check AGENTGUARD_CATALOG."
