"""Names as components bear them: run ids taken out, models under one name.

Ids from identity alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from agentguard.discovery.kinds import ComponentKind
from agentguard.discovery.packaged_yaml import parse

_COMPOSITE = re.compile(r"^[a-z_]+:.*,")
_TELLING = 3
_COMMON = frozenset({"agent", "tool", "the", "and", "for", "ask", "get", "call", "run"})
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True)
class NameRule:
    """What is taken out of names, by whose authority.

    `examples` pairs names as written with what the rules leave.
    """

    id: str
    about: str
    source: str
    pattern: re.Pattern[str]
    release: bool = False
    """Tells releases of one model apart, rather than ways to write one release."""
    examples: tuple[tuple[str, str], ...] = ()

    @property
    def kept(self) -> str:
        """What is put in place of a match: the pattern's group, where it has one."""
        return r"\1" if self.pattern.groups else ""


@cache
def name_rules(section: str) -> tuple[NameRule, ...]:
    """Return the rules for `components` or `models`, in the order in which they are applied."""
    table = parse(files("agentguard.discovery").joinpath("names.yaml").read_text("utf-8"))
    return tuple(_name_rule(raw) for raw in table[section])


def _name_rule(raw: dict[str, Any]) -> NameRule:
    examples = tuple(raw.get("examples", {}).items())
    return NameRule(
        raw["id"],
        raw["about"],
        raw["source"],
        re.compile(raw["pattern"]),
        raw.get("release", False),
        examples,
    )


def _without(rules: Iterable[NameRule], name: str) -> str:
    for rule in rules:
        name = rule.pattern.sub(rule.kept, name)
    return name


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
    kind: ComponentKind,
    name: str,
    *,
    environment: str | None = None,
    server: str | None = None,
    identified: bool = True,
) -> Identity:
    """Return the identity.

    Names that differ only in case have one id, and so have a model's dated and undated names.
    """
    place = f"{environment}/" if environment else ""
    within = f"{server}/" if server else ""
    mark = "" if identified else "?"
    key = undated(name) if kind is ComponentKind.MODEL else name
    return Identity(
        f"{place}{kind}:{mark}{within}{key}".casefold(), kind, name, environment, server, identified
    )


@lru_cache(maxsize=65536)
def clean(name: str | None) -> str | None:
    """Return the name without uuids, addresses, hashes and version numbers.

    None where nothing is left.
    """
    if name is None:
        return None
    left = _without(name_rules("components"), name)
    return clean(left.strip(" _-.:/#")) if left != name else name.strip() or None


@lru_cache(maxsize=65536)
def model_name(name: str | None) -> str | None:
    """Return the model's name without a provider or path before it.

    None for what is no single model.
    """
    if name is None or _COMPOSITE.match(name):
        return None
    return (
        _without((rule for rule in name_rules("models") if not rule.release), name.strip()).strip()
        or None
    )


@lru_cache(maxsize=65536)
def undated(model: str) -> str:
    """Return the model's name without the mark of its release.

    Requested and answered names then agree.
    """
    return _without((rule for rule in name_rules("models") if rule.release), model) or model


@lru_cache(maxsize=65536)
def folded(name: str) -> str:
    """Return the name as it is compared: without case, runs of spaces, '-' and '_' as one."""
    return re.sub(r"[\s_\-]+", " ", name).strip().casefold()


@lru_cache(maxsize=65536)
def agent_key(name: str) -> str:
    """Return an agent's name as tools and arguments speak of it.

    Folded, without separators and the word agent at its end.
    """
    joined = folded(name).replace(" ", "")
    return joined.removesuffix("agent") or joined


def akin(one: str, other: str) -> bool:
    """Say whether two names share a word by more than chance.

    One of three letters or more that is not agent or tool.
    """
    return bool(telling_words(one) & telling_words(other))


@lru_cache(maxsize=65536)
def telling_words(name: str) -> frozenset[str]:
    """Return the words of a name that two names share by more than chance."""
    words = folded(_CAMEL.sub(" ", name)).split()
    return frozenset(word.removesuffix("s") for word in words if len(word) >= _TELLING) - _COMMON


@lru_cache(maxsize=65536)
def names_an_agent(service: str) -> bool:
    """Say whether a service's name has one of the words agent, bot, assistant, worker."""
    words = re.split(r"[^a-zA-Z]+", _CAMEL.sub(" ", service))
    return any(
        word.casefold() in {"agent", "agents", "bot", "assistant", "worker"} for word in words
    )
