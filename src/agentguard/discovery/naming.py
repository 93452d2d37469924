"""Component names and ids: removes run ids, unifies model names, derives ids from identity."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from agentguard.discovery.kinds import ComponentKind
from agentguard.discovery.packaged_yaml import parse
from agentguard.kernel.patterns import Match, Pattern

_COMPOSITE = Pattern(r"^[a-z_]+:.*,")
_CAMEL = (Pattern(r"[a-z0-9][A-Z]"), Pattern(r"[A-Z][A-Z][a-z]"))
_NOT_LETTERS = Pattern(r"[^a-zA-Z]+")
BETWEEN = "./:_-"
"""What separates the name of a server or plugin from that of its tool."""
_MIN_WORD_LENGTH = 3
_GENERIC_WORDS = frozenset({"agent", "tool", "the", "and", "for", "ask", "get", "call", "run"})


@dataclass(frozen=True, slots=True)
class NameRule:
    """A pattern to remove from names, with its source.

    A group of the pattern is kept. `examples` pairs names as written with the result of all rules.
    """

    id: str
    about: str
    source: str
    pattern: Pattern
    release: bool = False
    """Whether it separates releases of one model instead of spellings of one release."""
    whole_word: tuple[Pattern, ...] = ()
    """If set, the group is an id: removed like the rest, and only if no letter or digit touches it
    and each of these matches it.
    """
    examples: tuple[tuple[str, str], ...] = ()

    def replacement(self, match: Match) -> str:
        """Return what remains of a match in a name."""
        if not self.whole_word:
            return match.group
        removed = not match.inside_word and all(each.found(match.group) for each in self.whole_word)
        return "" if removed else match.whole


@cache
def name_rules(section: str) -> tuple[NameRule, ...]:
    """Return the rules for `components` or `models`, in order of application."""
    table = parse(files("agentguard.discovery").joinpath("names.yaml").read_text("utf-8"))
    return tuple(_name_rule(raw) for raw in table[section])


def _name_rule(raw: dict[str, Any]) -> NameRule:
    examples = tuple(raw.get("examples", {}).items())
    return NameRule(
        raw["id"],
        raw["about"],
        raw["source"],
        Pattern(raw["pattern"]),
        raw.get("release", False),
        tuple(map(Pattern, raw.get("whole_word", ()))),
        examples,
    )


def _without(rules: Iterable[NameRule], name: str) -> str:
    for rule in rules:
        name = rule.pattern.replaced(name, rule.replacement)
    return name


@cache
def default_agent_names() -> frozenset[str]:
    """Return the names that frameworks give to agents without a name, in lower case."""
    table = parse(files("agentguard.discovery").joinpath("names.yaml").read_text("utf-8"))
    return frozenset(table["default_agents"]["names"])


def own_name(name: str | None) -> str | None:
    """Return an agent's name, or None if it is a framework's default."""
    return None if name is None or name.casefold() in default_agent_names() else name


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of a component."""

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
    service: str | None = None,
    identified: bool = True,
) -> Identity:
    """Return the identity of a component on this MCP server, or else within this service.

    Names that differ only in case share an id, and so do dated and undated names of a model.
    """
    place = f"{environment}/" if environment else ""
    within = f"{server or service}/" if server or service else ""
    mark = "" if identified else "?"
    key = undated(name) if kind is ComponentKind.MODEL else name
    return Identity(
        f"{place}{kind}:{mark}{within}{key}".casefold(), kind, name, environment, server, identified
    )


@lru_cache(maxsize=65536)
def clean(name: str | None) -> str | None:
    """Return the name without UUIDs, addresses, hashes and version numbers; None if empty."""
    if name is None:
        return None
    left = _without(name_rules("components"), name)
    return clean(left.strip(" _-.:/#")) if left != name else name.strip() or None


@lru_cache(maxsize=65536)
def model_name(name: str | None) -> str | None:
    """Return the model's name without provider or path prefix; None for a composite name."""
    if name is None or _COMPOSITE.found(name):
        return None
    return (
        _without((rule for rule in name_rules("models") if not rule.release), name.strip()).strip()
        or None
    )


@lru_cache(maxsize=65536)
def undated(model: str) -> str:
    """Return the model's name without its release, so that request and response models match."""
    return _without((rule for rule in name_rules("models") if rule.release), model) or model


@lru_cache(maxsize=65536)
def normalized(name: str) -> str:
    """Return the name for comparison: casefolded, runs of spaces, '-' and '_' as one space."""
    return " ".join(name.replace("_", " ").replace("-", " ").split()).casefold()


def without_prefix(name: str | None, prefix: str | None) -> str | None:
    """Return a tool's name without its server's or plugin's: `x.find` of `x` → `find`."""
    if not name or not prefix or not name.casefold().startswith(prefix.casefold()):
        return name
    rest = name[len(prefix) :]
    return rest.lstrip(BETWEEN) or name if rest[:1] and rest[0] in BETWEEN else name


@lru_cache(maxsize=65536)
def agent_key(name: str) -> str:
    """Return an agent's name as tools and arguments refer to it.

    Normalized, without separators and without the suffix "agent".
    """
    joined = normalized(name).replace(" ", "")
    return joined.removesuffix("agent") or joined


def share_word(one: str, other: str) -> bool:
    """Return whether two names share a distinctive word of at least three letters."""
    return bool(distinctive_words(one) & distinctive_words(other))


@lru_cache(maxsize=65536)
def distinctive_words(name: str) -> frozenset[str]:
    """Return the distinctive words of a name: at least three letters, no generic terms."""
    words = normalized(camel_split(name)).split()
    return (
        frozenset(word.removesuffix("s") for word in words if len(word) >= _MIN_WORD_LENGTH)
        - _GENERIC_WORDS
    )


def is_service_name(service: str) -> bool:
    """Return whether somebody set this service's name: SDKs fill in `unknown_service`."""
    return bool(service) and not service.startswith("unknown_service")


@lru_cache(maxsize=65536)
def is_agent_name(service: str) -> bool:
    """Return whether a service's name contains the word agent, bot, assistant or worker."""
    words = _NOT_LETTERS.replaced(camel_split(service), lambda _: " ").split()
    return any(
        word.casefold() in {"agent", "agents", "bot", "assistant", "worker"} for word in words
    )


def camel_split(name: str) -> str:
    """Return the name with a space before each word of camel case: `HTTPClient` → `HTTP Client`."""
    for boundary in _CAMEL:
        name = boundary.replaced(name, lambda match: f"{match.whole[0]} {match.whole[1:]}")
    return name
