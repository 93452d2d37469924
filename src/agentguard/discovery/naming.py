"""Names as components bear them: run ids taken out, models under one name; ids from identity alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from agentguard.discovery.kinds import ComponentKind

_UUID = r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}"
_RUN_ID = re.compile(
    rf"[\s_\-.:/#(\[@]*(?:{_UUID}|0x[0-9a-fA-F]{{6,}}|(?<![0-9a-zA-Z])(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{{12,}}(?![0-9a-zA-Z]))[)\]]*"
)
_DATE = re.compile(r"[-@](?:20\d\d-\d\d-\d\d|20\d{6})(?:-v\d+(?::\d+)?)?$")
_BEDROCK = re.compile(r"^(?:(?:us|eu|apac|global)\.)?(?:anthropic|amazon|meta|mistral|cohere|ai21|deepseek)\.(.+?)(?:-v\d+(?::\d+)?)?$")
_COMPOSITE = re.compile(r"^[a-z_]+:.*,")

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes a component the one it is."""

    id: str
    kind: ComponentKind
    name: str
    environment: str | None = None
    server: str | None = None
    identified: bool = True


@lru_cache(maxsize=65536)
def identity(
    kind: ComponentKind, name: str, *, environment: str | None = None, server: str | None = None, identified: bool = True
) -> Identity:
    """Return the identity; names that differ only in case have one id, and so have a model's dated and undated names."""
    place = f"{environment}/" if environment else ""
    within = f"{server}/" if server else ""
    mark = "" if identified else "?"
    key = undated(name) if kind is ComponentKind.MODEL else name
    return Identity(f"{place}{kind}:{mark}{within}{key}".casefold(), kind, name, environment, server, identified)


@lru_cache(maxsize=65536)
def clean(name: str | None) -> str | None:
    """Return the name without uuids, addresses and hashes; None where nothing is left."""
    if name is None:
        return None
    return _RUN_ID.sub("", name).strip(" _-.:/#") or None


@lru_cache(maxsize=65536)
def model_name(name: str | None) -> str | None:
    """Return the model's name without a provider or path before it; None for what is no single model."""
    if name is None or _COMPOSITE.match(name):
        return None
    last = name.rsplit("/", 1)[-1].strip()
    bedrock = _BEDROCK.match(last)
    return (bedrock.group(1) if bedrock else last) or None


@lru_cache(maxsize=65536)
def undated(model: str) -> str:
    """Return the model's name without the date of its release: requested and answered names then agree."""
    return _DATE.sub("", model) or model


@lru_cache(maxsize=65536)
def folded(name: str) -> str:
    """Return the name as it is compared: without case, runs of spaces, '-' and '_' as one."""
    return re.sub(r"[\s_\-]+", " ", name).strip().casefold()


@lru_cache(maxsize=65536)
def names_an_agent(service: str) -> bool:
    """Say whether a service's name has one of the words agent, bot, assistant, worker."""
    words = re.split(r"[^a-zA-Z]+", _CAMEL.sub(" ", service))
    return any(word.casefold() in {"agent", "agents", "bot", "assistant", "worker"} for word in words)
