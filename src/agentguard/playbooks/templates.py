"""Templates of playbooks: what to do about one kind of failure, as data.

The packaged ones are in `templates/`; files named by AGENTGUARD_PLAYBOOKS replace those of the same
condition, or add conditions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Formatter
from typing import TypeVar

import yaml

from agentguard.discovery.kinds import ComponentKind
from agentguard.kernel.yaml_nodes import Nodes, described, documents, read_text
from agentguard.playbooks.errors import PlaybookTemplateError, UnknownConditionError
from agentguard.simulation.modes import FailureMode

E = TypeVar("E", bound=StrEnum)

FALLBACK_CONDITION = "component_outage"
"""The template for what no other one is for."""

_KEYS = (
    "condition",
    "title",
    "kinds",
    "modes",
    "confirm",
    "contain",
    "restore",
    "restore_title",
    "signal",
)
_MEASURE_KEYS = ("measure", "title", "action", "rollback")
_PLACEHOLDERS = frozenset({"component", "callers", "providers", "models"})
_OF_MEASURES = _PLACEHOLDERS | {"caller", "callee"}


class Measure(StrEnum):
    """What contains a failure."""

    SECOND_PROVIDER = "second_provider"
    OTHER_MODEL = "other_model"
    REPLICA = "replica"
    PREVIOUS_VERSION = "previous_version"
    DISABLE = "disable"
    """Callers go on without the component."""
    HOLD = "hold"
    """One caller, near or far, goes on without its callee."""
    CACHED_ANSWER = "cached_answer"
    LOWER_RATE = "lower_rate"
    REVIEW_ANSWERS = "review_answers"
    PAUSE_CONSUMERS = "pause_consumers"
    PAUSE_RUNS = "pause_runs"
    STOP = "stop"


class Signal(StrEnum):
    """What tells whether the failure is over."""

    ERRORS = "errors"
    LATENCY = "latency"
    CALLS_PER_RUN = "calls_per_run"
    QUEUE_DELAY = "queue_delay"
    INVOCATIONS = "invocations"
    """None of them are expected."""
    ANSWERS = "answers"
    """People judge them: no span says whether an answer is wrong."""


@dataclass(frozen=True, slots=True)
class MeasureText:
    """How to take a measure."""

    measure: Measure
    title: str
    action: str
    rollback: str


@dataclass(frozen=True, slots=True)
class Template:
    """The texts of one condition; `{component}` and other placeholders stand for facts."""

    condition: str
    title: str
    kinds: frozenset[ComponentKind]
    modes: frozenset[FailureMode]
    """It is chosen for these without being asked for; empty: only by its name."""
    confirm: tuple[str, ...]
    contain: tuple[MeasureText, ...]
    """What saves most is chosen, of about equal ones the first."""
    restore: tuple[str, ...]
    restore_title: str
    signal: Signal


@dataclass(frozen=True, slots=True)
class Templates:
    """All templates by condition."""

    by_condition: Mapping[str, Template]

    def named(self, condition: str) -> Template:
        """Return the template; raise UnknownConditionError."""
        if condition not in self.by_condition:
            raise UnknownConditionError(condition, tuple(sorted(self.by_condition)))
        return self.by_condition[condition]

    def suited(self, kind: ComponentKind, mode: FailureMode) -> Template:
        """Return the template for components of this kind that fail like this."""
        found = (t for _, t in sorted(self.by_condition.items()))
        suited = (t for t in found if kind in t.kinds and mode in t.modes)
        return next(suited, self.by_condition[FALLBACK_CONDITION])


@cache
def packaged_templates() -> Templates:
    """Return the templates that ship with the package."""
    folder = files("agentguard.playbooks") / "templates"
    read = [
        read_template(entry.read_text("utf-8"), origin=entry.name)
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".yaml")
    ]
    return Templates({t.condition: t for t in read})


def load_templates(paths: Sequence[Path]) -> Templates:
    """Return the packaged templates with those of the files; raise PlaybookTemplateError.

    Of two files with one condition, the later one counts.
    """
    own = [read_template(read_text(p, PlaybookTemplateError), origin=str(p)) for p in paths]
    return Templates({**packaged_templates().by_condition, **{t.condition: t for t in own}})


def read_template(text: str, *, origin: str) -> Template:
    """Return the template in this YAML text; raise only PlaybookTemplateError, with the line."""
    roots = documents(text, origin, PlaybookTemplateError)
    if not roots:
        raise PlaybookTemplateError(origin, None, "is empty. Write a template, or remove it.")
    reader = _Reader(Nodes(origin, PlaybookTemplateError))
    if len(roots) > 1:
        raise reader.nodes.error(
            roots[1], "a second template starts here. Move it to its own file."
        )
    return reader.template(roots[0])


@dataclass(frozen=True, slots=True)
class _Reader:
    nodes: Nodes

    def template(self, root: yaml.Node) -> Template:
        found = dict(self.nodes.members(root, _KEYS))
        for key in ("condition", "title", "confirm", "contain", "restore", "signal"):
            if key not in found:
                raise self.nodes.error(root, f"{key} is missing. Add it.")
        return Template(
            condition=self._condition(found["condition"]),
            title=self._text(found["title"], "title", _PLACEHOLDERS),
            kinds=frozenset(self._members(found, "kinds", ComponentKind)),
            modes=frozenset(self._members(found, "modes", FailureMode)),
            confirm=self._texts(found["confirm"], "confirm"),
            contain=self._measures(found["contain"]),
            restore=self._texts(found["restore"], "restore"),
            restore_title=self._text(found["restore_title"], "restore_title", _PLACEHOLDERS)
            if "restore_title" in found
            else "Restore {component}",
            signal=self._member(found["signal"], "signal", Signal),
        )

    def _condition(self, node: yaml.Node) -> str:
        text = self._required(node, "condition")
        if not text.replace("_", "").isalnum() or not text.isascii() or text != text.lower():
            raise self.nodes.error(
                node, f"condition must be lower-case words joined by _, not {described(node)}."
            )
        return text

    def _measures(self, node: yaml.Node) -> tuple[MeasureText, ...]:
        items = self.nodes.items(node, "- measure: hold")
        if not items:
            raise self.nodes.error(node, "contain is empty. Add at least one measure.")
        return tuple(map(self._measure, items))

    def _measure(self, node: yaml.Node) -> MeasureText:
        found = dict(self.nodes.members(node, _MEASURE_KEYS))
        for key in _MEASURE_KEYS:
            if key not in found:
                raise self.nodes.error(node, f"{key} is missing in this measure. Add it.")
        measure = self._member(found["measure"], "measure", Measure)
        allowed = _OF_MEASURES if measure is Measure.HOLD else _PLACEHOLDERS
        texts = (self._text(found[key], key, allowed) for key in _MEASURE_KEYS[1:])
        return MeasureText(measure, *texts)

    def _texts(self, node: yaml.Node, key: str) -> tuple[str, ...]:
        read = self.nodes.texts(node, key)
        if not read:
            raise self.nodes.error(node, f"{key} must be a list of at least one sentence.")
        return tuple(self._text(item, key, _PLACEHOLDERS) for _, item in read)

    def _text(self, node: yaml.Node, key: str, allowed: Iterable[str]) -> str:
        text = self._required(node, key)
        try:
            parts = [_placeholder(*rest) for _, *rest in Formatter().parse(text)]
        except ValueError as error:
            raise self.nodes.error(node, f"{key} has an unpaired brace: {error}.") from None
        for name in sorted({each for each in parts if each is not None} - set(allowed)):
            known = ", ".join(f"{{{each}}}" for each in sorted(allowed))
            raise self.nodes.error(
                node, f"{key} has the unknown placeholder {{{name}}}; known: {known}."
            )
        return text

    def _required(self, node: yaml.Node, key: str) -> str:
        text = self.nodes.text(node, key)
        if text is None:
            raise self.nodes.error(node, f"{key} is null. Set a value.")
        return text

    def _members(self, found: Mapping[str, yaml.Node], key: str, of: type[E]) -> list[E]:
        read = self.nodes.texts(found[key], key) if key in found else None
        return [self._member(item, key, of) for _, item in read or ()]

    def _member(self, node: yaml.Node, key: str, of: type[E]) -> E:
        text = self._required(node, key)
        try:
            return of(text)
        except ValueError:
            known = ", ".join(each.value for each in of)
            raise self.nodes.error(
                node, f"{key} must be one of {known}, not {described(node)}."
            ) from None


def _placeholder(name: str | None, specification: str | None, conversion: str | None) -> str | None:
    """Return what stands between the braces; formats belong to it, so that none is accepted."""
    if name is None:
        return None
    how = f"!{conversion}" if conversion else ""
    return f"{name}{how}:{specification}" if specification else f"{name}{how}"
