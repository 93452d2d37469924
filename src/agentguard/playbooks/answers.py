"""Answers of language models as values: parsed, with everything that is wrong in their shape."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agentguard.playbooks.model import MAX_STEPS, Action
from agentguard.playbooks.prompting import MAX_CHARACTERS, MAX_LINES, MAX_SUMMARY, TEXTS

_STEP_KEYS = frozenset({"id", "action", "targets", "cites", "title", *TEXTS})
_MAX_IDS = 100
_MAX_ANSWER = 100_000
_ACTIONS = frozenset(a.value for a in Action)


class AnswerError(Exception):
    """The answer has not the shape of the schema; `problems` says where. Never leaves the stage."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class AnsweredStep:
    """One step as the model phrased it."""

    id: str
    action: str
    targets: tuple[str, ...]
    cites: tuple[str, ...]
    title: str
    actions: tuple[str, ...]
    verifications: tuple[str, ...]
    rollback: tuple[str, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """Return every text of the step."""
        return (self.title, *self.actions, *self.verifications, *self.rollback)


@dataclass(frozen=True, slots=True)
class AnsweredPlaybook:
    """A playbook as the model phrased it."""

    summary: str
    steps: tuple[AnsweredStep, ...]


def parse_answer(text: str) -> AnsweredPlaybook:
    """Return the answer; raise only AnswerError, with all that is wrong in its shape."""
    if len(text) > _MAX_ANSWER:
        raise AnswerError([f"The answer is longer than {_MAX_ANSWER:,} characters."])
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise AnswerError(["The answer is not JSON."]) from None
    problems = list(_problems(value))
    if problems:
        raise AnswerError(problems)
    return AnsweredPlaybook(value["summary"], tuple(map(_step, value["steps"])))


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _problems(value: Any) -> Iterator[str]:
    if not isinstance(value, dict):
        yield "The answer is no JSON object."
        return
    yield from _keys(value, frozenset({"summary", "steps"}), "The answer")
    yield from _text(value.get("summary"), "summary", MAX_SUMMARY)
    steps = value.get("steps")
    if not isinstance(steps, list) or not 1 <= len(steps) <= MAX_STEPS:
        yield f"steps must be a list of 1 to {MAX_STEPS} steps."
        return
    for place, step in enumerate(steps):
        yield from _step_problems(step, f"steps[{place}]")


def _step_problems(step: Any, place: str) -> Iterator[str]:
    if not isinstance(step, dict):
        yield f"{place} is no JSON object."
        return
    yield from _keys(step, _STEP_KEYS, place)
    yield from _text(step.get("id"), f"{place}.id", 60)
    yield from _text(step.get("title"), f"{place}.title", MAX_CHARACTERS)
    if not isinstance(step.get("action"), str) or step["action"] not in _ACTIONS:
        yield f"{place}.action is not one of {', '.join(sorted(_ACTIONS))}."
    for key in ("targets", "cites"):
        yield from _list(step.get(key), f"{place}.{key}", range(_MAX_IDS + 1), 60)
    for key in TEXTS:
        yield from _list(step.get(key), f"{place}.{key}", range(1, MAX_LINES + 1), MAX_CHARACTERS)


def _keys(value: Mapping[str, Any], wanted: frozenset[str], place: str) -> Iterator[str]:
    missing, more = sorted(wanted - value.keys()), sorted(value.keys() - wanted)
    if missing:
        yield f"{place} lacks {', '.join(missing)}."
    if more:
        yield f"{place} has {len(more)} members that the schema does not have."


def _text(value: Any, place: str, longest: int) -> Iterator[str]:
    if not isinstance(value, str) or not value.strip() or len(value) > longest:
        yield f"{place} must be text of at most {longest} characters."


def _list(value: Any, place: str, sizes: range, longest: int) -> Iterator[str]:
    if not isinstance(value, list) or len(value) not in sizes:
        yield f"{place} must be a list of {sizes.start} to {sizes.stop - 1} texts."
        return
    for item in value:
        yield from _text(item, place, longest)


def _step(value: Mapping[str, Any]) -> AnsweredStep:
    lists = {key: tuple(value[key]) for key in ("targets", "cites", *TEXTS)}
    return AnsweredStep(id=value["id"], action=value["action"], title=value["title"], **lists)
