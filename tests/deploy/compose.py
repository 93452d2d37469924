"""docker-compose.yml, read as `docker compose config` reads it: merges and variables resolved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
GUNICORN = ROOT / "deploy" / "docker" / "gunicorn.yml"
VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?::([-?])([^}]*))?\}|(\w+))")


def read(path: Path = FILE, variables: Mapping[str, str] = {}) -> dict[str, Any]:
    """Return the project.

    Raises UnsetVariableError for a variable that is not set and has no default.
    """
    return dict(_resolved(yaml.safe_load(path.read_text()), variables))


class UnsetVariableError(Exception):
    """A variable is needed and not set."""


def resolve(text: str, variables: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        dollar, name, kind, given, bare = found.groups()
        if dollar:
            return "$"
        if variables.get(name or bare):
            return variables[name or bare]
        if kind != "-":
            raise UnsetVariableError(given or name or bare)
        return str(given)

    return VARIABLE.sub(value, text)


def seconds(text: str) -> float:
    """How long a duration of compose (1m30s) is; only minutes and seconds are used here."""
    minutes, rest = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", text).groups()
    return int(minutes or 0) * 60 + int(rest or 0)


def ours(project: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The services that run AgentGuard's image."""
    return {
        name: service
        for name, service in project["services"].items()
        if service["image"] == "agentguard"
    }


def _resolved(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return resolve(value, variables)
    if isinstance(value, list):
        return [_resolved(each, variables) for each in value]
    if isinstance(value, dict):
        return {name: _resolved(each, variables) for name, each in value.items()}
    return value
