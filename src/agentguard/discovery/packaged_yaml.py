"""Parse the YAML tables that ship with the package; every process does so at its start."""

from __future__ import annotations

from typing import Any

import yaml

_LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's loader parses them ten times as fast; PyYAML may be built without it."""


def parse(text: str) -> Any:
    """Return the document. Only for our own tables: libyaml's errors do not quote the text."""
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 - both are safe loaders
